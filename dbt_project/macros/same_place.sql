{#-
    Whether a topography code lies at a place. Equal first five characters (T and four digits)
    are the same place unless side letters contradict (A against B). An unspecific place, or an
    unspecific code, lies anywhere.
-#}
{% macro same_place(code, code_is_unspecific, place, place_is_unspecific) -%}
    (
        {{ code_is_unspecific }}
        or {{ place_is_unspecific }}
        or (
            substring({{ code }}, 1, 5) = substring({{ place }}, 1, 5)
            and (
                {{ side(code) }} is null
                or {{ side(place) }} is null
                or {{ side(code) }} = {{ side(place) }}
            )
        )
    )
{%- endmacro %}

{#- The side letter of a topography code (its sixth character), or NULL where it is a digit. -#}
{% macro side(code) -%}
    case when substring({{ code }}, 6, 1) between 'A' and 'Z' then substring({{ code }}, 6, 1) end
{%- endmacro %}
