"""The words of a study folder: which sections, keys and kinds there are, and what a value may be.

A test holds the kinds to the SQL files, and the schema for editors to this list.
"""

import datetime as dt

# Kind of criterion → what it asks. Each is one model, int_criterion_<kind>.sql.
CRITERION_KINDS = {
    "age_at_index": "Aged from `minimum_years` to below `below_years` on the index date, in whole "
    "years; an unknown birth date is not met.",
    "alive_after_index": "Not dead on or before the index date (found at autopsy).",
    "confirmed_on_review": "A lesion that a review confirms as one of `[index_event] confirmed`.",
    "diagnosed_before": "A hospital diagnosis that begins with one of `diagnosis_codes`, in a "
    "contact that began on one of the `look_back_days` days before the index date; the index date "
    "itself does not count.",
    "follow_up_at_least": "Followed for at least `minimum_days` days.",
    "in_cohort": "In the cohort of the study `cohort`, whatever the index date there.",
    "index_date_in_period": "The index date lies in `[population]`, both days included, and no "
    "primary tumour was seen before the first.",
    "not_diagnosed_before": "No hospital diagnosis that begins with one of `diagnosis_codes`, in "
    "a contact that began on one of the `look_back_days` days before the index date; one on the "
    "index date itself does not count.",
    "not_in_cohort": "Not in the cohort of the study `cohort`, whatever the index date there.",
    "primary_tumour": "At least one requisition of a primary behaviour on skin, not only "
    "metastases.",
    "resident_at_index": "Resident in Denmark on the index date.",
    "reviewed": "A lesion whose slides could be reviewed: a review that is not blank.",
}
# What a criterion says beside name, kind and label: all of it with its kind, none with another.
CRITERION_PARAMETERS = {
    "age_at_index": ("minimum_years", "below_years"),
    "diagnosed_before": ("diagnosis_codes", "look_back_days"),
    "follow_up_at_least": ("minimum_days",),
    "in_cohort": ("cohort",),
    "not_diagnosed_before": ("diagnosis_codes", "look_back_days"),
    "not_in_cohort": ("cohort",),
}
# What asks for another study's cohort; a study that is asked for asks for none itself.
COHORT_KINDS = ("in_cohort", "not_in_cohort")
# Without them somebody without an index date, or dead before it, would be followed.
NEEDED_KINDS = ("alive_after_index", "follow_up_at_least")
# What a factor of each kind says, beside name, label, kind and reference; the rest may be left out.
FACTOR_KINDS = {
    "age_at_index": ("cut_points",),
    "any_of": ("parts", "levels", "high_level"),
    "index_date": ("periods",),
    "review_any": ("columns", "levels", "high_level"),
    "review_number": ("column", "cut_points"),
    "review_value": ("column", "levels"),
    "sex": ("levels",),
}
# Kind of outcome → what it is.
OUTCOME_KINDS = {
    "clinical_date": "The date in the clinical database's `clinical_column`, of a row that belongs "
    "to the index tumour.",
    "death": "Death, of any cause or, with `cause_codes`, of such an underlying cause; other "
    "deaths then compete.",
    "diagnosis": "The first day of a hospital contact with a diagnosis that begins with one of "
    "`diagnosis_codes`.",
    "first_of": "The first of the outcomes `parts`.",
    "tumour": "A case morphology of one of the `behaviours` at the `place`, or the date in the "
    "clinical database's `clinical_column`, whichever is earlier.",
}
# What an outcome of each kind says beside name, label, kind and threshold: needed, and possible.
OUTCOME_PARAMETERS = {
    "clinical_date": (("clinical_column",), ("from_day", "hospital_codes")),
    "death": ((), ("cause_codes",)),
    "diagnosis": (("diagnosis_codes",), ("from_day",)),
    "first_of": (("parts",), ()),
    "tumour": (("behaviours", "place"), ("from_day", "clinical_column", "hospital_codes")),
}
PLACES = ("anywhere", "index")
CLINICAL_COLUMNS = ("local_recurrence_date", "metastasis_date")
REVIEW_NUMBERS = (
    "size_mm",
    "necrosis",
    "mitotic_grade",
    "perineural_invasion",
    "vascular_invasion",
    "subcutaneous_extension",
)
REVIEW_TEXTS = ("margins", "who_diagnosis")
REVIEW_COLUMNS = (*REVIEW_NUMBERS, *REVIEW_TEXTS)
SEXES = ("female", "male")
# Role of a code list in [index_event], and the shape of its codes.
CODE_SHAPES = {
    "case_morphology": (r"M\d{4}", "M and four digits"),
    "case_topography": (r"T[0-9A-Z]{1,5}", "T and what a topography code begins with"),
    "unspecific_topography": (r"T[0-9A-Z]{5}", "T and five characters"),
}
# What the codes of the cross-checks begin with, as their registers write them.
REGISTRY = (r"[A-Z]\d{2}[0-9A-Z]{0,3}", "an ICD-10 code without the D of SKS, such as C44")
CAUSE = (
    r"[A-Z]\d?|[A-Z]\d{2}[0-9A-Z]{0,3}|\d{3,5}",
    "what an ICD-10 code without the D of SKS begins with, such as C44 or I, or ICD-8 digits",
)
HOSPITAL = (
    r"D[A-Z]\d{2}[0-9A-Z]{0,5}|\d{3,5}",
    "a diagnosis as hospitals write it, SKS such as DC77 or ICD-8 digits",
)
# Steps 0 and 1 of every flow are the requisitions and the candidate persons.
FIRST_CRITERION_STEP = 2

# Section → key → what the value is; `?` where it may be left out.
KEYS = {
    "study": {
        "title": "text", "question": "text", "notes": "texts?", "baseline_by": "text?",
        "population": "table",
        "index_event": "table",
        "criterion": "tables", "follow_up": "table", "outcome": "tables", "factor": "tables",
        "rule": "table?", "schedule": "table?",
    },
    "population": {"period_start": "date", "period_end": "date"},
    "index_event": {
        "case_morphology": "text", "case_topography": "text", "unspecific_topography": "text",
        "candidate_behaviours": "texts", "primary_behaviours": "texts",
        "lesion_days": "days from 1", "confirmed": "texts", "registry_sites": "texts?",
    },
    "criterion": {
        "name": "text", "kind": "text", "label": "text", "minimum_days": "days from 1?",
        "minimum_years": "years?", "below_years": "years?", "diagnosis_codes": "texts?",
        "look_back_days": "days from 1?", "cohort": "text?",
    },
    "follow_up": {
        "end_of_data": "date", "capped_by": "texts", "clinical_match_days": "days",
        "horizons_days": "list of days",
    },
    "outcome": {
        "name": "text", "label": "text", "kind": "text", "behaviours": "texts?", "place": "text?",
        "from_day": "days from 1?", "clinical_column": "text?", "diagnosis_codes": "texts?",
        "cause_codes": "texts?", "parts": "texts?", "hospital_codes": "texts?",
        "risk_difference_threshold": "proportion?",
    },
    "factor": {
        "name": "text", "label": "text", "kind": "text", "reference": "text",
        "high_level": "text?", "column": "text?", "columns": "texts?", "parts": "texts?",
        "levels": "table?", "cut_points": "table?", "periods": "table?",
    },
    "rule": {"factors": "texts"},
    "schedule": {
        "visits_in_first_year": "number from 1", "visits_in_later_years": "number from 1",
        "imaging_years": "years",
    },
}  # fmt: skip


# What each key means, for those who write a study; units and ends of ranges included.
MEANINGS = {
    "study": {
        "title": "Heading of every page of the release.",
        "question": "What the study asks, in one sentence.",
        "notes": "What a reader of the results must know; printed on the release's page.",
        "baseline_by": "Factor whose levels are the columns of the table of baseline "
        "characteristics, beside the whole cohort.",
        "population": "Which index dates count.",
        "index_event": "What makes a person a candidate, and what their index date is.",
        "criterion": "The steps that a candidate must pass, in the order of the flow.",
        "follow_up": "When follow-up ends and at which days risks are stated.",
        "outcome": "What may happen to a person.",
        "factor": "What divides persons into groups.",
        "rule": "Which factors the high-risk rule is asked about; without it no factor is called "
        "high-risk.",
        "schedule": "The visits that follow from the year of the last outcome; only with a rule, "
        "since imaging is of who is at high risk by it.",
    },
    "population": {
        "period_start": "First day on which an index date counts, included.",
        "period_end": "Last day on which an index date counts, included.",
    },
    "index_event": {
        "case_morphology": "Code list: morphologies of the tumour, M and four digits, without "
        "behaviour; matched whole.",
        "case_topography": "Code list: topographies of the tumour, matched by their beginning, on "
        "the same requisition.",
        "unspecific_topography": "Code list: topographies that say no place and match any.",
        "candidate_behaviours": "Last characters of a morphology that make a candidate.",
        "primary_behaviours": "Those of them that are a primary tumour.",
        "lesion_days": "A lesion holds the requisitions at its place from its first day (day 0) to "
        "below this day.",
        "confirmed": "Values of `who_diagnosis` in the review that confirm a lesion.",
        "registry_sites": "Beginnings of ICD-10 codes under which the cancer registry has the same "
        "tumours; a cross-check, no part of the flow.",
    },
    "criterion": {
        "name": "Name of the step in `attrition` and `exclusion_reasons`.",
        "kind": "What it asks: one of the kinds of criterion.",
        "label": "Why a person leaves here, as the flow prints it.",
        "minimum_days": "With follow_up_at_least: days of follow-up, included.",
        "minimum_years": "With age_at_index: the youngest age, included.",
        "below_years": "With age_at_index: the first age that is too old.",
        "diagnosis_codes": "With diagnosed_before and not_diagnosed_before: beginnings of "
        "hospital diagnoses, SKS such as DC44 or ICD-8 digits.",
        "look_back_days": "With diagnosed_before and not_diagnosed_before: how many days before "
        "the index date are looked at; 365 are days -365 to -1.",
        "cohort": "With in_cohort and not_in_cohort: another study of the folder, one that asks "
        "for no cohort itself.",
    },
    "follow_up": {
        "end_of_data": "Last day of follow-up, included.",
        "capped_by": "Registers whose completeness ends follow-up too.",
        "clinical_match_days": "A row of the clinical database, or a case of the cancer registry, "
        "belongs to the index tumour when its diagnosis lies at most so many days from the index "
        "date, on either side.",
        "horizons_days": "Days at which risks are stated; five years are 1826.",
    },
    "outcome": {
        "name": "Name of the outcome in the marts.",
        "label": "Name of the outcome as it is printed.",
        "kind": "What it is: one of the kinds of outcome.",
        "behaviours": "Last characters of a case morphology that are the outcome.",
        "place": "Where it counts: `anywhere`, or at the place of the `index` tumour.",
        "from_day": "First day after the index date on which it can occur, included. What comes "
        "before does not count and makes nobody prevalent; without it, whoever had the outcome on "
        "or before the index date is prevalent.",
        "clinical_column": "Date column of the clinical database that is the outcome too; the "
        "earlier of the two counts.",
        "diagnosis_codes": "Beginnings of hospital diagnoses that are the outcome, SKS such as "
        "DI21 or ICD-8 digits.",
        "cause_codes": "Beginnings of underlying causes of death, ICD-10 without the D of SKS such "
        "as C44, or ICD-8 digits.",
        "parts": "Names of other outcomes, none of them of kind first_of.",
        "hospital_codes": "Beginnings of hospital diagnoses of it: reported beside it, never one.",
        "risk_difference_threshold": "A factor of the rule is high-risk above this difference, a "
        "proportion; every outcome has one where there is a rule, and none has where not.",
    },
    "factor": {
        "name": "Name of the factor in the marts.",
        "label": "Name of the factor as it is printed.",
        "kind": "From what it is read: one of the kinds of factor.",
        "reference": "The level that the others are compared with.",
        "high_level": "The level that makes a combined factor high.",
        "column": "Column of the review.",
        "columns": "Columns of the review; any of them decides.",
        "parts": "Factors that are combined; any of them high is high, all of them not is low.",
        "levels": "Level and the values that put a person on it, in the order of the tables.",
        "cut_points": "Level and two numbers: from the first, included, to below the second.",
        "periods": "Level and two dates: from the first, included, to before the second.",
    },
    "rule": {"factors": "Names of the factors, each a `[[factor]]`."},
    "schedule": {
        "visits_in_first_year": "Visits in the first year after the index date.",
        "visits_in_later_years": "Visits in each later year, to that of the last outcome of any "
        "kind.",
        "imaging_years": "Years, from the first, in which who is at high risk is imaged too.",
    },
}


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_whole(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_date(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


# What a value is → (how to see it, how to say it)
TYPES = {
    "text": (is_text, "a text that is not empty"),
    "texts": (
        lambda value: isinstance(value, list) and bool(value) and all(map(is_text, value)),
        'a list of texts such as ["3", "6"]',
    ),
    "date": (is_date, "a date such as 1980-01-01, without quotes"),
    "days": (is_whole, "a whole number of days"),
    "years": (is_whole, "a whole number of years"),
    "number from 1": (lambda value: is_whole(value, 1), "a whole number from 1"),
    "days from 1": (lambda value: is_whole(value, 1), "a whole number of days from 1"),
    "list of days": (
        lambda value: (
            isinstance(value, list) and bool(value) and all(is_whole(one, 1) for one in value)
        ),
        "a list of whole numbers of days such as [1826]",
    ),
    "proportion": (
        lambda value: is_number(value) and 0 < value < 1,
        "a proportion between 0 and 1 such as 0.05",
    ),
    "table": (lambda value: isinstance(value, dict) and bool(value), "a table that is not empty"),
    "tables": (
        lambda value: (
            isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
        ),
        "at least one entry in double brackets",
    ),
}
