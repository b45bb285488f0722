{#-
    SNOMED codes in one spelling. Æ arrives mangled: written out as AE, or as UTF-8 read as
    windows-1252 once (Ã†).
-#}
{% macro repaired_snomed(code) -%}
    case
        when {{ code }} like 'Ã†%' then 'Æ' || substring({{ code }}, 3)
        when {{ code }} like 'AE%' then 'Æ' || substring({{ code }}, 3)
        else upper({{ code }})
    end
{%- endmacro %}
