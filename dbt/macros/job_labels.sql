{# Written before each statement as a comment; on BigQuery also the job's labels, by which costs can be told apart. #}
{% macro job_labels(node) -%}
{{ tojson({'app': 'dreamclass-intel', 'dbt_node': node.name if node else 'none'}) }}
{%- endmacro %}
