{# Plain dataset names: `staging`, `intermediate`, `marts`; never `<target>_<name>`. On BigQuery, where data sets of
   other projects may lie beside ours, with the prefix in front. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ dataset_prefix() }}{{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}

{% macro dataset_prefix() -%}
{{ env_var('BIGQUERY_DATASET_PREFIX', '') if target.type == 'bigquery' }}
{%- endmacro %}
