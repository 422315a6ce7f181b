{# GA4's default channel group by its published rules (first match wins), for sessions that GA4 left unlabelled.
   Takes lower-case source and medium, the campaign, and the source's category (web_source_categories). #}
{% macro channel_group(source, medium, campaign, category) -%}
{%- set paid = regex_match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') -%}
{%- set shop = regex_match('lower(' ~ campaign ~ ')', '^(.*(([^a-df-z]|^)shop|shopping).*)$') -%}
case
    when coalesce({{ source }}, '(direct)') = '(direct)'
        and coalesce({{ medium }}, '(none)') in ('(none)', '(not set)') then 'Direct'
    when {{ medium }} = 'ai-assistant' then 'AI Assistant'
    when {{ campaign }} like '%cross-network%' then 'Cross-network'
    when ({{ category }} = 'shopping' or {{ shop }}) and {{ paid }} then 'Paid Shopping'
    when {{ category }} = 'search' and {{ paid }} then 'Paid Search'
    when {{ category }} = 'social' and {{ paid }} then 'Paid Social'
    when {{ category }} = 'video' and {{ paid }} then 'Paid Video'
    when {{ medium }} in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
    when {{ paid }} then 'Paid Other'
    when {{ category }} = 'shopping' or {{ shop }} then 'Organic Shopping'
    when {{ category }} = 'social'
        or {{ medium }} in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
        then 'Organic Social'
    when {{ category }} = 'video' or {{ medium }} like '%video%' then 'Organic Video'
    when {{ category }} = 'search' or {{ medium }} = 'organic' then 'Organic Search'
    when {{ medium }} in ('referral', 'app', 'link') then 'Referral'
    when {{ source }} in ('email', 'e-mail', 'e_mail', 'e mail')
        or {{ medium }} in ('email', 'e-mail', 'e_mail', 'e mail') then 'Email'
    when {{ medium }} = 'affiliate' then 'Affiliates'
    when {{ medium }} = 'audio' then 'Audio'
    when {{ source }} = 'sms' or {{ medium }} = 'sms' then 'SMS'
    when {{ medium }} like '%push' or {{ medium }} like '%mobile%' or {{ medium }} like '%notification%'
        or {{ source }} = 'firebase' then 'Mobile Push Notifications'
    else 'Unassigned'
end
{%- endmacro %}
