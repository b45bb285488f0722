{#-
    The key of a contact in one spelling: a number, or text of it with or without leading zeros and
    blanks. The linkage looks contacts up by the same rule (etl/linkage.py).
-#}
{% macro contact_key(key) -%}
    coalesce(
        nullif(trim(leading '0' from trim(cast({{ key }} as varchar(40)))), ''),
        case when {{ key }} is not null then '0' end
    )
{%- endmacro %}
