{#-
    By which book a diagnosis is coded, by the shape of the code and not by its day: D and a letter is
    ICD-10 as SKS writes it, digits (of which the first may be a Y) are ICD-8. Other SKS codes, such
    as procedures that were given as additions, are of neither.
-#}
{% macro code_system_of(code) -%}
    case
        when {{ matches(code, '^D[A-Z][0-9]') }} then 'ICD-10'
        when {{ matches(code, '^[0-9Y][0-9]{2,5}$') }} then 'ICD-8'
    end
{%- endmacro %}
