{# One row an object: its newest state. #}
select
    source,
    contact_id,
    email_hash,
    lower(email_domain) as email_domain,
    company_id,
    company_ids,
    lifecycle_stage,
    lead_status,
    original_source,
    original_source_detail,
    utm_source,
    utm_medium,
    utm_campaign,
    owner_id,
    became_customer_at,
    created_at,
    updated_at,
    merged_ids,
    merged_into_id,
    _is_deleted as is_deleted,
    _loaded_at as loaded_at
from {{ source('raw', 'crm_contacts') }}
