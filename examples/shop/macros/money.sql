{% macro cents_to_amount(column_name, decimals=2) -%}
    round({{ column_name }} / 100.0, {{ decimals }})
{%- endmacro %}

{% macro net_of_tax(amount, tax_rate) -%}
    round({{ amount }} / (1 + {{ tax_rate }}), 2)
{%- endmacro %}
