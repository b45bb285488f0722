{#- A quantile, interpolated between neighbours (R's type 7); missing values do not count. -#}
{% macro quantile(value, share) -%}
    {{ return(adapter.dispatch('quantile')(value, share)) }}
{%- endmacro %}

{% macro default__quantile(value, share) -%}
    percentile({{ value }}, {{ share }})
{%- endmacro %}

{% macro duckdb__quantile(value, share) -%}
    quantile_cont({{ value }}, {{ share }})
{%- endmacro %}
