{# One row an object: its newest state. #}
select
    source,
    deal_id,
    changed_at,
    to_stage,
    pipeline_id,
    time_precision,
    change_source,
    _loaded_at as loaded_at
from {{ source('raw', 'crm_stage_history') }}
