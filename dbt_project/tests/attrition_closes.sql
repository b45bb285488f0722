-- One row per step of a flow that does not follow from the step before it: the first line is the
-- input, nobody comes in on the way, what leaves and what stays is what came, and the last line is
-- the cohort. So are the outcomes of the persons, of which the last line has those of the analysis.
with

attrition as (

    select * from {{ ref('attrition') }}

),

cohort as (

    select
        study_id,
        count(*) as n
    from {{ ref('cohort') }}
    group by study_id

),

events as (

    select
        study_id,
        count(*) as n
    from {{ ref('time_to_event') }}
    where event_code = 1
    group by study_id

),

candidate_persons as (

    select
        study_id,
        count(distinct person_id) as n
    from {{ ref('int_candidate_requisition') }}
    group by study_id

),

steps as (

    select
        attrition.*,
        lag(attrition.step) over flow as step_before,
        lag(attrition.n_out) over flow as n_out_before,
        lag(attrition.n_events_out) over flow as n_events_out_before,
        lead(attrition.step) over flow is null as is_last_step,
        coalesce(candidate_persons.n, 0) as n_candidate_persons,
        coalesce(cohort.n, 0) as n_cohort,
        coalesce(events.n, 0) as n_events
    from attrition
    left join candidate_persons on attrition.study_id = candidate_persons.study_id
    left join cohort on attrition.study_id = cohort.study_id
    left join events on attrition.study_id = events.study_id
    window flow as (partition by attrition.study_id order by attrition.step)

)

select *
from steps
where
    step <> coalesce(step_before + 1, 0)
    or n_in <> n_excluded + n_out
    or n_excluded < 0
    or n_out < 0
    or (step = 1 and n_in <> n_candidate_persons)
    or (step > 1 and n_in <> n_out_before)
    or (is_last_step and n_out <> n_cohort)
    or (step > 0 and n_events_in <> n_events_excluded + n_events_out)
    or (step > 1 and n_events_in <> n_events_out_before)
    or (is_last_step and n_events_out <> n_events)
