-- One row per person who is in the cohort without being included, or included without being in it.
with

included as (

    select * from {{ ref('exclusion_reasons') }}
    where is_included

),

cohort as (

    select * from {{ ref('cohort') }}

)

select
    coalesce(cohort.study_id, included.study_id) as study_id,
    coalesce(cohort.person_id, included.person_id) as person_id
from cohort
full outer join included
    on
        cohort.study_id = included.study_id
        and cohort.person_id = included.person_id
where cohort.person_id is null or included.person_id is null
