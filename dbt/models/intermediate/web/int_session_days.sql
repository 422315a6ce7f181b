{# One row a GA4 session and day, from that day's events alone: a day loaded again replaces its own rows and no
   others, in any order, and no session has to be looked for across midnight. int_sessions puts the days together. #}
{{ config(
    materialized='incremental',
    incremental_strategy=by_day(),
    day_column='event_date',
    partition_by=day_partitions('event_date'),
    partitions=changed_day_list(),
    cluster_by=clusters(['session_key']),
    full_refresh=(none if changed_days() else true)
) }}
with events as (

    select
        *,
        coalesce(collected_source, collected_medium) is not null or has_gclid as is_tagged
    from {{ ref('stg_ga4__events') }}
    where session_key is not null
        and {{ of_changed_day('event_date') }}

),

numbered as (

    select
        *,
        row_number() over (partition by session_key, event_date order by {{ event_order() }}) as position,
        row_number() over (partition by session_key, event_date, is_tagged order by {{ event_order() }})
            as position_among_tagged
    from events

)

select
    session_key,
    event_date,
    min(user_pseudo_id) as user_pseudo_id,
    min(ga_session_id) as ga_session_id,
    max(user_id) as user_id,
    min(event_at) as first_event_at,
    max(event_at) as last_event_at,
    max(ga_session_number) as ga_session_number,
    max(case when position = 1 then country end) as country,
    max(case when position = 1 then device_category end) as device_category,
    max(case when position = 1 then page_location end) as first_page,
    max(case when position = 1 then {{ url_host('page_location') }} end) as first_host,
    max(case when position = 1 then {{ url_host('page_referrer') }} end) as referrer_host,
    max(session_default_channel_group) as channel_group_ga4,
    max(case when position = 1 then session_source end) as ga4_source,
    max(case when position = 1 then session_medium end) as ga4_medium,
    max(case when position = 1 then session_campaign end) as ga4_campaign,
    {{ bool_or('is_tagged') }} as is_tagged,
    max(case when is_tagged and position_among_tagged = 1 then collected_source end) as tagged_source,
    max(case when is_tagged and position_among_tagged = 1 then collected_medium end) as tagged_medium,
    max(case when is_tagged and position_among_tagged = 1 then collected_campaign end) as tagged_campaign,
    {{ bool_or('has_gclid') }} as has_gclid,
    {{ bool_or('session_engaged') }} as engaged,
    {{ bool_or("event_name = 'first_visit'") }} as is_new_user,
    count(*) as events,
    {{ count_if("event_name = 'page_view'") }} as page_views,
    {{ count_if("event_name = 'sign_up'") }} as signups,
    {{ count_if("event_name = 'generate_lead'") }} as lead_forms,
    {{ count_if("event_name = 'start_trial'") }} as trial_starts,
    cast(coalesce(sum(engagement_time_ms), 0) as int64) as engagement_ms,
    max(loaded_at) as loaded_at,
    '{{ env_var('SESSION_DAYS_BUILT_BY', 'by hand') }}' as built_by
from numbered
group by session_key, event_date
