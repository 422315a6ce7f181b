-- Generated from dreamclass_intel/defs/metrics/registry.yaml by `make generate`; edit that file.
-- Grain: metric x period x segment. The one tall input of the XmR charts.
with days as (

    {{ days_until(var("start_date"), as_of_day(), ahead=14) }}

),

scoring_window_periods as (

    select
        {{ period_start("date_day", 14) }} as period_start,
        count(*) = 14 as is_over
    from days
    group by 1

),

week_periods as (

    select
        {{ period_start("date_day", 7) }} as period_start,
        count(*) = 7 as is_over
    from days
    where date_day <= {{ as_of_date() }}
    group by 1

)

-- Lead Quality Index: Are the leads as good as they were?
select
    'lqi' as metric_id,
    'scoring_window' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    figures.numerator is not null as is_complete
from scoring_window_periods as periods
left join (
    select
        {{ period_start("window_start_date", 14) }} as period_start,
        cast(max(lqi) as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        max(leads_n) as n,
        null as days_n
    from {{ source('core', 'lqi') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Scored leads: Do we get as many leads as we did?
select
    'total_leads' as metric_id,
    'scoring_window' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    figures.numerator is not null as is_complete
from scoring_window_periods as periods
left join (
    select
        {{ period_start("window_start_date", 14) }} as period_start,
        cast(max(leads_n) as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        max(leads_n) as n,
        null as days_n
    from {{ source('core', 'lqi') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Share of class A leads: Is the best class getting rarer?
select
    'share_class_a' as metric_id,
    'scoring_window' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    figures.numerator is not null as is_complete
from scoring_window_periods as periods
left join (
    select
        {{ period_start("window_start_date", 14) }} as period_start,
        cast(max(class_a_n) as {{ type_double() }}) as numerator,
        cast(max(leads_n) as {{ type_double() }}) as denominator,
        max(leads_n) as n,
        null as days_n
    from {{ source('core', 'lqi') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Web sessions: Does marketing bring visitors?
select
    'sessions' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    coalesce(figures.numerator, 0) as value,
    coalesce(figures.numerator, 0) as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over and coalesce(figures.days_n, 0) = 7 as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("traffic_date", 7) }} as period_start,
        cast(sum(sessions) as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        sum(sessions) as n,
        count(distinct case when sessions > 0 then traffic_date end) as days_n
    from {{ ref('fct_traffic_daily') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Web sessions: the same by channel_group
select
    'sessions' as metric_id,
    'week' as grain,
    periods.period_start,
    figures.segment as segment,
    coalesce(figures.numerator, 0) as value,
    coalesce(figures.numerator, 0) as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
inner join (
    select
        {{ period_start("traffic_date", 7) }} as period_start,
        coalesce(channel_group, '(none)') as segment,
        cast(sum(sessions) as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        sum(sessions) as n,
        count(distinct case when sessions > 0 then traffic_date end) as days_n
    from {{ ref('fct_traffic_daily') }}
    group by 1, 2
) as figures on figures.period_start = periods.period_start

union all

-- Sign-up rate: Do visitors become sign-ups?
select
    'signup_rate' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over and coalesce(figures.days_n, 0) = 7 as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("traffic_date", 7) }} as period_start,
        cast(sum(signups) as {{ type_double() }}) as numerator,
        cast(sum(sessions) as {{ type_double() }}) as denominator,
        sum(sessions) as n,
        count(distinct case when sessions > 0 then traffic_date end) as days_n
    from {{ ref('fct_traffic_daily') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Sign-up rate: the same by channel_group
select
    'signup_rate' as metric_id,
    'week' as grain,
    periods.period_start,
    figures.segment as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
inner join (
    select
        {{ period_start("traffic_date", 7) }} as period_start,
        coalesce(channel_group, '(none)') as segment,
        cast(sum(signups) as {{ type_double() }}) as numerator,
        cast(sum(sessions) as {{ type_double() }}) as denominator,
        sum(sessions) as n,
        count(distinct case when sessions > 0 then traffic_date end) as days_n
    from {{ ref('fct_traffic_daily') }}
    group by 1, 2
) as figures on figures.period_start = periods.period_start

union all

-- Activation rate: Do trials reach the point where the product works for them?
select
    'activation_rate' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast(sum(activated_n) as {{ type_double() }}) as numerator,
        cast(sum(trials_n) as {{ type_double() }}) as denominator,
        sum(trials_n) as n,
        null as days_n
    from {{ ref('fct_activation_cohorts') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Net new MRR: Is recurring revenue growing as it did?
select
    'net_new_mrr' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    coalesce(figures.numerator, 0) as value,
    coalesce(figures.numerator, 0) as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast({{ safe_div('sum(net_new_usd_minor)', 100) }} as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        count(*) as n,
        null as days_n
    from {{ ref('fct_net_new_mrr_weekly') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Churned MRR: Do customers leave faster?
select
    'churned_mrr' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    coalesce(figures.numerator, 0) as value,
    coalesce(figures.numerator, 0) as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast(-{{ safe_div('sum(churn_usd_minor)', 100) }} as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        count(*) as n,
        null as days_n
    from {{ ref('fct_net_new_mrr_weekly') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- New MRR per new customer: What does a new school pay?
select
    'new_mrr_per_customer' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast({{ safe_div('sum(new_usd_minor)', 100) }} as {{ type_double() }}) as numerator,
        cast(sum(new_customers_n) as {{ type_double() }}) as denominator,
        sum(new_customers_n) as n,
        null as days_n
    from {{ ref('fct_net_new_mrr_weekly') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- New deals: Does the pipeline fill?
select
    'new_deals' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    coalesce(figures.numerator, 0) as value,
    coalesce(figures.numerator, 0) as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast(sum(new_deals) as {{ type_double() }}) as numerator,
        cast(null as {{ type_double() }}) as denominator,
        sum(new_deals) as n,
        null as days_n
    from {{ ref('fct_pipeline_weekly') }}
    group by 1
) as figures on figures.period_start = periods.period_start

union all

-- Win rate: Does sales win what it decides?
select
    'win_rate' as metric_id,
    'week' as grain,
    periods.period_start,
    'all' as segment,
    figures.numerator / nullif(figures.denominator, 0) as value,
    figures.numerator as numerator,
    figures.denominator,
    cast(coalesce(figures.n, 0) as int64) as n,
    periods.is_over as is_complete
from week_periods as periods
left join (
    select
        {{ period_start("week_start", 7) }} as period_start,
        cast(sum(won_n) as {{ type_double() }}) as numerator,
        cast(sum(decided_n) as {{ type_double() }}) as denominator,
        sum(decided_n) as n,
        null as days_n
    from {{ ref('fct_pipeline_weekly') }}
    group by 1
) as figures on figures.period_start = periods.period_start
