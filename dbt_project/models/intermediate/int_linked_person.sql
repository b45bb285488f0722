-- One row per person and table with rows of that person: how many, and their first and last day.
select
    person_id,
    register,
    table_name,
    count(*) as n_rows,
    min(event_date) as first_event_date,
    max(event_date) as last_event_date
from {{ ref('int_linked_row') }}
group by
    person_id,
    register,
    table_name
