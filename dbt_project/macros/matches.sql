{#- Whether a text holds something of the shape of a regular expression. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches')(text, pattern)) }}
{%- endmacro %}

{% macro default__matches(text, pattern) -%}
    {{ text }} rlike '{{ pattern }}'
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{#- Whether a code begins with a shorter one of a code list. -#}
{% macro begins_with(code, prefix) -%}
    substring({{ code }}, 1, length({{ prefix }})) = {{ prefix }}
{%- endmacro %}
