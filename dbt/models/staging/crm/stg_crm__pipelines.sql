{# The newest snapshot. #}
select
    source,
    pipeline_id,
    stage_id,
    pipeline_label,
    pipeline_order,
    stage_label,
    stage_order,
    probability,
    is_closed,
    is_won,
    is_archived,
    created_at,
    updated_at,
    cast(_load_partition as date) as observed_date,
    _loaded_at as loaded_at
from {{ source('raw', 'crm_pipelines') }}
where _load_partition = {{ newest_partition(source('raw', 'crm_pipelines')) }}
