-- One row per study and step of the flow: how many went in, how many left here, how many went on,
-- and the outcomes that they had in their follow-up, each person and outcome once.
-- Step 0 counts requisitions whose number leads to no person and no outcomes, step 1 the candidate
-- persons.
with

studies as (

    select * from {{ source('study', 'study') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

events as (

    select
        study_id,
        person_id,
        count(*) as n_events
    from {{ ref('int_first_event') }}
    where event_code = 1
    group by
        study_id,
        person_id

),

verdicts as (

    select
        exclusion_reasons.study_id,
        exclusion_reasons.person_id,
        exclusion_reasons.first_failed_step,
        exclusion_reasons.is_included,
        coalesce(events.n_events, 0) as n_events
    from {{ ref('exclusion_reasons') }} as exclusion_reasons
    left join events
        on
            exclusion_reasons.study_id = events.study_id
            and exclusion_reasons.person_id = events.person_id

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
        count(*) as n,
        sum(n_events) as n_events
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
        coalesce(requisitions_of_nobody.n, 0) as n_excluded,
        cast(null as bigint) as n_events_in,
        cast(null as bigint) as n_events_excluded
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
        0 as n_excluded,
        coalesce(candidates.n_events, 0) as n_events_in,
        0 as n_events_excluded
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
        ) as n_excluded,
        sum(
            case
                when
                    verdicts.is_included
                    or verdicts.first_failed_step >= criteria.step
                    then verdicts.n_events
                else 0
            end
        ) as n_events_in,
        sum(
            case when verdicts.first_failed_step = criteria.step then verdicts.n_events else 0 end
        ) as n_events_excluded
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
    cast(n_in - n_excluded as bigint) as n_out,
    cast(n_events_in as bigint) as n_events_in,
    cast(n_events_excluded as bigint) as n_events_excluded,
    cast(n_events_in - n_events_excluded as bigint) as n_events_out
from steps
