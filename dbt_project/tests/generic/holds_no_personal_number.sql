{#-
    Nothing in the model has the shape of a personal number: no text with six digits and four
    more characters, with or without a hyphen, and no person under ten billion, where ten digits
    would end. Columns under `except` may hold long runs of digits that mean something else.
-#}
{% test holds_no_personal_number(model, except=[]) %}

{% set shape = '(^|[^0-9A-Za-z])[0-9]{6}-?[0-9A-Za-z]{4}($|[^0-9A-Za-z])' %}
{% set checks = [] %}
{% if execute %}
    {% for column in adapter.get_columns_in_relation(model) if column.name not in except %}
        {% if column.is_string() %}
            {% do checks.append(matches(column.name, shape)) %}
        {% elif column.name.endswith('person_id') %}
            {% do checks.append(column.name ~ ' < 10000000000') %}
        {% endif %}
    {% endfor %}
{% endif %}

select *
from {{ model }}
where {{ checks | join(' or ') or 'false' }}

{% endtest %}
