-- One row per study and set of failed criteria: how many candidates failed just these.
-- The set that nobody failed is the cohort. Where one criterion stands alone, dropping it from the
-- study would let these persons in.
with

verdicts as (

    select * from {{ ref('exclusion_reasons') }}

),

criteria as (

    select * from {{ source('study', 'criterion') }}

),

sets as (

    select
        study_id,
        criteria_bits,
        count(*) as n_persons
    from verdicts
    group by
        study_id,
        criteria_bits

),

first_criteria as (

    select
        study_id,
        min(step) as first_step
    from criteria
    group by study_id

),

-- The bits stand in the order of the flow.
failed as (

    select
        sets.study_id,
        sets.criteria_bits,
        criteria.step,
        criteria.criterion
    from sets
    inner join first_criteria on sets.study_id = first_criteria.study_id
    inner join criteria on sets.study_id = criteria.study_id
    where
        substring(
            sets.criteria_bits,
            cast(criteria.step - first_criteria.first_step + 1 as integer),
            1
        ) = '0'

),

named as (

    select
        study_id,
        criteria_bits,
        count(*) as n_failed,
        trim({{ joined_in_order("concat(criterion, ' ')", 'step') }}) as failed_criteria
    from failed
    group by
        study_id,
        criteria_bits

)

select
    sets.study_id,
    sets.criteria_bits,
    cast(sets.n_persons as bigint) as n_persons,
    cast(coalesce(named.n_failed, 0) as integer) as n_failed,
    coalesce(named.failed_criteria, '') as failed_criteria
from sets
left join named
    on
        sets.study_id = named.study_id
        and sets.criteria_bits = named.criteria_bits
