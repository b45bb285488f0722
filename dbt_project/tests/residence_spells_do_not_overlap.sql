-- One row per spell that ends before it begins or begins before the one before it has ended, and
-- per resident candidate whose day of leaving is not the last day of a spell.
with

spells as (

    select
        person_id,
        first_date,
        last_date,
        spell_number,
        lag(last_date) over (partition by person_id order by spell_number) as last_date_before
    from {{ ref('int_residence_spell') }}

),

residents as (

    select * from {{ ref('int_residence') }}
    where is_resident_at_index and left_date is not null

)

select
    person_id,
    first_date as odd_date
from spells
where
    last_date < first_date
    or (spell_number > 1 and (last_date_before is null or first_date is null))
    or first_date < last_date_before

union all

select
    residents.person_id,
    residents.left_date as odd_date
from residents
left join spells
    on
        residents.person_id = spells.person_id
        and residents.left_date = spells.last_date
where spells.person_id is null
