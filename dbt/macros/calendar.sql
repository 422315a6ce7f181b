{# Newest UTC day that every vendor has published, which Dagster sets: nothing after it is complete. #}
{% macro as_of_day() -%}
{{ env_var("AS_OF_DATE") }}
{%- endmacro %}

{% macro as_of_date() -%}
cast('{{ as_of_day() }}' as date)
{%- endmacro %}

{# First moment after that day. #}
{% macro as_of_end() -%}
cast({{ add_days(as_of_date(), 1) }} as timestamp)
{%- endmacro %}
