with weeks as (

    select distinct week_start, week_end
    from {{ ref('int_calendar_days') }}

),

accounts as (

    select
        account_id,
        min(occurred_date) as created_date
    from {{ ref('stg_backend__events') }}
    where event_name = 'account_created' and not is_test and not is_impersonation
    group by account_id

),

signups as (

    select {{ week_start('created_date') }} as week_start, count(*) as signups_n
    from accounts
    group by 1

),

trials as (

    select {{ week_start('trial_start_date') }} as week_start, count(*) as trials_n
    from {{ ref('int_trials') }}
    group by 1

)

select
    weeks.week_start,
    weeks.week_end,
    coalesce(signups.signups_n, 0) as signups_n,
    coalesce(trials.trials_n, 0) as trials_n,
    {{ safe_div('coalesce(trials.trials_n, 0)', 'signups.signups_n') }} as trial_rate,
    weeks.week_end <= {{ as_of_date() }} as is_complete
from weeks
left join signups on weeks.week_start = signups.week_start
left join trials on weeks.week_start = trials.week_start
