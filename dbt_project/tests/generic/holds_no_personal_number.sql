{#-
    Nothing in the model has the shape of a personal number: no text with six digits and four
    more characters, with or without a hyphen, and no person under ten billion, where ten digits
    would end. Columns under `except` may hold long runs of digits that mean something else.
-#}
{% test holds_no_personal_number(model, except=[]) %}

select *
from {{ model }}
where {{ has_shape_of_personal_number(model, except) }}

{% endtest %}
