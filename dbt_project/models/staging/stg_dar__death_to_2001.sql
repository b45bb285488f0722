-- One row per death from 1970 to 2001. Renames and casts only.
with

source as (

    select * from {{ source('dar', 't_dodsaarsag_1') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        c_dod1 as cause_1_code,
        c_dod2 as cause_2_code,
        c_dod3 as cause_3_code,
        c_dod4 as cause_4_code,
        c_dodsmaade as manner_code,

        ---------- when
        d_dodsdto as death_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
