-- One row per study and candidate person: death, and the day on which follow-up ends.
-- The end of the study's data, the capping registers' "complete to" dates and leaving the country
-- end follow-up; those who return do not come back into it. Where two of them fall on one day the
-- end of the data is told before the "complete to" date, and both before leaving.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

residence as (

    select * from {{ ref('int_residence') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

caps as (

    select
        studies.study_id,
        studies.end_of_data,
        least(
            studies.end_of_data,
            coalesce(min(registers.complete_to_date), studies.end_of_data)
        ) as last_date
    from {{ source('study', 'study') }} as studies
    left join {{ source('study', 'capping_register') }} as capping
        on studies.study_id = capping.study_id
    left join {{ ref('stg_kobling__register') }} as registers
        on capping.register = registers.register
    group by
        studies.study_id,
        studies.end_of_data

),

follow_up as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        persons.death_date,
        case
            when residence.left_date < caps.last_date then 'left_denmark'
            when caps.last_date = caps.end_of_data then 'end_of_data'
            else 'register_complete_to'
        end as end_reason,
        least(caps.last_date, coalesce(residence.left_date, caps.last_date))
            as follow_up_end_date
    from index_events
    inner join caps on index_events.study_id = caps.study_id
    left join residence
        on
            index_events.study_id = residence.study_id
            and index_events.person_id = residence.person_id
    left join persons on index_events.person_id = persons.person_id

)

select
    study_id,
    person_id,
    index_date,
    death_date,
    follow_up_end_date,
    end_reason,
    {{ days_between('index_date', 'follow_up_end_date') }} as follow_up_days
from follow_up
