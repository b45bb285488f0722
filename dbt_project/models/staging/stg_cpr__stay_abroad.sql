-- One row per stay abroad. Renames and casts only.
with

source as (

    select * from {{ source('cpr', 'cpr3_t_adresse_udland_hist') }}

),

renamed as (

    select
        ---------- who
        person_id,

        ---------- what
        c_annkor as correction_code,

        ---------- when
        d_udrejse_dato as departure_date,
        d_indrejse_dato as return_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
