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
    "follow_up_at_least": "Followed for at least `minimum_days` days.",
    "index_date_in_period": "The index date lies in `[population]`, both days included, and no "
    "primary tumour was seen before the first.",
    "primary_tumour": "At least one requisition of a primary behaviour on skin, not only "
    "metastases.",
    "resident_at_index": "Resident in Denmark on the index date.",
    "reviewed": "A lesion whose slides could be reviewed: a review that is not blank.",
}
# What a criterion says beside name, kind and label: all of it with its kind, none with another.
CRITERION_PARAMETERS = {
    "age_at_index": ("minimum_years", "below_years"),
    "follow_up_at_least": ("minimum_days",),
}
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
HOSPITAL = (
    r"D[A-Z]\d{2}[0-9A-Z]{0,5}|\d{3,5}",
    "a diagnosis as hospitals write it, SKS such as DC77 or ICD-8 digits",
)
# Steps 0 and 1 of every flow are the requisitions and the candidate persons.
FIRST_CRITERION_STEP = 2

# Section → key → what the value is; `?` where it may be left out.
KEYS = {
    "study": {
        "title": "text", "question": "text", "notes": "texts?", "population": "table",
        "index_event": "table",
        "criterion": "tables", "follow_up": "table", "outcome": "tables", "factor": "tables",
        "rule": "table?",
    },
    "population": {"period_start": "date", "period_end": "date"},
    "index_event": {
        "case_morphology": "text", "case_topography": "text", "unspecific_topography": "text",
        "candidate_behaviours": "texts", "primary_behaviours": "texts",
        "lesion_days": "days from 1", "confirmed": "texts", "registry_sites": "texts?",
    },
    "criterion": {
        "name": "text", "kind": "text", "label": "text", "minimum_days": "days from 1?",
        "minimum_years": "years?", "below_years": "years?",
    },
    "follow_up": {
        "end_of_data": "date", "capped_by": "texts", "clinical_match_days": "days",
        "horizons_days": "list of days",
    },
    "outcome": {
        "name": "text", "label": "text", "behaviours": "texts", "place": "text",
        "from_day": "days from 1?", "clinical_column": "text?", "hospital_codes": "texts?",
        "risk_difference_threshold": "proportion?",
    },
    "factor": {
        "name": "text", "label": "text", "kind": "text", "reference": "text",
        "high_level": "text?", "column": "text?", "columns": "texts?", "parts": "texts?",
        "levels": "table?", "cut_points": "table?", "periods": "table?",
    },
    "rule": {"factors": "texts"},
}  # fmt: skip


# What each key means, for those who write a study; units and ends of ranges included.
MEANINGS = {
    "study": {
        "title": "Heading of every page of the release.",
        "question": "What the study asks, in one sentence.",
        "notes": "What a reader of the results must know; printed on the release's page.",
        "population": "Which index dates count.",
        "index_event": "What makes a person a candidate, and what their index date is.",
        "criterion": "The steps that a candidate must pass, in the order of the flow.",
        "follow_up": "When follow-up ends and at which days risks are stated.",
        "outcome": "What may happen to a person.",
        "factor": "What divides persons into groups.",
        "rule": "Which factors the high-risk rule is asked about; without it no factor is called "
        "high-risk.",
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
        "behaviours": "Last characters of a case morphology that are the outcome.",
        "place": "Where it counts: `anywhere`, or at the place of the `index` tumour.",
        "from_day": "First day after the index date on which it can occur, included; on or before "
        "the index date it is prevalent, between them it does not count.",
        "clinical_column": "Date column of the clinical database that is the outcome too; the "
        "earlier of the two counts.",
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
