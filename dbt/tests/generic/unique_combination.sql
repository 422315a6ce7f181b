{# Rows whose key is null or not unique. `columns` is a list; one test a table instead of one a column. #}
{% test unique_combination(model, columns) %}
select {{ columns | join(', ') }}, count(*) as rows_n
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
  {% for column in columns %} or max(case when {{ column }} is null then 1 else 0 end) = 1
  {% endfor %}
{% endtest %}
