-- One row per study and person who is in the cohort or has a case in the cancer registry.
-- A case there is a new tumour of a case morphology and primary behaviour at one of the study's
-- registry sites, within its period; it is the cohort's case when its diagnosis lies as close to
-- the index date as a row of the clinical database must. No part of any verdict.
with

studies as (

    select * from {{ source('study', 'study') }}

),

sites as (

    select * from {{ source('study', 'registry_site') }}

),

morphologies as (

    select * from {{ source('study', 'code') }}
    where list = 'case_morphology'

),

behaviours as (

    select * from {{ source('study', 'behaviour') }}
    where role = 'primary'

),

tumours as (

    select * from {{ ref('stg_dcr__tumour') }}

),

cohort as (

    select * from {{ ref('cohort') }}

),

verdicts as (

    select * from {{ ref('exclusion_reasons') }}

),

studies_that_ask as (

    select distinct study_id from sites

),

cases as (

    select distinct
        studies.study_id,
        studies.clinical_match_days,
        tumours.person_id,
        tumours.diagnosis_date
    from studies
    inner join sites on studies.study_id = sites.study_id
    inner join morphologies on studies.study_id = morphologies.study_id
    inner join behaviours on studies.study_id = behaviours.study_id
    inner join tumours
        on
            'M' || tumours.morphology_code = morphologies.code || behaviours.behaviour
            and {{ begins_with('tumours.icd10_code', 'sites.code') }}
            and tumours.diagnosis_date >= studies.period_start
            and tumours.diagnosis_date <= studies.period_end

),

nearest_first as (

    select
        cases.study_id,
        cases.person_id,
        cases.diagnosis_date,
        coalesce(
            abs({{ days_between('cohort.index_date', 'cases.diagnosis_date') }})
            <= cases.clinical_match_days,
            false
        ) as is_the_cohorts,
        row_number() over (
            partition by cases.study_id, cases.person_id
            order by
                abs({{ days_between('cohort.index_date', 'cases.diagnosis_date') }}),
                cases.diagnosis_date
        ) as nearness
    from cases
    left join cohort
        on
            cases.study_id = cohort.study_id
            and cases.person_id = cohort.person_id

),

nearest as (

    select * from nearest_first
    where nearness = 1

),

everyone as (

    select
        cohort.study_id,
        cohort.person_id
    from cohort
    inner join studies_that_ask on cohort.study_id = studies_that_ask.study_id

    union

    select
        study_id,
        person_id
    from nearest

)

select
    everyone.study_id,
    everyone.person_id,
    cohort.index_date,
    nearest.diagnosis_date as registry_date,
    verdicts.first_failed_criterion,
    case
        when cohort.person_id is null then 'cancer_registry'
        when nearest.is_the_cohorts then 'both'
        else 'cohort'
    end as found_in
from everyone
left join cohort
    on
        everyone.study_id = cohort.study_id
        and everyone.person_id = cohort.person_id
left join nearest
    on
        everyone.study_id = nearest.study_id
        and everyone.person_id = nearest.person_id
left join verdicts
    on
        everyone.study_id = verdicts.study_id
        and everyone.person_id = verdicts.person_id
