{#-
    SNOMED codes in one spelling: no blanks around them, upper case, Æ as Æ.

    Æ arrives written out as AE, or as UTF-8 read as windows-1252 or latin-1 once (Ã†) or twice
    (Ãƒâ€ and a hard blank), or with its second byte lost (Ã?). It only ever stands first, and no
    other axis begins with A or Ã, so topographies (T…) and morphologies (M…) are never touched.
    Longer spellings stand before those that they begin with.
-#}
{% macro repaired_snomed(code) -%}
    {%- set mangled = [
        "Ãƒâ€\u00a0", "Ãƒâ€ ", "ÃƒÂ†", "Ã\u0083Â\u0086", "ÃƒÂ¦", "Ã\u0083Â¦", "Ã†", "Ã\u0086", "Ã¦", "Ã?",
        "AE", "Ae", "ae",
    ] -%}
    case
        {%- for spelling in mangled %}
        when trim({{ code }}) like '{{ spelling }}%'
            then 'Æ' || upper(substring(trim({{ code }}), {{ spelling | length + 1 }}))
        {%- endfor %}
        else upper(trim({{ code }}))
    end
{%- endmacro %}
