"""Studies as the tables of schema `study`, which the dbt models join to."""

import duckdb

from etl.studies.definition import Study

TABLES = {
    "study": "study_id text, title text, question text, period_start date, period_end date, "
    "end_of_data date, lesion_days integer, clinical_match_days integer, baseline_by text",
    "code": "study_id text, list text, code text, name text, system text, valid_from date, "
    "valid_to date, source text",
    "behaviour": "study_id text, role text, behaviour text",
    "confirmed": "study_id text, who_diagnosis text",
    "registry_site": "study_id text, code text",
    "outcome_hospital_code": "study_id text, outcome text, code text",
    "capping_register": "study_id text, register text",
    "criterion": "study_id text, step integer, criterion text, kind text, label text, "
    "minimum_days integer, minimum_years integer, below_years integer, look_back_days integer, "
    "cohort text",
    "criterion_code": "study_id text, step integer, code text",
    "outcome": "study_id text, outcome text, label text, kind text, place text, from_day integer, "
    "clinical_column text, threshold double",
    "outcome_behaviour": "study_id text, outcome text, behaviour text",
    "outcome_code": "study_id text, outcome text, code text",
    "outcome_part": "study_id text, outcome text, part text",
    "factor": "study_id text, factor text, label text, kind text, reference text, "
    "n_columns integer, yes_level text, is_rule_factor boolean",
    "factor_level": "study_id text, factor text, level text, source_column text, value text, "
    "from_number double, below_number double, from_date date, before_date date",
    "level": "study_id text, factor text, level text, position integer",
    "factor_part": "study_id text, factor text, part text, high_level text",
}


def load(con: duckdb.DuckDBPyConnection, studies: list[Study]) -> None:
    """Write the studies as the tables of schema `study`, in place of what is there."""
    con.execute("create schema if not exists study")
    for table, columns in TABLES.items():
        con.execute(f"create or replace table study.{table} ({columns})")
    for study in studies:
        for table, rows in _rows(study).items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                con.executemany(f"insert into study.{table} values ({marks})", rows)


def _rows(study: Study) -> dict[str, list[tuple]]:
    name = study.study_id
    by_name = {factor.name: factor for factor in study.factors}
    return {
        "study": [
            (name, study.title, study.question, study.period_start, study.period_end,
             study.end_of_data, study.lesion_days, study.clinical_match_days, study.baseline_by)
        ],
        "code": [(name, *code) for code in study.codes],
        "behaviour": [(name, "candidate", value) for value in study.candidate_behaviours]
        + [(name, "primary", value) for value in study.primary_behaviours],
        "confirmed": [(name, value) for value in study.confirmed],
        "registry_site": [(name, code) for code in study.registry_sites],
        "outcome_hospital_code": [
            (name, o.name, code) for o in study.outcomes for code in o.hospital_codes
        ],
        "capping_register": [(name, register) for register in study.capped_by],
        "criterion": [
            (name, c.step, c.name, c.kind, c.label, c.minimum_days, c.minimum_years, c.below_years,
             c.look_back_days, c.cohort)
            for c in study.criteria
        ],
        "criterion_code": [
            (name, c.step, code) for c in study.criteria for code in c.diagnosis_codes
        ],
        "outcome": [
            (name, o.name, o.label, o.kind, o.place, o.from_day, o.clinical_column, o.threshold)
            for o in study.outcomes
        ],
        "outcome_behaviour": [
            (name, o.name, value) for o in study.outcomes for value in o.behaviours
        ],
        "outcome_code": [(name, o.name, code) for o in study.outcomes for code in o.codes],
        "outcome_part": [(name, o.name, part) for o in study.outcomes for part in o.parts],
        "factor": [
            (name, f.name, f.label, f.kind, f.reference, len(f.columns) or len(f.parts),
             f.high_level, f.is_rule_factor)
            for f in study.factors
        ],
        "factor_level": [
            (name, f.name, level, column, *rule)
            for f in study.factors
            for level, *rule in f.rules
            for column in f.columns or (None,)
        ],
        "level": [
            (name, f.name, level, position)
            for f in study.factors
            for position, level in enumerate(f.levels, 1)
        ],
        "factor_part": [
            (name, f.name, part, by_name[part].high_level)
            for f in study.factors
            for part in f.parts
        ],
    }  # fmt: skip
