{# One row a GA4 session. A session that spans midnight belongs to the day of its first event.
   Source, medium and campaign come together from one origin, the first that knows:
   GA4's own last click, the first tags collected in the session, the first event's referrer, else direct. #}
{{ config(partition_by=day_partitions('session_date'), cluster_by=clusters(['channel', 'source'])) }}
with days as (

    select
        *,
        row_number() over (partition by session_key order by event_date) as day_number,
        row_number() over (partition by session_key, is_tagged order by event_date) as day_among_tagged
    from {{ ref('int_session_days') }}

),

sessions as (

    select
        session_key,
        min(user_pseudo_id) as user_pseudo_id,
        min(ga_session_id) as ga_session_id,
        max(user_id) as user_id,
        min(event_date) as session_date,
        min(first_event_at) as session_start_at,
        max(last_event_at) as session_end_at,
        max(ga_session_number) as ga_session_number,
        max(case when day_number = 1 then country end) as country,
        max(case when day_number = 1 then device_category end) as device_category,
        max(case when day_number = 1 then first_page end) as landing_page,
        max(case when day_number = 1 then first_host end) as landing_host,
        max(case when day_number = 1 then referrer_host end) as referrer_host,
        max(channel_group_ga4) as channel_group_ga4,
        nullif(max(case when day_number = 1 then ga4_source end), '(not set)') as ga4_source,
        max(case when day_number = 1 then ga4_medium end) as ga4_medium,
        max(case when day_number = 1 then ga4_campaign end) as ga4_campaign,
        {{ bool_or('is_tagged') }} as is_tagged,
        nullif(max(case when is_tagged and day_among_tagged = 1 then tagged_source end), '') as tagged_source,
        nullif(max(case when is_tagged and day_among_tagged = 1 then tagged_medium end), '') as tagged_medium,
        nullif(max(case when is_tagged and day_among_tagged = 1 then tagged_campaign end), '') as tagged_campaign,
        {{ bool_or('has_gclid') }} as has_gclid,
        {{ bool_or('engaged') }} as engaged,
        {{ bool_or('is_new_user') }} as is_new_user,
        {%- for count in ['events', 'page_views', 'signups', 'lead_forms', 'trial_starts', 'engagement_ms'] %}
        cast(sum({{ count }}) as int64) as {{ count }}{{ ',' if not loop.last }}
        {%- endfor %}
    from days
    group by session_key

),

with_origin as (

    select
        *,
        case
            when ga4_source is not null then 'ga4'
            when is_tagged then 'tags'
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
