{# Deals by the week they were created and by the week they were decided. The win rate is of decisions, so it
   does not change when old deals are decided later. #}
with weeks as (

    select distinct week_start, week_end
    from {{ ref('int_calendar_days') }}

),

deals as (

    select
        deals.source,
        deals.deal_id,
        {{ week_start(utc_date('deals.created_at')) }} as created_week,
        {{ week_start(utc_date('deals.closed_at')) }} as decided_week,
        deals.is_won,
        deals.amount is not null and currencies.usd_rate is null as is_unpriced,
        {{ seconds_between('deals.created_at', 'deals.closed_at') }} as cycle_s,
        cast(deals.amount * currencies.usd_rate as {{ type_decimal() }}) as amount_usd
    from {{ ref('stg_crm__deals') }} as deals
    left join {{ ref('currencies') }} as currencies on deals.currency = currencies.currency
    where not deals.is_deleted

),

created as (

    select
        created_week as week_start,
        count(*) as new_deals,
        sum(amount_usd) as created_amount_usd,
        {{ count_if('is_unpriced') }} as unpriced_n
    from deals
    where created_week is not null
    group by created_week

),

decided as (

    select
        decided_week as week_start,
        count(*) as decided_n,
        {{ count_if('is_won') }} as won_n,
        {{ count_if('not is_won') }} as lost_n,
        sum(case when is_won then amount_usd end) as won_amount_usd,
        {{ count_if('is_won and is_unpriced') }} as won_unpriced_n,
        sum(cycle_s) as cycle_s
    from deals
    where decided_week is not null and is_won is not null
    group by decided_week

)

select
    weeks.week_start,
    weeks.week_end,
    coalesce(created.new_deals, 0) as new_deals,
    coalesce(decided.decided_n, 0) as decided_n,
    coalesce(decided.won_n, 0) as won_n,
    coalesce(decided.lost_n, 0) as lost_n,
    {{ safe_div('decided.won_n', 'decided.decided_n') }} as win_rate,
    cast(coalesce(created.created_amount_usd, 0) as {{ type_decimal() }}) as created_amount_usd,
    cast(coalesce(decided.won_amount_usd, 0) as {{ type_decimal() }}) as won_amount_usd,
    coalesce(created.unpriced_n, 0) as unpriced_n,
    coalesce(decided.won_unpriced_n, 0) as won_unpriced_n,
    {{ safe_div('decided.cycle_s', 'decided.decided_n * 86400') }} as mean_cycle_days,
    weeks.week_end <= {{ as_of_date() }} as is_complete
from weeks
left join created on weeks.week_start = created.week_start
left join decided on weeks.week_start = decided.week_start
