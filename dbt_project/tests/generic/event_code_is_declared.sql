{#- 0 is the end of follow-up, 1 the outcome, 2 death before it; analysts are told of no other. -#}
{% test event_code_is_declared(model, column_name, codes) %}

select *
from {{ model }}
where coalesce({{ column_name }} not in ({{ codes | join(', ') }}), true)

{% endtest %}
