-- One row per study and candidate person: whether resident on the index date, and the day of
-- leaving on or after it.
-- Not resident is who is abroad or in Greenland across that day, who by the status had left before
-- it while nothing later says otherwise, who was never meant to live here (status 20), and who has
-- not had a Danish address yet; where there is no address at all the status alone decides. A gap
-- between two Danish addresses is no absence. The day of leaving is the last day of residence, and
-- the day of return is one too. A stay whose return was never told ends with the next Danish
-- address. An address or a stay without its first day began before the register's memory.
with

index_events as (

    select * from {{ ref('int_index_event') }}

),

persons as (

    select * from {{ ref('int_person') }}

),

addresses as (

    select
        *,
        {{ is_in_greenland('municipality_code') }} as is_in_greenland
    from {{ ref('stg_cpr__address') }}
    where coalesce(correction_code, '') <> 'A'

),

stays_as_told as (

    select * from {{ ref('stg_cpr__stay_abroad') }}
    where
        coalesce(correction_code, '') <> 'A'
        and coalesce(departure_date, return_date) is not null

),

stays_abroad as (

    select
        stays_as_told.person_id,
        stays_as_told.departure_date,
        coalesce(stays_as_told.return_date, min(addresses.moved_in_date)) as return_date
    from stays_as_told
    left join addresses
        on
            stays_as_told.person_id = addresses.person_id
            and stays_as_told.return_date is null
            and stays_as_told.departure_date < addresses.moved_in_date
            and not addresses.is_in_greenland
    group by
        stays_as_told.person_id,
        stays_as_told.departure_date,
        stays_as_told.return_date

),

-- Death does not end residence: who died before the index date is judged on the day of death.
-- 70 disappeared, 80 emigrated, 05 and 07 Greenland: gone from the status date on.
candidates as (

    select
        index_events.study_id,
        index_events.person_id,
        index_events.index_date,
        persons.status_code,
        least(
            index_events.index_date,
            coalesce(persons.death_date, index_events.index_date)
        ) as judged_date,
        case
            when persons.status_code in ('05', '07', '70', '80') then persons.status_date
        end as status_gone_date
    from index_events
    left join persons on index_events.person_id = persons.person_id

),

address_evidence as (

    select
        candidates.study_id,
        candidates.person_id,
        max(
            case
                when
                    not addresses.is_in_greenland
                    and coalesce(addresses.moved_in_date <= candidates.index_date, true)
                    then 1
                else 0
            end
        ) = 1 as has_lived_in_denmark,
        max(
            case
                when
                    addresses.is_in_greenland
                    and coalesce(addresses.moved_in_date < candidates.judged_date, true)
                    and coalesce(addresses.moved_out_date > candidates.judged_date, true)
                    then 1
                else 0
            end
        ) = 1 as is_in_greenland,
        max(
            case
                when addresses.is_in_greenland and addresses.moved_out_date is null then 1 else 0
            end
        ) = 1 as has_open_greenland_address,
        max(
            case
                when
                    not addresses.is_in_greenland
                    and addresses.moved_in_date <= candidates.judged_date
                    then addresses.moved_in_date
            end
        ) as last_move_in_date,
        min(
            case
                when
                    addresses.is_in_greenland
                    and addresses.moved_in_date >= candidates.index_date
                    then addresses.moved_in_date
            end
        ) as to_greenland_date
    from candidates
    inner join addresses on candidates.person_id = addresses.person_id
    group by
        candidates.study_id,
        candidates.person_id

),

stay_evidence as (

    select
        candidates.study_id,
        candidates.person_id,
        max(
            case
                when
                    coalesce(stays_abroad.departure_date < candidates.judged_date, true)
                    and coalesce(stays_abroad.return_date > candidates.judged_date, true)
                    then 1
                else 0
            end
        ) = 1 as is_abroad,
        max(case when stays_abroad.return_date is null then 1 else 0 end) = 1 as has_open_stay,
        max(
            case
                when stays_abroad.return_date <= candidates.judged_date
                    then stays_abroad.return_date
            end
        ) as last_return_date,
        min(
            case
                when stays_abroad.departure_date >= candidates.index_date
                    then stays_abroad.departure_date
            end
        ) as departure_date
    from candidates
    inner join stays_abroad on candidates.person_id = stays_abroad.person_id
    group by
        candidates.study_id,
        candidates.person_id

),

-- The status says when somebody left only where the histories do not.
evidence as (

    select
        candidates.study_id,
        candidates.person_id,
        candidates.index_date,
        candidates.judged_date,
        candidates.status_code,
        address_evidence.last_move_in_date,
        address_evidence.to_greenland_date,
        stay_evidence.last_return_date,
        stay_evidence.departure_date,
        case
            when candidates.status_code = '80' and stay_evidence.has_open_stay then null
            when
                candidates.status_code in ('05', '07')
                and address_evidence.has_open_greenland_address
                then null
            else candidates.status_gone_date
        end as status_gone_date,
        coalesce(address_evidence.has_lived_in_denmark, true) as has_lived_in_denmark,
        coalesce(address_evidence.is_in_greenland, false) as is_in_greenland,
        coalesce(stay_evidence.is_abroad, false) as is_abroad
    from candidates
    left join address_evidence
        on
            candidates.study_id = address_evidence.study_id
            and candidates.person_id = address_evidence.person_id
    left join stay_evidence
        on
            candidates.study_id = stay_evidence.study_id
            and candidates.person_id = stay_evidence.person_id

),

residence as (

    select
        study_id,
        person_id,
        index_date is not null
        and has_lived_in_denmark
        and not is_in_greenland
        and not is_abroad
        and coalesce(status_code, '') <> '20'
        and case
            when status_gone_date < judged_date
                then
                    coalesce(last_move_in_date > status_gone_date, false)
                    or coalesce(last_return_date > status_gone_date, false)
                    or coalesce(departure_date > status_gone_date, false)
            else true
        end as is_resident_at_index,
        least(
            coalesce(departure_date, {{ far_future() }}),
            coalesce(to_greenland_date, {{ far_future() }}),
            case
                when status_gone_date >= index_date then status_gone_date
                else {{ far_future() }}
            end
        ) as left_date
    from evidence

)

select
    study_id,
    person_id,
    is_resident_at_index,
    case when left_date < {{ far_future() }} then left_date end as left_date
from residence
