{#-
    A code of digits with the zeros that it lost in front; anything else as it is. How long it should
    be is what the contract says (`length`).
-#}
{% macro with_leading_zeros(code, length) -%}
    case
        when {{ matches(code, '^[0-9]{1,' ~ (length - 1) ~ '}$') }}
            then lpad({{ code }}, {{ length }}, '0')
        else {{ code }}
    end
{%- endmacro %}
