-- One row per new tumour in the cancer registry. Renames and casts only.
with

source as (

    select * from {{ source('dcr', 't_tumor') }}

),

renamed as (

    select
        ---------- who and which
        person_id,
        k_tumornr as tumour_id,

        ---------- what
        c_icd10 as icd10_code,
        c_morfo3 as morphology_code,
        c_topo3 as topography_code,
        c_lateral as side_code,
        c_grad as grade_code,
        c_tnm_t as tnm_t_code,
        c_tnm_n as tnm_n_code,
        c_tnm_m as tnm_m_code,
        c_makrogrundlag as macroscopic_basis_code,
        c_mikrogrundlag as microscopic_basis_code,
        c_status as status_code,

        ---------- when
        d_diagnosedato as diagnosis_date,
        d_statdato as status_date,

        ---------- where it came from
        period,
        source_row

    from source

)

select * from renamed
