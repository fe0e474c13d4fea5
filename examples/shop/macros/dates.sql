{% macro month_of(column_name) -%}
    cast(date_trunc('month', {{ column_name }}) as date)
{%- endmacro %}
