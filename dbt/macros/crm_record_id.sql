{# One id space for all CRM sources: HubSpot's ids as they are, those of CSV exports prefixed by their source. #}
{% macro crm_record_id(source, id) -%}
case when {{ source }} = 'hubspot' then {{ id }} else {{ source }} || ':' || {{ id }} end
{%- endmacro %}
