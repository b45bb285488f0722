-- One row per row of any table that leads to nobody: why, and its day where it has one.
-- Written by `make sources` from the contracts in etl/registers/. Do not edit.
{{ config(materialized='view') }}

select
    reason,
    stage,
    period,
    source_row,
    'cpr' as register,
    'cpr3_t_person' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_cpr', 'cpr3_t_person') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'cpr' as register,
    'cpr3_t_adresse_hist' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_cpr', 'cpr3_t_adresse_hist') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'cpr' as register,
    'cpr3_t_adresse_udland_hist' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_cpr', 'cpr3_t_adresse_udland_hist') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dar' as register,
    't_dodsaarsag_1' as table_name,
    d_dodsdto as event_date
from {{ source('unlinked_dar', 't_dodsaarsag_1') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dar' as register,
    't_dodsaarsag_2' as table_name,
    d_dodsdato as event_date
from {{ source('unlinked_dar', 't_dodsaarsag_2') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dar' as register,
    'dodsaarsager' as table_name,
    doedsdato as event_date
from {{ source('unlinked_dar', 'dodsaarsager') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dcr' as register,
    't_tumor' as table_name,
    d_diagnosedato as event_date
from {{ source('unlinked_dcr', 't_tumor') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dlms_review' as register,
    'review' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_dlms_review', 'review') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'dsd' as register,
    'sarcoma' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_dsd', 'sarcoma') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr2' as register,
    't_adm' as table_name,
    d_inddto as event_date
from {{ source('unlinked_lpr2', 't_adm') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr2' as register,
    't_diag' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_lpr2', 't_diag') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr2' as register,
    't_sksopr' as table_name,
    d_odto as event_date
from {{ source('unlinked_lpr2', 't_sksopr') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr3' as register,
    'kontakter' as table_name,
    dato_start as event_date
from {{ source('unlinked_lpr3', 'kontakter') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr3' as register,
    'diagnoser' as table_name,
    cast(null as date) as event_date
from {{ source('unlinked_lpr3', 'diagnoser') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'lpr3' as register,
    'procedurer_kirurgi' as table_name,
    dato_start as event_date
from {{ source('unlinked_lpr3', 'procedurer_kirurgi') }}

union all

select
    reason,
    stage,
    period,
    source_row,
    'patobank' as register,
    'pato' as table_name,
    d_rekvdato as event_date
from {{ source('unlinked_patobank', 'pato') }}
