{# Spined: every day whose shard GA4 has published, times every channel group ever seen. #}
with shards as (

    select distinct event_date
    from {{ ref('stg_ga4__events') }}

),

days as (

    select
        calendar.date_day,
        newest.newest_shard_date
    from {{ ref('int_calendar_days') }} as calendar
    inner join shards on calendar.date_day = shards.event_date
    cross join (select max(event_date) as newest_shard_date from shards) as newest

),

channels as (

    select distinct channel as channel_group
    from {{ ref('int_sessions') }}

),

sessions as (

    select
        session_date,
        channel as channel_group,
        count(*) as sessions,
        {{ count_if('engaged') }} as engaged_sessions,
        {{ count_if('is_new_user') }} as new_users,
        sum(page_views) as page_views,
        sum(signups) as signups,
        sum(lead_forms) as lead_forms,
        sum(trial_starts) as trials
    from {{ ref('int_sessions') }}
    group by session_date, channel

)

select
    days.date_day as traffic_date,
    channels.channel_group,
    coalesce(sessions.sessions, 0) as sessions,
    coalesce(sessions.engaged_sessions, 0) as engaged_sessions,
    coalesce(sessions.new_users, 0) as new_users,
    cast(coalesce(sessions.page_views, 0) as int64) as page_views,
    cast(coalesce(sessions.signups, 0) as int64) as signups,
    cast(coalesce(sessions.lead_forms, 0) as int64) as lead_forms,
    cast(coalesce(sessions.trials, 0) as int64) as trials,
    {{ safe_div('sessions.engaged_sessions', 'sessions.sessions') }} as engagement_rate,
    {{ safe_div('sessions.signups', 'sessions.sessions') }} as signup_rate,
    days.date_day < days.newest_shard_date as is_complete,
    {{ add_days('days.date_day', 3) }} <= days.newest_shard_date as is_mature
from days
cross join channels
left join sessions
    on days.date_day = sessions.session_date
    and channels.channel_group = sessions.channel_group
