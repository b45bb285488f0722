{#-
    One round of the lesion rule over mentions that no earlier lesion has taken.

    In each study and person the earliest remaining mention opens a lesion. Its window is fixed: the
    opening day and the days up to lesion_days after it, not rolling. The place is the opener's; an
    unspecific opener takes the first specific code in the window, and a place without a side takes
    the first side stated there. Mentions in the window at that place belong to the lesion.
-#}
{% macro lesion_round(remaining, lesion_number) -%}
    select
        study_id,
        person_id,
        k_inst,
        k_rekvnr,
        requisition_date,
        topography_code,
        is_unspecific,
        lesion_days,
        {{ lesion_number }} as lesion_number,
        opened_on,
        place_code,
        place_is_unspecific,
        is_in_window
        and {{ same_place('topography_code', 'is_unspecific', 'place_code', 'place_is_unspecific') }}
            as belongs
    from (
        select
            *,
            coalesce(
                first_value(
                    case
                        when
                            is_in_window
                            and not is_unspecific
                            and substring(topography_code, 1, 5) = substring(rough_place_code, 1, 5)
                            and {{ side('topography_code') }} is not null
                            then topography_code
                    end ignore nulls
                ) over person_mentions,
                rough_place_code
            ) as sided_place_code,
            case
                when {{ side('rough_place_code') }} is null then sided_place_code
                else rough_place_code
            end as place_code
        from (
            select
                *,
                opener_is_unspecific and specific_code is null as place_is_unspecific,
                case
                    when opener_is_unspecific then coalesce(specific_code, opener_code)
                    else opener_code
                end as rough_place_code
            from (
                select
                    *,
                    first_value(
                        case when is_in_window and not is_unspecific then topography_code end
                        ignore nulls
                    ) over person_mentions as specific_code
                from (
                    select
                        *,
                        first_value(requisition_date) over person_mentions as opened_on,
                        first_value(topography_code) over person_mentions as opener_code,
                        first_value(is_unspecific) over person_mentions as opener_is_unspecific,
                        {{ days_between(
                            'first_value(requisition_date) over person_mentions',
                            'requisition_date'
                        ) }} < lesion_days as is_in_window
                    from {{ remaining }}
                    window person_mentions as (
                        partition by study_id, person_id
                        order by requisition_date, k_inst, k_rekvnr, topography_code
                        rows between unbounded preceding and unbounded following
                    )
                ) as opened
                window person_mentions as (
                    partition by study_id, person_id
                    order by requisition_date, k_inst, k_rekvnr, topography_code
                    rows between unbounded preceding and unbounded following
                )
            ) as specified
        ) as placed
        window person_mentions as (
            partition by study_id, person_id
            order by requisition_date, k_inst, k_rekvnr, topography_code
            rows between unbounded preceding and unbounded following
        )
    ) as sided
{%- endmacro %}
