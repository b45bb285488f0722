-- One row per spell of residence of a person in Denmark: its first and its last day.
-- Residence begins with the first Danish address and runs on over gaps between addresses; only an
-- absence breaks it. Without any address row the status alone decides. The days of leaving and of
-- coming back are days of residence. Who has a number for tax (status 20) has none. A missing first
-- day lies before the register's memory, a missing last day is yet to come; death ends no spell.
with

civil_status as (

    select * from {{ ref('int_civil_status') }}

),

addresses as (

    select
        *,
        {{ is_in_greenland('municipality_code') }} as is_in_greenland
    from {{ ref('stg_cpr__address') }}
    where coalesce(correction_code, '') <> 'A'

),

absences as (

    select * from {{ ref('int_absence') }}

),

first_addresses as (

    select
        person_id,
        min(case when not is_in_greenland then moved_in_date end) as moved_in_date,
        max(case when not is_in_greenland then 1 else 0 end) = 1 as has_lived_in_denmark,
        max(
            case when not is_in_greenland and moved_in_date is null then 1 else 0 end
        ) = 1 as is_before_memory
    from addresses
    group by person_id

),

residents as (

    select
        coalesce(civil_status.person_id, first_addresses.person_id) as person_id,
        case
            when not first_addresses.is_before_memory then first_addresses.moved_in_date
        end as from_date
    from civil_status
    full outer join first_addresses on civil_status.person_id = first_addresses.person_id
    where
        coalesce(civil_status.status_code, '') <> '20'
        and coalesce(first_addresses.has_lived_in_denmark, true)

),

-- The last day by which all absences that began before have ended; none of it while one goes on.
absences_in_order as (

    select
        person_id,
        left_date,
        kind,
        max(
            coalesce(
                case when returned_date < left_date then left_date else returned_date end,
                {{ far_future() }}
            )
        ) over (
            partition by person_id
            order by left_date asc nulls first, returned_date asc nulls last, kind asc
            rows between unbounded preceding and current row
        ) as back_date,
        row_number() over (
            partition by person_id
            order by left_date asc nulls first, returned_date asc nulls last, kind asc
        ) as nth
    from absences

),

between_absences as (

    select
        person_id,
        left_date,
        kind,
        nth,
        lag(back_date) over (partition by person_id order by nth) as back_date
    from absences_in_order

),

after_the_last_absence as (

    select
        person_id,
        max(back_date) as back_date
    from absences_in_order
    group by person_id

),

spells as (

    select
        residents.person_id,
        residents.from_date,
        between_absences.back_date,
        between_absences.left_date as last_date,
        between_absences.kind as ended_by
    from residents
    inner join between_absences on residents.person_id = between_absences.person_id
    where
        between_absences.left_date is not null
        and coalesce(between_absences.back_date <= between_absences.left_date, true)
        and coalesce(residents.from_date <= between_absences.left_date, true)

    union all

    select
        residents.person_id,
        residents.from_date,
        after_the_last_absence.back_date,
        cast(null as date) as last_date,
        cast(null as varchar(11)) as ended_by
    from residents
    left join after_the_last_absence
        on residents.person_id = after_the_last_absence.person_id
    where coalesce(after_the_last_absence.back_date < {{ far_future() }}, true)

),

with_first_day as (

    select
        person_id,
        last_date,
        ended_by,
        case
            when back_date is null then from_date
            when from_date > back_date then from_date
            else back_date
        end as first_date
    from spells

)

select
    person_id,
    first_date,
    last_date,
    ended_by,
    row_number() over (
        partition by person_id
        order by first_date asc nulls first, last_date asc nulls last
    ) as spell_number
from with_first_day
