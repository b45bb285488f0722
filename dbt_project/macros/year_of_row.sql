{#- The year of a row as text: of its own day, else of the file that it came in, else unknown. -#}
{% macro year_of_row(event_date, period) -%}
    coalesce(
        cast(year({{ event_date }}) as varchar(4)),
        case when {{ matches(period, '^[0-9]{4}$') }} then {{ period }} end,
        'unknown'
    )
{%- endmacro %}
