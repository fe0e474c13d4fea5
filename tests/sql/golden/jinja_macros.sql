{% macro cents(column, digits=2) -%}
  round({{ column }} / 100.0, {{ digits }})
{%- endmacro %}

{% macro shared() %}of shop{% endmacro %}

{% macro union_of(names, only=none) %}
  {%- for name in names if name != only %}
  select * from {{ ref(name) }}{% if not loop.last %} union all{% endif %}
  {%- endfor %}
{% endmacro %}

{% macro names() %}
  {% set found = [] %}
  {% for n in ['a', 'b'] %}{% do found.append('stg_' ~ n) %}{% endfor %}
  {{ return(found) }}
{% endmacro %}

{% macro first_of(kind) %}
  {% if kind == 'a' %}{{ return('A') }}{% endif %}
  {{ return('other') }}
{% endmacro %}

{% macro maybe() %}
  {% if target.name == 'prod' %}{{ return('in prod') }}{% endif %}
  {{ return('elsewhere') }}
{% endmacro %}

{% macro at_run_time() %}
  {% if execute %}{% set rows = run_query('select 1') %}{{ return(rows) }}{% endif %}
  {{ return([]) }}
{% endmacro %}

{% macro reads(get=ref) %}select * from {{ get('orders') }}{% endmacro %}

{% macro for_ever(n) %}x{{ for_ever(n + 1) }}{% endmacro %}

{% macro ping() %}{{ pong() }}{{ pong() }}{% endmacro %}
{% macro pong() %}{{ ping() }}{{ ping() }}{% endmacro %}

{% macro with_rest() %}{{ varargs | join('+') }} {{ kwargs.get('c') }}{% endmacro %}

{% macro partly() %}coalesce({{ far.away() }}, 0){% endmacro %}

{% macro clause() %}{{ far.away() }}{% endmacro %}

{% macro hidden() %}{{ outer_variable }}{% endmacro %}

{% macro counted(items) %}
  {%- set ns = namespace(n=0, text='') -%}
  {%- for i in items -%}{%- set ns.n = ns.n + i -%}{%- set ns.text = ns.text ~ i -%}{%- endfor -%}
  {{ ns.n }} {{ ns.text }}
{%- endmacro %}

{% macro configured() %}{{ config(materialized='table', tags=['x']) }}{% endmacro %}

{% macro wrapped(name) -%}
  with {{ name }} as ({{ caller() }})
{%- endmacro %}

{% macro or_nothing() %}{% if caller %}{{ caller() }}{% else %}null{% endif %}{% endmacro %}
