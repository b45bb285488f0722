{#- A condition on the rows of a model: a text like a personal number, or a person of ten digits. -#}
{% macro has_shape_of_personal_number(model, except) -%}
    {%- set shape = '(^|[^0-9A-Za-z])[0-9]{6}-?[0-9A-Za-z]{4}($|[^0-9A-Za-z])' -%}
    {%- set checks = ['false'] -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(model) if column.name not in except -%}
            {%- if column.is_string() -%}
                {%- do checks.append(matches(column.name, shape)) -%}
            {%- elif column.name.endswith('person_id') -%}
                {%- do checks.append(column.name ~ ' < 10000000000') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ checks | join(' or ') }}
{%- endmacro %}
