{# Rows of every raw table by partition. An empty table keeps one row, without a partition. #}
with loads as (

    {% for table, write in raw_tables().items() -%}
    select
        '{{ table }}' as table_name,
        '{{ write }}' as write_mode,
        _load_partition as partition_key,
        count(*) as rows_n,
        max(_loaded_at) as loaded_at
    from {{ source('raw', table) }}
    group by _load_partition

    union all

    select
        '{{ table }}' as table_name,
        '{{ write }}' as write_mode,
        cast(null as string) as partition_key,
        0 as rows_n,
        cast(null as timestamp) as loaded_at
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}

)

select
    table_name,
    write_mode,
    {{ dbt.safe_cast('partition_key', 'date') }} as partition_date,
    cast(sum(rows_n) as int64) as rows_n,
    max(loaded_at) as loaded_at
from loads
group by 1, 2, 3
