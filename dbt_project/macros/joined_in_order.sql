{#- The texts of a group as one text, in the order of another column. -#}
{% macro joined_in_order(value, position) -%}
    {{ return(adapter.dispatch('joined_in_order')(value, position)) }}
{%- endmacro %}

{% macro default__joined_in_order(value, position) -%}
    array_join(
        transform(
            array_sort(collect_list(struct({{ position }} as position, {{ value }} as value))),
            pair -> pair.value
        ),
        ''
    )
{%- endmacro %}

{% macro duckdb__joined_in_order(value, position) -%}
    string_agg({{ value }}, '' order by {{ position }})
{%- endmacro %}

{#- The known texts of a window as one text, in the order of the window; none gives an empty text. -#}
{% macro joined_over(value, window) -%}
    {{ return(adapter.dispatch('joined_over')(value, window)) }}
{%- endmacro %}

{% macro default__joined_over(value, window) -%}
    array_join(collect_list({{ value }}) over ({{ window }}), '')
{%- endmacro %}

{% macro duckdb__joined_over(value, window) -%}
    coalesce(string_agg({{ value }}, '') over ({{ window }}), '')
{%- endmacro %}
