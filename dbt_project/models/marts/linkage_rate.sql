-- One row per register and table: how much of it was linked, now and in the refresh before.
-- The refresh before is the last one that was made from other delivered files.
with

flow as (

    select * from {{ ref('linkage_flow') }}

),

losses as (

    select * from {{ ref('linkage_loss') }}

),

rates_before as (

    select * from {{ source('history', 'linkage_rate_before') }}

),

now_linked as (

    select
        register,
        table_name,
        sum(case when stage = 'received' then n_rows else 0 end) as n_received,
        sum(case when stage = 'landed' then n_rows else 0 end) as n_landed,
        sum(case when stage = 'linked' then n_rows else 0 end) as n_linked
    from flow
    group by
        register,
        table_name

),

without_contact as (

    select
        register,
        table_name,
        sum(case when reason = 'orphan_of_contact' then n_rows else 0 end) as n_without_contact,
        sum(case when reason = 'ambiguous_contact' then n_rows else 0 end) as n_ambiguous_contact
    from losses
    where what_failed = 'contact'
    group by
        register,
        table_name

)

select
    now_linked.register,
    now_linked.table_name,
    cast(now_linked.n_received as bigint) as n_received,
    cast(now_linked.n_landed as bigint) as n_landed,
    cast(now_linked.n_linked as bigint) as n_linked,
    cast(coalesce(without_contact.n_without_contact, 0) as bigint) as n_without_contact,
    cast(coalesce(without_contact.n_ambiguous_contact, 0) as bigint) as n_ambiguous_contact,
    rates_before.n_landed as n_landed_before,
    rates_before.n_linked as n_linked_before
from now_linked
left join without_contact
    on
        now_linked.register = without_contact.register
        and now_linked.table_name = without_contact.table_name
left join rates_before
    on
        now_linked.register = rates_before.register
        and now_linked.table_name = rates_before.table_name
