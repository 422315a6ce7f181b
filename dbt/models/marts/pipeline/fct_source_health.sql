with tables as (

    select
        table_name,
        write_mode,
        max(partition_date) as newest_partition_date
    from {{ ref('int_source_partitions') }}
    group by table_name, write_mode

),

refused as (

    select
        table_name,
        {{ dbt.safe_cast('partition_key', 'date') }} as partition_date,
        count(*) as quarantined_n
    from {{ ref('stg_pipeline__quarantine') }}
    group by 1, 2

)

select
    tables.table_name,
    calendar.date_day as partition_date,
    tables.write_mode,
    coalesce(loads.rows_n, 0) as rows_n,
    coalesce(refused.quarantined_n, 0) as quarantined_n,
    loads.loaded_at,
    tables.newest_partition_date,
    coalesce(calendar.date_day <= tables.newest_partition_date, false) as is_reached
from tables
cross join {{ ref('int_calendar_days') }} as calendar
left join {{ ref('int_source_partitions') }} as loads
    on tables.table_name = loads.table_name and calendar.date_day = loads.partition_date
left join refused
    on 'raw.' || tables.table_name = refused.table_name and calendar.date_day = refused.partition_date
