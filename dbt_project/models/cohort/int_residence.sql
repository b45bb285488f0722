-- One row per study and candidate person: whether resident on the index date, and the day of
-- leaving on or after it. The departure day is the last day of residence; death does not end it.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

addresses as (

    select * from {{ ref('stg_cpr__address') }}
    where coalesce(correction_code, '') <> 'A'

),

stays_abroad as (

    select * from {{ ref('stg_cpr__stay_abroad') }}
    where coalesce(correction_code, '') <> 'A'

),

addresses_at_index as (

    select
        index_events.study_id,
        index_events.person_id,
        max(
            case
                when
                    not {{ is_in_greenland('addresses.municipality_code') }}
                    and addresses.moved_in_date <= index_events.index_date
                    and coalesce(addresses.moved_out_date, index_events.index_date)
                    >= index_events.index_date
                    then 1
                else 0
            end
        ) = 1 as has_danish_address,
        min(
            case
                when
                    {{ is_in_greenland('addresses.municipality_code') }}
                    and addresses.moved_in_date >= index_events.index_date
                    then addresses.moved_in_date
            end
        ) as moved_to_greenland_date
    from index_events
    inner join addresses on index_events.person_id = addresses.person_id
    group by
        index_events.study_id,
        index_events.person_id

),

absences as (

    select
        index_events.study_id,
        index_events.person_id,
        max(
            case
                when
                    stays_abroad.departure_date < index_events.index_date
                    and coalesce(stays_abroad.return_date > index_events.index_date, true)
                    then 1
                else 0
            end
        ) = 1 as is_abroad,
        min(
            case
                when stays_abroad.departure_date >= index_events.index_date
                    then stays_abroad.departure_date
            end
        ) as departure_date
    from index_events
    inner join stays_abroad on index_events.person_id = stays_abroad.person_id
    group by
        index_events.study_id,
        index_events.person_id

),

-- 70 disappeared, 80 emigrated, 05 and 07 Greenland: gone from the status date on, where the
-- address histories do not say when. 20: a number for tax purposes, never resident.
evidence as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        persons.status_code,
        addresses_at_index.has_danish_address,
        coalesce(absences.is_abroad, false) as is_abroad,
        absences.departure_date,
        addresses_at_index.moved_to_greenland_date,
        case
            when persons.status_code = '70' then persons.status_date
            when persons.status_code = '80' and absences.departure_date is null
                then persons.status_date
            when
                persons.status_code in ('05', '07')
                and addresses_at_index.moved_to_greenland_date is null
                then persons.status_date
        end as gone_by_status_date
    from index_events
    left join persons on index_events.person_id = persons.person_id
    left join addresses_at_index
        on
            index_events.study_id = addresses_at_index.study_id
            and index_events.person_id = addresses_at_index.person_id
    left join absences
        on
            index_events.study_id = absences.study_id
            and index_events.person_id = absences.person_id

),

residence as (

    select
        study_id,
        person_id,
        coalesce(
            status_code <> '20'
            and not is_abroad
            and case
                -- Without any address history the status is all there is to go by.
                when has_danish_address is null
                    then coalesce(gone_by_status_date >= index_date, true)
                else
                    has_danish_address
                    and coalesce(gone_by_status_date >= index_date, true)
            end,
            false
        ) as is_resident_at_index,
        least(
            coalesce(departure_date, {{ far_future() }}),
            coalesce(moved_to_greenland_date, {{ far_future() }}),
            coalesce(
                case when gone_by_status_date >= index_date then gone_by_status_date end,
                {{ far_future() }}
            )
        ) as left_date
    from evidence

)

select
    study_id,
    person_id,
    is_resident_at_index,
    case when left_date < {{ far_future() }} then left_date end as left_date
from residence
