-- One row per register, table, period, year, region and sex: rows received, and how far they came.
-- Sex and last region of residence are the linked person's; what leads to nobody is unknown in
-- both.
with

linked_rows as (

    select * from {{ ref('int_linked_row') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

losses as (

    select * from {{ ref('linkage_loss') }}

),

linked as (

    select
        linked_rows.register,
        linked_rows.table_name,
        linked_rows.period,
        {{ year_of_row('linked_rows.event_date', 'linked_rows.period') }} as year,
        coalesce(persons.region, 'unknown') as region,
        coalesce(persons.sex, 'unknown') as sex,
        count(*) as n_linked,
        sum(case when persons.n_residence_spells > 0 then 1 else 0 end) as n_in_population
    from linked_rows
    left join persons on linked_rows.person_id = persons.person_id
    group by
        linked_rows.register,
        linked_rows.table_name,
        linked_rows.period,
        {{ year_of_row('linked_rows.event_date', 'linked_rows.period') }},
        coalesce(persons.region, 'unknown'),
        coalesce(persons.sex, 'unknown')

),

lost as (

    select
        register,
        table_name,
        period,
        year,
        sum(case when what_failed = 'number' then n_rows else 0 end) as n_bad_number,
        sum(case when stage = 'quarantined' then n_rows else 0 end) as n_quarantined,
        sum(case when stage = 'unlinked' then n_rows else 0 end) as n_unlinked,
        sum(case when what_failed = 'withheld' then n_rows else 0 end) as n_withheld
    from losses
    group by
        register,
        table_name,
        period,
        year

),

counted as (

    select
        register,
        table_name,
        period,
        year,
        region,
        sex,
        n_linked,
        n_in_population,
        0 as n_bad_number,
        0 as n_quarantined,
        0 as n_unlinked,
        0 as n_withheld
    from linked

    union all

    select
        register,
        table_name,
        period,
        year,
        'unknown' as region,
        'unknown' as sex,
        0 as n_linked,
        0 as n_in_population,
        n_bad_number,
        n_quarantined,
        n_unlinked,
        n_withheld
    from lost

),

summed as (

    select
        register,
        table_name,
        period,
        year,
        region,
        sex,
        sum(n_linked) as n_linked,
        sum(n_in_population) as n_in_population,
        sum(n_bad_number) as n_bad_number,
        sum(n_quarantined) as n_quarantined,
        sum(n_unlinked) as n_unlinked,
        sum(n_withheld) as n_withheld
    from counted
    group by
        register,
        table_name,
        period,
        year,
        region,
        sex

)

select
    register,
    table_name,
    period,
    year,
    region,
    sex,
    cast(n_linked + n_unlinked + n_quarantined as bigint) as n_received,
    cast(n_linked + n_unlinked + n_quarantined - n_bad_number as bigint) as n_valid_number,
    cast(n_linked + n_unlinked as bigint) as n_landed,
    cast(n_linked + n_withheld as bigint) as n_resolved,
    cast(n_linked as bigint) as n_linked,
    cast(n_in_population as bigint) as n_in_population,
    cast(n_quarantined + n_unlinked as bigint) as n_not_linked
from summed
