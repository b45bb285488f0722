{#- The first value of a window that is not missing. Engines place `ignore nulls` differently. -#}
{% macro first_known(value) -%}
    {{ return(adapter.dispatch('first_known')(value)) }}
{%- endmacro %}

{% macro default__first_known(value) -%}
    first_value({{ value }}) ignore nulls
{%- endmacro %}

{% macro duckdb__first_known(value) -%}
    first_value({{ value }} ignore nulls)
{%- endmacro %}
