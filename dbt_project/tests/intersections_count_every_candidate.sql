-- One row per study whose sets of failed criteria do not count every candidate once, or whose set
-- of none is not the cohort.
with

counted as (

    select
        study_id,
        sum(n_persons) as n_candidates,
        sum(case when n_failed = 0 then n_persons else 0 end) as n_included
    from {{ ref('criteria_intersections') }}
    group by study_id

),

candidates as (

    select
        study_id,
        n_in
    from {{ ref('attrition') }}
    where step = 1

),

cohort as (

    select
        study_id,
        count(*) as n
    from {{ ref('cohort') }}
    group by study_id

)

select
    candidates.study_id,
    candidates.n_in,
    counted.n_candidates,
    counted.n_included
from candidates
left join counted on candidates.study_id = counted.study_id
left join cohort on candidates.study_id = cohort.study_id
where
    candidates.n_in <> coalesce(counted.n_candidates, 0)
    or coalesce(counted.n_included, 0) <> coalesce(cohort.n, 0)
