{# One row an object: its newest state. #}
select
    company_id,
    lower(company_domain) as company_domain,
    company_name,
    website,
    industry,
    employee_count,
    employee_range,
    revenue_range,
    country,
    region,
    city,
    tech_stack,
    first_seen_at,
    last_seen_at,
    visit_count,
    intent_score,
    enriched_at,
    updated_at,
    _loaded_at as loaded_at
from {{ source('raw', 'swan_companies') }}
