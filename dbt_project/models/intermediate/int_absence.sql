-- One row per absence of a person from Denmark: the day of leaving, the day of coming back.
-- Away are the days between the two: both are days of residence. The histories say who left, the
-- status only where they do not. Annulled rows never were. A stay whose return was never told ends
-- with the next Danish address. What has no first day began before the register's memory.
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

danish_moves as (

    select
        person_id,
        moved_in_date
    from addresses
    where not is_in_greenland and moved_in_date is not null

),

stays_as_told as (

    select * from {{ ref('stg_cpr__stay_abroad') }}
    where
        coalesce(correction_code, '') <> 'A'
        and coalesce(departure_date, return_date) is not null

),

next_homes as (

    select
        stays_as_told.person_id,
        stays_as_told.departure_date,
        min(danish_moves.moved_in_date) as moved_in_date
    from stays_as_told
    inner join danish_moves
        on
            stays_as_told.person_id = danish_moves.person_id
            and stays_as_told.departure_date < danish_moves.moved_in_date
    where stays_as_told.return_date is null
    group by
        stays_as_told.person_id,
        stays_as_told.departure_date

),

stays_abroad as (

    select
        stays_as_told.person_id,
        stays_as_told.departure_date as left_date,
        coalesce(stays_as_told.return_date, next_homes.moved_in_date) as returned_date
    from stays_as_told
    left join next_homes
        on
            stays_as_told.person_id = next_homes.person_id
            and stays_as_told.departure_date = next_homes.departure_date

),

in_greenland as (

    select
        person_id,
        moved_in_date as left_date,
        moved_out_date as returned_date
    from addresses
    where is_in_greenland

),

-- 80 emigrated, 70 disappeared, 05 and 07 Greenland: gone from the status date on, unless the
-- history of the same kind goes on.
gone_by_status as (

    select
        person_id,
        status_date as left_date,
        case
            when status_code = '80' then 'abroad'
            when status_code = '70' then 'disappeared'
            else 'greenland'
        end as kind
    from civil_status
    where status_code in ('05', '07', '70', '80') and status_date is not null

),

stays_that_go_on as (

    select
        person_id,
        'abroad' as kind
    from stays_abroad
    where returned_date is null

    union

    select
        person_id,
        'greenland' as kind
    from in_greenland
    where returned_date is null

),

gone as (

    select gone_by_status.*
    from gone_by_status
    left join stays_that_go_on
        on
            gone_by_status.person_id = stays_that_go_on.person_id
            and gone_by_status.kind = stays_that_go_on.kind
    where stays_that_go_on.person_id is null

),

-- Days on which somebody who had gone by the status was in Denmark all the same.
days_seen as (

    select
        person_id,
        moved_in_date as seen_date,
        cast(null as date) as departure_date
    from danish_moves

    union all

    select
        person_id,
        returned_date as seen_date,
        left_date as departure_date
    from stays_abroad

),

gone_until as (

    select
        gone.person_id,
        gone.left_date,
        gone.kind,
        min(
            case when days_seen.seen_date > gone.left_date then days_seen.seen_date end
        ) as seen_date,
        max(
            case when days_seen.departure_date > gone.left_date then days_seen.departure_date end
        ) as departure_date
    from gone
    left join days_seen on gone.person_id = days_seen.person_id
    group by
        gone.person_id,
        gone.left_date,
        gone.kind

),

-- Who left later by the history was in Denmark until then: gone for no day, and from then on until
-- seen again.
absences as (

    select
        person_id,
        left_date,
        case when departure_date is null then seen_date else left_date end as returned_date,
        kind,
        'status' as told_by
    from gone_until

    union all

    select
        person_id,
        departure_date as left_date,
        seen_date as returned_date,
        kind,
        'status' as told_by
    from gone_until
    where departure_date is not null and coalesce(seen_date > departure_date, true)

    union all

    select
        person_id,
        left_date,
        returned_date,
        'abroad' as kind,
        'history' as told_by
    from stays_abroad

    union all

    select
        person_id,
        left_date,
        returned_date,
        'greenland' as kind,
        'history' as told_by
    from in_greenland

)

select distinct
    person_id,
    left_date,
    returned_date,
    kind,
    told_by
from absences
