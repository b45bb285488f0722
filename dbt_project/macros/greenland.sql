{#- Municipality numbers from 900 up are Greenland's, whose updates the register does not follow. -#}
{% macro is_in_greenland(municipality_code) -%}
    coalesce({{ municipality_code }} between '900' and '999', false)
{%- endmacro %}
