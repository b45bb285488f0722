{#-
    A place is the first five characters of a topography code (T and four digits) and its side.
    Equal five characters are the same place unless the side letters contradict (A against B).
    A lesion's places are written as one text, |T0212|T0220A|, and are missing while nothing
    specific has been said: then, and for an unspecific mention, any place is the same place.
-#}
{% macro same_place(place, is_unspecific, places) -%}
    (
        {{ is_unspecific }}
        or {{ places }} is null
        or {{ places }} like '%|' || substring({{ place }}, 1, 5) || '|%'
        or {{ places }} like '%|' || {{ place }} || '%'
    )
{%- endmacro %}

{#- The side letter of a topography code, or NULL where its sixth character says no side. -#}
{% macro side(code) -%}
    case when substring({{ code }}, 6, 1) in ('A', 'B') then substring({{ code }}, 6, 1) end
{%- endmacro %}
