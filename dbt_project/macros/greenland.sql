{#-
    Municipality numbers from 900 to 999 are Greenland's, whose updates the register does not follow.
    They are delivered as text, zero-padded or not.
-#}
{% macro is_in_greenland(municipality_code) -%}
    coalesce(try_cast({{ municipality_code }} as integer) between 900 and 999, false)
{%- endmacro %}
