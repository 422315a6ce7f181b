select
    run_id,
    lead_id,
    score_id,
    lead_class,
    score,
    account_id,
    email_hash,
    lower(email_domain) as email_domain,
    source,
    medium,
    campaign,
    scored_at,
    updated_at,
    _loaded_at as loaded_at
from {{ source('raw', 'lead_scoring_lead_scores') }}
