{# Incremental models by day. Dagster says in CHANGED_DAYS which days' rows are no longer what they were made of
   (defs/dbt/changed_days.py); without it everything is built anew, so that dbt by hand is never wrong.

   No `--vars` value, since dbt parses the whole project anew when one changes; and the days are literals, since only
   those let BigQuery overwrite partitions in one statement and read no others. #}

{% macro changed_days() -%}
{{ return(env_var('CHANGED_DAYS', '').split()) }}
{%- endmacro %}

{# Literals of the days. #}
{% macro changed_day_list() -%}
{% set found = [] -%}
{% for day in changed_days() %}{% do found.append("date '" ~ day ~ "'") %}{% endfor -%}
{{ return(found) }}
{%- endmacro %}

{# The condition that a row is of a changed day; always true when everything is built. #}
{% macro of_changed_day(column) -%}
{% if is_incremental() %}{{ column }} in ({{ changed_day_list() | join(', ') }}){% else %}true{% endif %}
{%- endmacro %}

{# Replace whole days, emptied ones too, in one step. dbt-duckdb refuses BigQuery's name for it. #}
{% macro by_day() %}{{ return(adapter.dispatch('by_day')()) }}{% endmacro %}
{% macro default__by_day() %}{{ return('insert_overwrite') }}{% endmacro %}
{% macro duckdb__by_day() %}{{ return('overwrite_days') }}{% endmacro %}

{# DuckDB's twin of BigQuery's `insert_overwrite` with static partitions. #}
{% macro get_incremental_overwrite_days_sql(arguments) -%}
{%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
delete from {{ arguments['target_relation'] }}
where {{ config.require('day_column') }} in ({{ changed_day_list() | join(', ') }});
insert into {{ arguments['target_relation'] }} ({{ columns }})
select {{ columns }} from {{ arguments['temp_relation'] }};
{%- endmacro %}

{# Day partitions, where the warehouse has them. #}
{% macro day_partitions(column) %}{{ return(adapter.dispatch('day_partitions')(column)) }}{% endmacro %}
{% macro default__day_partitions(column) %}{{ return({'field': column, 'data_type': 'date'}) }}{% endmacro %}
{% macro duckdb__day_partitions(column) %}{{ return(none) }}{% endmacro %}

{% macro clusters(columns) %}{{ return(adapter.dispatch('clusters')(columns)) }}{% endmacro %}
{% macro default__clusters(columns) %}{{ return(columns) }}{% endmacro %}
{% macro duckdb__clusters(columns) %}{{ return(none) }}{% endmacro %}
