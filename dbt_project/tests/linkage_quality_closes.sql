-- One row per register, table and period whose rows by year, region and sex, or whose losses by
-- reason, do not add up to what came to each stage of the linkage.
with

flow as (

    select
        register,
        table_name,
        period,
        sum(case when stage = 'received' then n_rows else 0 end) as n_received,
        sum(case when stage = 'landed' then n_rows else 0 end) as n_landed,
        sum(case when stage = 'linked' then n_rows else 0 end) as n_linked,
        sum(case when stage = 'quarantined' then n_rows else 0 end) as n_quarantined,
        sum(case when stage = 'unlinked' then n_rows else 0 end) as n_unlinked
    from {{ ref('linkage_flow') }}
    group by
        register,
        table_name,
        period

),

quality as (

    select
        register,
        table_name,
        period,
        sum(n_received) as n_received,
        sum(n_landed) as n_landed,
        sum(n_linked) as n_linked,
        sum(n_not_linked) as n_not_linked
    from {{ ref('linkage_quality') }}
    group by
        register,
        table_name,
        period

),

losses as (

    select
        register,
        table_name,
        period,
        sum(case when stage = 'quarantined' then n_rows else 0 end) as n_quarantined,
        sum(case when stage = 'unlinked' then n_rows else 0 end) as n_unlinked
    from {{ ref('linkage_loss') }}
    group by
        register,
        table_name,
        period

)

select
    flow.n_received as n_received_by_flow,
    quality.n_received,
    flow.n_linked as n_linked_by_flow,
    quality.n_linked,
    coalesce(flow.register, quality.register) as register,
    coalesce(flow.table_name, quality.table_name) as table_name,
    coalesce(flow.period, quality.period) as period
from flow
full outer join quality
    on
        flow.register = quality.register
        and flow.table_name = quality.table_name
        and flow.period = quality.period
left join losses
    on
        flow.register = losses.register
        and flow.table_name = losses.table_name
        and flow.period = losses.period
where
    coalesce(flow.n_received, 0) <> coalesce(quality.n_received, 0)
    or coalesce(flow.n_landed, 0) <> coalesce(quality.n_landed, 0)
    or coalesce(flow.n_linked, 0) <> coalesce(quality.n_linked, 0)
    or coalesce(flow.n_quarantined, 0) <> coalesce(losses.n_quarantined, 0)
    or coalesce(flow.n_unlinked, 0) <> coalesce(losses.n_unlinked, 0)
    or coalesce(quality.n_not_linked, 0)
    <> coalesce(losses.n_quarantined, 0) + coalesce(losses.n_unlinked, 0)
