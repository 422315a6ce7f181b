select
    table_name,
    record_hash,
    reason,
    field,
    origin,
    _load_partition as partition_key,
    _loaded_at as loaded_at
from {{ source('raw', 'quarantine') }}
