-- One row per finding about the civil register's numbers: what contradicts itself, and the persons
-- concerned, where the numbers lead to any.
select
    finding_number,
    kind,
    person_id,
    other_person_id
from {{ source('kobling', 'number_finding') }}
