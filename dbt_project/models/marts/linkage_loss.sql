-- One row per register, table, period, year, stage and reason: rows that came no further.
-- The year is that of the row's own day, else of its file. Whose the rows are nobody knows, so they
-- have neither sex nor region.
with

unlinked_rows as (

    select * from {{ ref('int_unlinked_row') }}

),

flow as (

    select * from {{ ref('linkage_flow') }}
    where stage = 'quarantined'

),

reasons as (

    select * from {{ ref('linkage_reason') }}

),

kept as (

    select
        register,
        table_name,
        period,
        {{ year_of_row('event_date', 'period') }} as year,
        case stage when 'landing' then 'quarantined' else 'unlinked' end as stage,
        reason,
        count(*) as n_rows
    from unlinked_rows
    group by
        register,
        table_name,
        period,
        {{ year_of_row('event_date', 'period') }},
        stage,
        reason

),

-- What was quarantined for another reason than its number is only counted.
counted_elsewhere as (

    select
        flow.register,
        flow.table_name,
        flow.period,
        {{ year_of_row('cast(null as date)', 'flow.period') }} as year,
        flow.stage,
        flow.reason,
        flow.n_rows
    from flow
    left join kept
        on
            flow.register = kept.register
            and flow.table_name = kept.table_name
            and flow.period = kept.period
            and flow.stage = kept.stage
            and flow.reason = kept.reason
    where kept.reason is null and flow.n_rows > 0

),

losses as (

    select * from kept

    union all

    select * from counted_elsewhere

)

select
    losses.register,
    losses.table_name,
    losses.period,
    losses.year,
    losses.stage,
    losses.reason,
    cast(losses.n_rows as bigint) as n_rows,
    coalesce(reasons.what_failed, 'row') as what_failed
from losses
left join reasons on losses.reason = reasons.reason
