-- One row per study, included person and outcome that occurred on or before the index date.
-- These persons stay in the cohort and leave the analysis of that outcome.
with

cohort as (

    select * from {{ ref('cohort') }}

),

outcome_dates as (

    select * from {{ ref('int_outcome_date') }}

)

select
    cohort.study_id,
    cohort.person_id,
    outcome_dates.outcome,
    outcome_dates.outcome_date
from cohort
inner join outcome_dates
    on
        cohort.study_id = outcome_dates.study_id
        and cohort.person_id = outcome_dates.person_id
where outcome_dates.outcome_date <= cohort.index_date
