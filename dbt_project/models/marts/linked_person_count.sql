-- One row per study and register: persons with a linked row, and how many of them are candidates
-- of the study or in its cohort. `(all but cpr)` counts a person of several registers once.
with

studies as (

    select * from {{ source('study', 'study') }}

),

linked_persons as (

    select * from {{ ref('int_linked_person') }}

),

persons_of_registers as (

    select
        person_id,
        register
    from linked_persons

    union

    select
        person_id,
        '(all but cpr)' as register
    from linked_persons
    where register <> 'cpr'

),

persons as (

    select * from {{ ref('int_person') }}

),

verdicts as (

    select * from {{ ref('exclusion_reasons') }}

),

counted as (

    select
        persons_of_registers.register,
        count(*) as n_persons,
        sum(case when persons.n_residence_spells > 0 then 1 else 0 end) as n_in_population
    from persons_of_registers
    left join persons on persons_of_registers.person_id = persons.person_id
    group by persons_of_registers.register

),

of_studies as (

    select
        verdicts.study_id,
        persons_of_registers.register,
        count(*) as n_candidates,
        sum(case when verdicts.is_included then 1 else 0 end) as n_in_cohort
    from verdicts
    inner join persons_of_registers on verdicts.person_id = persons_of_registers.person_id
    group by
        verdicts.study_id,
        persons_of_registers.register

)

select
    studies.study_id,
    counted.register,
    cast(counted.n_persons as bigint) as n_persons,
    cast(counted.n_in_population as bigint) as n_in_population,
    cast(coalesce(of_studies.n_candidates, 0) as bigint) as n_candidates,
    cast(coalesce(of_studies.n_in_cohort, 0) as bigint) as n_in_cohort
from studies
cross join counted
left join of_studies
    on
        studies.study_id = of_studies.study_id
        and counted.register = of_studies.register
