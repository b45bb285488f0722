-- One row per candidate person whose verdict is not what the bits say: as many bits as criteria,
-- the first 0 at the first failed step, and included only who has none.
with

criteria as (

    select
        study_id,
        min(step) as first_step,
        count(*) as n
    from {{ source('study', 'criterion') }}
    group by study_id

),

verdicts as (

    select * from {{ ref('exclusion_reasons') }}

),

read_again as (

    select
        verdicts.*,
        criteria.n,
        length(verdicts.criteria_bits) as n_bits,
        criteria.first_step - 1 + position('0' in verdicts.criteria_bits) as step_of_first_zero,
        position('0' in verdicts.criteria_bits) = 0 as has_no_zero
    from verdicts
    left join criteria on verdicts.study_id = criteria.study_id

)

select *
from read_again
where
    n is null
    or n_bits <> n
    or length(replace(replace(criteria_bits, '0', ''), '1', '')) > 0
    or is_included <> has_no_zero
    or is_included <> (first_failed_step is null)
    or is_included <> (first_failed_criterion is null)
    or (not has_no_zero and first_failed_step <> step_of_first_zero)
