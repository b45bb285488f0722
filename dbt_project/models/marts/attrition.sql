-- One row per study and step of the flow: how many went in, how many left here, how many went on.
-- Step 0 counts requisitions whose number leads to no person, step 1 the candidate persons.
with

studies as (

    select * from {{ source('study', 'study') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

verdicts as (

    select * from {{ ref('exclusion_reasons') }}

),

requisitions_of_persons as (

    select
        study_id,
        count(*) as n
    from {{ ref('int_candidate_requisition') }}
    group by study_id

),

requisitions_of_nobody as (

    select
        study_id,
        count(*) as n
    from {{ ref('int_candidate_without_person') }}
    group by study_id

),

candidates as (

    select
        study_id,
        count(*) as n
    from verdicts
    group by study_id

),

requisition_step as (

    select
        studies.study_id,
        0 as step,
        'leads_to_a_person' as criterion,
        'Candidate requisitions; excluded: the number leads to no person' as label,
        'requisitions' as unit,
        coalesce(requisitions_of_persons.n, 0) + coalesce(requisitions_of_nobody.n, 0) as n_in,
        coalesce(requisitions_of_nobody.n, 0) as n_excluded
    from studies
    left join requisitions_of_persons on studies.study_id = requisitions_of_persons.study_id
    left join requisitions_of_nobody on studies.study_id = requisitions_of_nobody.study_id

),

candidate_step as (

    select
        studies.study_id,
        1 as step,
        'candidate' as criterion,
        'Candidate persons' as label,
        'persons' as unit,
        coalesce(candidates.n, 0) as n_in,
        0 as n_excluded
    from studies
    left join candidates on studies.study_id = candidates.study_id

),

criterion_steps as (

    select
        criteria.study_id,
        criteria.step,
        criteria.criterion,
        criteria.label,
        'persons' as unit,
        count(
            case
                when
                    verdicts.is_included
                    or verdicts.first_failed_step >= criteria.step
                    then verdicts.person_id
            end
        ) as n_in,
        count(
            case when verdicts.first_failed_step = criteria.step then verdicts.person_id end
        ) as n_excluded
    from criteria
    left join verdicts on criteria.study_id = verdicts.study_id
    group by
        criteria.study_id,
        criteria.step,
        criteria.criterion,
        criteria.label

),

steps as (

    select * from requisition_step

    union all

    select * from candidate_step

    union all

    select * from criterion_steps

)

select
    study_id,
    cast(step as integer) as step,
    criterion,
    label,
    unit,
    cast(n_in as bigint) as n_in,
    cast(n_excluded as bigint) as n_excluded,
    cast(n_in - n_excluded as bigint) as n_out
from steps
