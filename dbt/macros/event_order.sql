{# The order in which GA4's events of one moment happened. #}
{% macro event_order() -%}
event_timestamp_us, coalesce(batch_page_id, 0), coalesce(batch_ordering_id, 0), coalesce(batch_event_index, 0),
event_key, duplicate_ordinal
{%- endmacro %}
