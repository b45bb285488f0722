{#- Whether a diagnosis is of pregnancy or childbirth: SKS chapter DO, or ICD-8 630 to 678. -#}
{% macro tells_of_childbirth(code) -%}
    (
        {{ code }} like 'DO%'
        or (
            {{ code_system_of(code) }} = 'ICD-8'
            and substring({{ code }}, 1, 3) between '630' and '678'
        )
    )
{%- endmacro %}
