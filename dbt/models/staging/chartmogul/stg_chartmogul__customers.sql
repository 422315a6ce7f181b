{# The newest snapshot. #}
select
    customer_uuid,
    customer_id,
    external_id,
    external_ids,
    data_source_uuid,
    billing_system_type,
    name,
    company,
    status,
    customer_since_at,
    lead_created_at,
    free_trial_started_at,
    mrr_minor,
    arr_minor,
    upper(currency) as currency,
    city,
    state,
    country,
    zip,
    website_url,
    email_hash,
    lower(email_domain) as email_domain,
    tags,
    cast(_load_partition as date) as observed_date,
    _loaded_at as loaded_at
from {{ source('raw', 'chartmogul_customers') }}
where _load_partition = {{ newest_partition(source('raw', 'chartmogul_customers')) }}
