-- One row per study and outcome: quartiles of potential follow-up by the reverse Kaplan–Meier
-- estimate, the last outcome and the last day of anybody's follow-up.
-- Being censored is the event, and an outcome or a death ends it early; who has one of them on a
-- day is gone before the censored of that day. A quartile that is not reached is missing.
-- Schemper & Smith (1996), Control. Clin. Trials 17:343–346.
with

outcomes as (

    select * from {{ source('study', 'outcome') }}

),

days as (

    select
        study_id,
        outcome,
        days,
        count(*) as n_leaving,
        sum(case when event_code = 0 then 1 else 0 end) as n_censored,
        sum(case when event_code = 1 then 1 else 0 end) as n_outcomes
    from {{ ref('time_to_event') }}
    group by
        study_id,
        outcome,
        days

),

at_risk as (

    select
        *,
        sum(n_leaving) over (
            partition by study_id, outcome
            order by days desc
            rows between unbounded preceding and current row
        ) - n_leaving + n_censored as n_at_risk
    from days

),

-- The last to be censored leave nobody: a logarithm of nothing is not asked for.
staying as (

    select
        *,
        case
            when n_censored > 0 and n_censored = n_at_risk then 0
            else
                exp(
                    sum(
                        case
                            when n_censored > 0 and n_censored < n_at_risk
                                then ln(1 - cast(n_censored as double) / n_at_risk)
                            else 0
                        end
                    ) over (
                        partition by study_id, outcome
                        order by days
                        rows between unbounded preceding and current row
                    )
                )
        end as share_staying
    from at_risk

),

-- A hair's breadth for rounding: three quarters left is a quarter gone.
spans as (

    select
        study_id,
        outcome,
        sum(n_leaving) as n_persons,
        min(case when share_staying <= 0.75 + 1e-12 then days end) as lower_quartile_days,
        min(case when share_staying <= 0.50 + 1e-12 then days end) as median_days,
        min(case when share_staying <= 0.25 + 1e-12 then days end) as upper_quartile_days,
        max(case when n_outcomes > 0 then days end) as last_outcome_days,
        max(days) as last_days
    from staying
    group by
        study_id,
        outcome

)

select
    outcomes.study_id,
    outcomes.outcome,
    cast(coalesce(spans.n_persons, 0) as bigint) as n_persons,
    spans.lower_quartile_days,
    spans.median_days,
    spans.upper_quartile_days,
    spans.last_outcome_days,
    spans.last_days
from outcomes
left join spans
    on
        outcomes.study_id = spans.study_id
        and outcomes.outcome = spans.outcome
