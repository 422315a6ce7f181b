select
    metric_date,
    mrr_minor,
    new_business_minor,
    expansion_minor,
    contraction_minor,
    churn_minor,
    reactivation_minor,
    upper(currency) as currency,
    _loaded_at as loaded_at
from {{ source('raw', 'chartmogul_mrr_daily') }}
