{# Everything in which DuckDB and BigQuery differ. Models hold no SQL that only one of them knows. #}

{# --- types ------------------------------------------------------------------------------------------------ #}

{# Money and other exact numbers: nine decimals. Plain `numeric` is DECIMAL(18,3) on DuckDB, and just this on
   BigQuery, which takes no precision in a cast. #}
{% macro type_decimal() %}{{ adapter.dispatch('type_decimal')() }}{% endmacro %}
{% macro default__type_decimal() %}numeric{% endmacro %}
{% macro duckdb__type_decimal() %}numeric(38, 9){% endmacro %}

{% macro type_double() %}{{ adapter.dispatch('type_double')() }}{% endmacro %}
{% macro default__type_double() %}float64{% endmacro %}
{% macro duckdb__type_double() %}double{% endmacro %}

{# --- arithmetic ------------------------------------------------------------------------------------------- #}

{# Double; NULL where the denominator is 0 (DuckDB would say inf, BigQuery would fail). #}
{% macro safe_div(numerator, denominator) -%}
cast({{ numerator }} as {{ type_double() }}) / nullif({{ denominator }}, 0)
{%- endmacro %}

{# Money divided: back to an exact type, NULL where the denominator is 0. DuckDB divides decimals as doubles. #}
{% macro decimal_div(numerator, denominator) -%}
cast(round(({{ numerator }}) / nullif({{ denominator }}, 0), 9) as {{ type_decimal() }})
{%- endmacro %}

{# Rows for which a condition holds, 0 where there is none. #}
{% macro count_if(condition) -%}
count(case when {{ condition }} then 1 end)
{%- endmacro %}

{% macro bool_or(condition) %}{{ adapter.dispatch('bool_or')(condition) }}{% endmacro %}
{% macro default__bool_or(condition) %}logical_or({{ condition }}){% endmacro %}
{% macro duckdb__bool_or(condition) %}bool_or({{ condition }}){% endmacro %}

{# --- time ------------------------------------------------------------------------------------------------- #}

{# Timestamps are UTC in both warehouses. #}
{% macro utc_date(at) -%}
cast({{ at }} as date)
{%- endmacro %}

{# Monday of the week. BigQuery's plain `week` begins on Sunday, dbt.date_trunc returns timestamps, and emulators know
   no `isoweek`: counted from a Monday before any date. #}
{% macro week_start(day) %}{{ adapter.dispatch('week_start')(day) }}{% endmacro %}
{% macro default__week_start(day) -%}
date_sub({{ day }}, interval mod(date_diff({{ day }}, date '1900-01-01', day), 7) day)
{%- endmacro %}
{% macro duckdb__week_start(day) %}cast(date_trunc('week', {{ day }}) as date){% endmacro %}

{% macro month_start(day) %}{{ adapter.dispatch('month_start')(day) }}{% endmacro %}
{% macro default__month_start(day) %}date_trunc({{ day }}, month){% endmacro %}
{% macro duckdb__month_start(day) %}cast(date_trunc('month', {{ day }}) as date){% endmacro %}

{% macro add_days(day, n) %}{{ adapter.dispatch('add_days')(day, n) }}{% endmacro %}
{% macro default__add_days(day, n) %}date_add({{ day }}, interval {{ n }} day){% endmacro %}
{% macro duckdb__add_days(day, n) %}({{ day }} + {{ n }}){% endmacro %}

{% macro last_day_of_month(day) %}{{ adapter.dispatch('last_day_of_month')(day) }}{% endmacro %}
{% macro default__last_day_of_month(day) %}last_day({{ day }}, month){% endmacro %}
{% macro duckdb__last_day_of_month(day) %}last_day({{ day }}){% endmacro %}

{% macro timestamp_add(at, n, part) %}{{ adapter.dispatch('timestamp_add')(at, n, part) }}{% endmacro %}
{% macro default__timestamp_add(at, n, part) %}timestamp_add({{ at }}, interval {{ n }} {{ part }}){% endmacro %}
{% macro duckdb__timestamp_add(at, n, part) %}({{ at }} + interval ({{ n }}) {{ part }}){% endmacro %}

{# Whole seconds from one moment to another. #}
{% macro seconds_between(first, last) %}{{ adapter.dispatch('seconds_between')(first, last) }}{% endmacro %}
{% macro default__seconds_between(first, last) %}timestamp_diff({{ last }}, {{ first }}, second){% endmacro %}
{% macro duckdb__seconds_between(first, last) %}date_diff('second', {{ first }}, {{ last }}){% endmacro %}

{# --- text and JSON ---------------------------------------------------------------------------------------- #}

{% macro regex_match(text, pattern) %}{{ adapter.dispatch('regex_match')(text, pattern) }}{% endmacro %}
{% macro default__regex_match(text, pattern) %}regexp_contains({{ text }}, r'{{ pattern }}'){% endmacro %}
{% macro duckdb__regex_match(text, pattern) %}regexp_matches({{ text }}, '{{ pattern }}'){% endmacro %}

{# Host of a URL, without `www.`, lower case; NULL where there is none. #}
{% macro url_host(url) %}{{ adapter.dispatch('url_host')(url) }}{% endmacro %}
{% macro default__url_host(url) %}regexp_extract(lower({{ url }}), r'^https?://(?:www\.)?([^/?#:]+)'){% endmacro %}
{% macro duckdb__url_host(url) -%}
nullif(regexp_extract(lower({{ url }}), '^https?://(?:www\.)?([^/?#:]+)', 1), '')
{%- endmacro %}

{# A scalar of a JSON column as text; NULL where the path is absent. `path` without the leading `$.`. #}
{% macro json_text(document, path) %}{{ adapter.dispatch('json_text')(document, path) }}{% endmacro %}
{% macro default__json_text(document, path) %}json_value({{ document }}, '$.{{ path }}'){% endmacro %}
{% macro duckdb__json_text(document, path) %}json_extract_string({{ document }}, '$.{{ path }}'){% endmacro %}

{# Whether a JSON column holds anything at a path, be it a scalar, an object or a list. #}
{% macro json_has(document, path) %}{{ adapter.dispatch('json_has')(document, path) }}{% endmacro %}
{% macro default__json_has(document, path) %}(json_query({{ document }}, '$.{{ path }}') is not null){% endmacro %}
{% macro duckdb__json_has(document, path) %}coalesce(json_exists({{ document }}, '$.{{ path }}'), false){% endmacro %}

{# A join clause: one row an element of a JSON list, as JSON column `alias`. #}
{% macro cross_join_json_list(document, path, alias) -%}
{{ adapter.dispatch('cross_join_json_list')(document, path, alias) }}
{%- endmacro %}
{% macro default__cross_join_json_list(document, path, alias) -%}
cross join unnest(json_query_array({{ document }}, '$.{{ path }}')) as {{ alias }}
{%- endmacro %}
{% macro duckdb__cross_join_json_list(document, path, alias) -%}
cross join unnest(cast(json_extract({{ document }}, '$.{{ path }}') as json[])) as {{ alias }}_list({{ alias }})
{%- endmacro %}

{# The column that BigQuery's daily raw tables are partitioned by; elsewhere the one that says the same. #}
{% macro load_day(column) %}{{ adapter.dispatch('load_day')(column) }}{% endmacro %}
{% macro default__load_day(column) %}_load_day{% endmacro %}
{% macro duckdb__load_day(column) %}{{ column }}{% endmacro %}

{# The newest partition key of a table. Partition keys are ISO dates as text, so the greatest is the newest. #}
{% macro newest_partition(relation) -%}
(select max(_load_partition) from {{ relation }})
{%- endmacro %}
