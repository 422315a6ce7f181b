{# One row a GA4 session. A session that spans midnight belongs to the day of its first event.
   Source, medium and campaign come together from one origin, the first that knows:
   GA4's own last click, the first tags collected in the session, the first event's referrer, else direct. #}
with events as (

    select
        *,
        row_number() over (
            partition by session_key
            order by
                event_timestamp_us,
                coalesce(batch_page_id, 0),
                coalesce(batch_ordering_id, 0),
                coalesce(batch_event_index, 0),
                event_key,
                duplicate_ordinal
        ) as position
    from {{ ref('stg_ga4__events') }}
    where session_key is not null

),

numbered as (

    select
        *,
        case when coalesce(collected_source, collected_medium) is not null or has_gclid then position end
            as tagged_position
    from events

),

sessions as (

    select
        session_key,
        min(user_pseudo_id) as user_pseudo_id,
        min(ga_session_id) as ga_session_id,
        max(user_id) as user_id,
        min(event_date) as session_date,
        min(event_at) as session_start_at,
        max(event_at) as session_end_at,
        max(ga_session_number) as ga_session_number,
        max(case when position = 1 then country end) as country,
        max(case when position = 1 then device_category end) as device_category,
        max(case when position = 1 then page_location end) as landing_page,
        max(case when position = 1 then {{ url_host('page_location') }} end) as landing_host,
        max(case when position = 1 then {{ url_host('page_referrer') }} end) as referrer_host,
        max(session_default_channel_group) as channel_group_ga4,
        nullif(max(case when position = 1 then session_source end), '(not set)') as ga4_source,
        max(case when position = 1 then session_medium end) as ga4_medium,
        max(case when position = 1 then session_campaign end) as ga4_campaign,
        min(tagged_position) as tagged_position,
        nullif(min_by(coalesce(collected_source, ''), tagged_position), '') as tagged_source,
        nullif(min_by(coalesce(collected_medium, ''), tagged_position), '') as tagged_medium,
        nullif(min_by(coalesce(collected_campaign, ''), tagged_position), '') as tagged_campaign,
        {{ bool_or('has_gclid') }} as has_gclid,
        {{ bool_or('session_engaged') }} as engaged,
        {{ bool_or("event_name = 'first_visit'") }} as is_new_user,
        count(*) as events,
        {{ count_if("event_name = 'page_view'") }} as page_views,
        {{ count_if("event_name = 'sign_up'") }} as signups,
        {{ count_if("event_name = 'generate_lead'") }} as lead_forms,
        {{ count_if("event_name = 'start_trial'") }} as trial_starts,
        cast(coalesce(sum(engagement_time_ms), 0) as int64) as engagement_ms
    from numbered
    group by session_key

),

with_origin as (

    select
        *,
        case
            when ga4_source is not null then 'ga4'
            when tagged_position is not null then 'tags'
            when referrer_host is not null and referrer_host <> coalesce(landing_host, '') then 'referrer'
            else 'none'
        end as source_origin
    from sessions

),

attributed as (

    select
        *,
        case source_origin
            when 'ga4' then ga4_source
            when 'tags' then coalesce(tagged_source, case when has_gclid then 'google' end)
            when 'referrer' then referrer_host
            else '(direct)'
        end as source,
        case source_origin
            when 'ga4' then ga4_medium
            when 'tags' then coalesce(tagged_medium, case when has_gclid then 'cpc' end)
            when 'referrer' then 'referral'
            else '(none)'
        end as medium,
        case source_origin when 'ga4' then ga4_campaign when 'tags' then tagged_campaign end as campaign
    from with_origin

),

grouped as (

    select
        attributed.*,
        {{ channel_group('attributed.source', 'attributed.medium', 'attributed.campaign', 'categories.category') }}
            as channel_group_rules
    from attributed
    left join {{ ref('web_source_categories') }} as categories on attributed.source = categories.source

)

select
    session_key,
    user_pseudo_id,
    ga_session_id,
    user_id,
    session_date,
    session_start_at,
    session_end_at,
    ga_session_number,
    coalesce(channel_group_ga4, channel_group_rules) as channel,
    channel_group_ga4,
    channel_group_rules,
    source,
    medium,
    campaign,
    source_origin,
    country,
    device_category,
    landing_page,
    engaged,
    is_new_user,
    engagement_ms,
    events,
    page_views,
    signups,
    lead_forms,
    trial_starts
from grouped
