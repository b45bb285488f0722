"""Studies made from the first one, which use what it does not: as folders, and for the evaluator.

One with a step more, one with another period and a shorter list of morphologies, one that looks
back for diagnoses and into the cohorts of these two, and one with more outcomes.
"""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

from etl import studies
from tests.evaluator import DLMS, Criterion, FurtherOutcome

MORE_OUTCOMES = """
[[outcome]]
name = "death"
label = "Death"
kind = "death"
risk_difference_threshold = 0.1

[[outcome]]
name = "death_of_the_heart"
label = "Death of the heart"
kind = "death"
cause_codes = ["I", "410"]
risk_difference_threshold = 0.1

[[outcome]]
name = "sarcoma_coded"
label = "Sarcoma coded by a hospital"
kind = "diagnosis"
diagnosis_codes = ["DC49", "1719"]
from_day = 30
risk_difference_threshold = 0.1

[[outcome]]
name = "sarcoma_ever_coded"
label = "Sarcoma coded by a hospital, whenever"
kind = "diagnosis"
diagnosis_codes = ["DC49", "1719"]
risk_difference_threshold = 0.1

[[outcome]]
name = "metastasis_in_the_clinic"
label = "Metastasis in the clinical database"
kind = "clinical_date"
clinical_column = "metastasis_date"
risk_difference_threshold = 0.1

[[outcome]]
name = "recurrence_in_the_clinic"
label = "Local recurrence in the clinical database"
kind = "clinical_date"
clinical_column = "local_recurrence_date"
from_day = 90
risk_difference_threshold = 0.1

[[outcome]]
name = "progression"
label = "Metastasis, local recurrence or death"
kind = "first_of"
parts = ["metastasis", "local_recurrence", "death"]
risk_difference_threshold = 0.1

[[outcome]]
name = "coded_or_in_the_clinic"
label = "Sarcoma coded, or recurrence in the clinical database"
kind = "first_of"
parts = ["sarcoma_coded", "recurrence_in_the_clinic"]
risk_difference_threshold = 0.1
"""
LOOK_BACK = """
[[criterion]]
name = "sarcoma_before"
kind = "diagnosed_before"
diagnosis_codes = ["DC49", "1719"]
look_back_days = 365
label = "No sarcoma coded in the year before"

[[criterion]]
name = "no_sarcoma_before"
kind = "not_diagnosed_before"
diagnosis_codes = ["DC49"]
look_back_days = 5000
label = "Sarcoma coded before"

[[criterion]]
name = "in_the_early_study"
kind = "in_cohort"
cohort = "dlms_early"
label = "Not in the early study"

[[criterion]]
name = "not_in_the_aged_study"
kind = "not_in_cohort"
cohort = "dlms_aged"
label = "In the study of 40 to 64"
"""
AGE_STEP = """
[[criterion]]
name = "adult"
kind = "age_at_index"
minimum_years = 40
below_years = 65
label = "Younger than 40 or older than 64"
"""
PERIOD_STEP = '\n[[criterion]]\nname = "index_date_1980_2022"\n'

AGED = replace(
    DLMS, further_criteria=(Criterion("age_at_index", minimum_years=40, below_years=65),)
)
EARLY = replace(DLMS, period_end=date(1999, 12, 31), case_morphologies=("M8890", "M8896"))
SARCOMA = ("DC49", "1719")
# Study → how the evaluator has it.
VARIANTS = {
    "dlms_aged": AGED,
    "dlms_early": EARLY,
    "dlms_looks_back": replace(
        DLMS,
        further_criteria=(
            Criterion("diagnosed_before", codes=SARCOMA, look_back_days=365),
            Criterion("not_diagnosed_before", codes=("DC49",), look_back_days=5000),
            Criterion("in_cohort", cohort=EARLY),
            Criterion("not_in_cohort", cohort=AGED),
        ),
    ),
    "dlms_more_outcomes": replace(
        DLMS,
        further_outcomes=(
            FurtherOutcome("death", "death"),
            FurtherOutcome("death_of_the_heart", "death", codes=("I", "410")),
            FurtherOutcome("sarcoma_coded", "diagnosis", codes=SARCOMA, from_day=30),
            FurtherOutcome("sarcoma_ever_coded", "diagnosis", codes=SARCOMA),
            FurtherOutcome("metastasis_in_the_clinic", "clinical_date", column="metastasis_date"),
            FurtherOutcome(
                "recurrence_in_the_clinic",
                "clinical_date",
                column="local_recurrence_date",
                from_day=90,
            ),
            FurtherOutcome(
                "progression", "first_of", parts=("metastasis", "local_recurrence", "death")
            ),
            FurtherOutcome(
                "coded_or_in_the_clinic",
                "first_of",
                parts=("sarcoma_coded", "recurrence_in_the_clinic"),
            ),
        ),
    ),
}


def add(project: Path) -> None:
    """The folders of the variants, made by the command and edited as a user would."""
    studies.create(project, "dlms_aged", "dlms", "Aged 40 to 64")
    edit(project, "dlms_aged", PERIOD_STEP, AGE_STEP + PERIOD_STEP)
    studies.create(project, "dlms_early", "dlms", None)
    edit(project, "dlms_early", "period_end = 2022-12-31", "period_end = 1999-12-31")
    edit(project, "dlms_early", r"M8891,.*\n", "", "codelists/case_morphology.csv")
    studies.create(project, "dlms_looks_back", "dlms", None)
    edit(project, "dlms_looks_back", PERIOD_STEP, LOOK_BACK + PERIOD_STEP)
    studies.create(project, "dlms_more_outcomes", "dlms", None)
    edit(project, "dlms_more_outcomes", "[[factor]]\n", f"{MORE_OUTCOMES}\n[[factor]]\n")


def edit(project: Path, study: str, old: str, new: str, file: str = "study.toml") -> None:
    path = project / "dbt_project/studies" / study / file
    text, n = re.subn(old if "*" in old else re.escape(old), new, path.read_text("utf-8"), count=1)
    assert n == 1, old
    path.write_text(text, encoding="utf-8")
