{# Newest closed UTC day: nothing after it is complete. #}
{% macro as_of_date() -%}
cast('{{ var("as_of_date") }}' as date)
{%- endmacro %}

{# First moment after the newest closed day. #}
{% macro as_of_end() -%}
cast({{ add_days(as_of_date(), 1) }} as timestamp)
{%- endmacro %}
