-- One row per study and candidate person: whether resident on the index date, and the day of
-- leaving on or after it, both by the person spine.
-- Death does not end residence: who died before the index date is judged on the day of death. An
-- address that began between the two is enough.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

candidates as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        least(
            index_events.index_date,
            coalesce(persons.death_date, index_events.index_date)
        ) as judged_date
    from index_events
    left join persons on index_events.person_id = persons.person_id

),

residence as (

    select
        candidates.study_id,
        candidates.person_id,
        max(
            case
                when
                    coalesce(spells.last_date >= candidates.judged_date, true)
                    and (
                        coalesce(spells.first_date <= candidates.judged_date, true)
                        or (spells.spell_number = 1 and spells.first_date <= candidates.index_date)
                    )
                    then 1
                else 0
            end
        ) = 1 as is_resident_at_index
    from candidates
    inner join {{ ref('int_residence_spell') }} as spells
        on candidates.person_id = spells.person_id
    where candidates.index_date is not null
    group by
        candidates.study_id,
        candidates.person_id

),

departures as (

    select
        candidates.study_id,
        candidates.person_id,
        min(absences.left_date) as left_date
    from candidates
    inner join {{ ref('int_absence') }} as absences
        on
            candidates.person_id = absences.person_id
            and candidates.index_date <= absences.left_date
    group by
        candidates.study_id,
        candidates.person_id

)

select
    candidates.study_id,
    candidates.person_id,
    departures.left_date,
    coalesce(residence.is_resident_at_index, false) as is_resident_at_index
from candidates
left join residence
    on
        candidates.study_id = residence.study_id
        and candidates.person_id = residence.person_id
left join departures
    on
        candidates.study_id = departures.study_id
        and candidates.person_id = departures.person_id
