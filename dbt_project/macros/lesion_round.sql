{#-
    One round of the lesion rule over mentions (requisition and place) that no earlier
    lesion has taken.

    In each study and person the earliest remaining requisition opens a lesion. Its window is fixed:
    the opening day and the days up to lesion_days after it, not rolling. The first requisition in
    the window that says anything specific fixes the places, and the first side stated there fixes
    the side of a place without one, unless that requisition states both. Requisitions in the window
    that lie at one of the places belong to the lesion.

    What does not belong goes through too: it is what the next round begins with.
-#}
{% macro lesion_round(remaining, lesion_number) -%}
    {%- set persons -%}
        partition by study_id, person_id
        order by requisition_date, k_inst, k_rekvnr, place
        rows between unbounded preceding and unbounded following
    {%- endset -%}
    {%- set persons_places -%}
        partition by study_id, person_id, substring(place, 1, 5)
        order by requisition_date, k_inst, k_rekvnr, place
        rows between unbounded preceding and unbounded following
    {%- endset -%}
    {%- set carried -%}
        study_id,
        person_id,
        k_inst,
        k_rekvnr,
        requisition_date,
        place,
        is_unspecific,
        stated_side,
        lesion_days
    {%- endset -%}
    select
        {{ carried }},
        {{ lesion_number }} as lesion_number,
        opened_on,
        places,
        max(
            case
                when
                    is_in_window
                    and {{ same_place('place', 'is_unspecific', 'places') }}
                    then 1
                else 0
            end
        ) over (partition by study_id, person_id, k_inst, k_rekvnr) = 1 as belongs
    from (
        select
            {{ carried }},
            lesion_number,
            opened_on,
            is_in_window,
            nullif(
                {{ joined_over(
                    "case when k_inst = fixing_k_inst and k_rekvnr = fixing_k_rekvnr"
                    ~ " and not is_unspecific then '|' || substring(place, 1, 5)"
                    ~ " || coalesce(" ~ side('place') ~ ", first_side, '') || '|' end",
                    persons
                ) }},
                ''
            ) as places
        from (
            select
                {{ carried }},
                lesion_number,
                opened_on,
                is_in_window,
                {{ first_known('case when is_in_window and not is_unspecific then k_inst end') }}
                    over ({{ persons }}) as fixing_k_inst,
                {{ first_known('case when is_in_window and not is_unspecific then k_rekvnr end') }}
                    over ({{ persons }}) as fixing_k_rekvnr,
                {{ first_known('case when is_in_window then stated_side end') }}
                    over ({{ persons_places }}) as first_side
            from (
                select
                    {{ carried }},
                    lesion_number,
                    opened_on,
                    {{ days_between('opened_on', 'requisition_date') }} < lesion_days
                        as is_in_window
                from (
                    select
                        {{ carried }},
                        lesion_number,
                        first_value(requisition_date) over ({{ persons }}) as opened_on
                    from {{ remaining }}
                ) as opened
            ) as windowed
        ) as specified
    ) as placed
{%- endmacro %}
