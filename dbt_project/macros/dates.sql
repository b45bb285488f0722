{#- Whole days from one date to a later one. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{#- Birthdays had by a day: age in whole years. -#}
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

{#- A date no register reaches, so that `least` may meet a missing date. -#}
{% macro far_future() -%}
    cast('9999-12-31' as date)
{%- endmacro %}
