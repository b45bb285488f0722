-- One row per study, group and characteristic whose levels do not count every person of the group
-- once, and per group `all` that is not the cohort.
with

characteristics as (

    select
        study_id,
        group_level,
        characteristic,
        min(n_group) as n_group,
        sum(n_persons) as n_counted
    from {{ ref('baseline') }}
    group by
        study_id,
        group_level,
        characteristic

),

cohort as (

    select
        study_id,
        count(*) as n
    from {{ ref('cohort') }}
    group by study_id

)

select
    characteristics.*,
    cohort.n as n_cohort
from characteristics
left join cohort on characteristics.study_id = cohort.study_id
where
    characteristics.n_counted <> characteristics.n_group
    or (
        characteristics.group_level = 'all'
        and characteristics.n_group <> coalesce(cohort.n, 0)
    )
