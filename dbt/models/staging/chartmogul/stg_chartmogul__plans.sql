{# The newest snapshot. #}
select
    plan_uuid,
    external_id,
    data_source_uuid,
    name,
    interval_unit,
    interval_count,
    cast(_load_partition as date) as observed_date,
    _loaded_at as loaded_at
from {{ source('raw', 'chartmogul_plans') }}
where _load_partition = {{ newest_partition(source('raw', 'chartmogul_plans')) }}
