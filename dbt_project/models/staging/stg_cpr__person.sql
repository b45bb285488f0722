-- One row per personal number ever issued that leads to a person. Renames and casts only.
with

source as (

    select * from {{ source('cpr', 'cpr3_t_person') }}

),

renamed as (

    select
        ---------- who and which
        person_id,
        is_number_in_force,
        v_mor_pnr_person_id as mother_person_id,
        v_far_pnr_person_id as father_person_id,

        ---------- when
        d_foddato as birth_date,
        d_status_hen_start as status_date,

        ---------- where it came from
        source_row,

        ---------- what
        {{ with_leading_zeros('c_status', 2) }} as status_code,
        case c_kon when 'M' then 'male' when 'K' then 'female' end as sex

    from source

)

select * from renamed
