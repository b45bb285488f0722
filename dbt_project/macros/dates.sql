{#- Whole days from one date to another; negative where the second is earlier. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{#-
    Birthdays had by a day: age in whole years. Who was born on 29 February has the birthday on
    1 March in a year without that day.
-#}
{% macro age_in_years(born, day) -%}
    (
        year({{ day }}) - year({{ born }})
        - case
            when
                month({{ day }}) * 100 + day({{ day }})
                < month({{ born }}) * 100 + day({{ born }})
                then 1
            else 0
        end
    )
{%- endmacro %}

{#- Whether a code list's entry holds on a day; both ends included, an empty end is open. -#}
{% macro is_valid_on(entry, day) -%}
    coalesce({{ entry }}.valid_from <= {{ day }}, true)
    and coalesce({{ entry }}.valid_to >= {{ day }}, true)
{%- endmacro %}

{#- A date no register reaches, so that `least` may meet a missing date. -#}
{% macro far_future() -%}
    cast('9999-12-31' as date)
{%- endmacro %}
