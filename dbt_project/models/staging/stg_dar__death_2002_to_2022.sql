-- One row per death from 2002 to 2022. Renames and casts only.
with

source as (

    select * from {{ source('dar', 't_dodsaarsag_2') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        c_dodtilgrundl_acme as underlying_cause_code,
        c_dod_1a as cause_1a_code,
        c_dod_1b as cause_1b_code,
        c_dod_1c as cause_1c_code,
        c_dod_1d as cause_1d_code,
        c_dodsmaade as manner_code,

        ---------- when
        d_dodsdato as death_date,
        d_findedato as found_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
