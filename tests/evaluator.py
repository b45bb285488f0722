"""The rules of the studies a second time: slow, plain Python, one person at a time.

It shares no code with `etl` or with the SQL that selects the cohort, so that an error of one is
unlikely to be an error of the other. Every function quotes the sentence of the study that it holds.

A person is a dict of register rows after linkage:

    id              int
    cpr             sex (M/K), status, birth_date, status_date: the row of the number in force
    addresses       municipality, moved_in, moved_out, correction
    abroad          departure, return, correction
    pathology       k_inst, k_rekvnr, k_matnr, k_sekvensnr, d_rekvdato, snomed: one code a row
    reviews         record_id, k_inst, k_rekvnr, reviewed_on, who_diagnosis and the factors
    dsd             diagnosis_date, local_recurrence_date, metastasis_date
    cause_of_death  d_dodsdato, d_findedato, underlying: a code (may be left out)
    hospital        register (lpr2 or lpr3), begins, code, modifier, system, retracted: one
                    diagnosis a row (may be left out)

Dates are datetime.date or None; codes are text; what is missing is None.
"""

# Readings: where the study's words leave a choice, this is the one taken here.
#
#  1 Requisition: (k_inst, k_rekvnr) of one person; should its rows disagree, its earliest date.
#  2 Several skin topographies on one requisition: an unspecific one is dropped beside a specific
#    one; of several specific ones each is its place (any match is a match), and it opens one
#    lesion, not several.
#  3 Side is the sixth character, A or B; anything else is no side and contradicts nothing.
#    "A more specific code within the lesion fixes it" holds for a side too: T02200 then T0220A is
#    a lesion on side A, and a requisition that states both lies on side A. Only the lesion's own
#    (behaviour-3) requisitions fix it.
#  4 Unspecific codes are the three whole codes, not what begins like them. "Any place" is any
#    place of the skin: a lung specimen is no local recurrence of an unspecific index place.
#  5 A requisition belongs to one lesion: the earliest begun of those still open (to day 89) that
#    it matches. Requisitions are taken by date, then k_inst, then k_rekvnr (as text).
#  6 Blank review: who_diagnosis is missing, whatever else is filled in. The review of a requisition
#    is its latest by reviewed_on (an undated one is the oldest), then by record_id as text. A
#    latest review that is blank makes the requisition blank, also if an earlier one was not.
#  7 "Next reviewed requisition": the next whose review is not blank.
#  8 Persons with only metastases have no lesion, so no index date, and meet no step but one that
#    asks for another study's cohort. Every other person is judged on every step, whatever failed
#    before.
#  9 First confirmed lesion: by the date, then (k_inst, k_rekvnr), of its first requisition.
# 10 Resident: a Danish address (municipality not 900-999; a missing one is Danish) has begun on or
#    before the day, and the person is not away. Away abroad or in Greenland runs from the day after
#    the departure to the day before the return. A gap between addresses, or after the last one, is
#    no absence while nothing says where the person went.
# 11 No address row at all (annulled ones are no rows): resident unless away; the status decides.
#    Status 20 is never resident, whatever its addresses.
# 12 Departure to Greenland: the first day at the address there, as with the status date.
# 13 "The status date where there is none": under status 80 when no stay abroad is open, under 05
#    and 07 when no address in Greenland is open, under 70 always. It makes nobody absent who by a
#    later row moved into a Danish address, came back, or left Denmark only after it.
# 14 "Death does not end residence": who died before the index date is judged on the day of death,
#    and a Danish address begun by the index date is enough.
# 15 Follow-up end is the day of censoring; death is not part of it.
# 16 Metastasis is prevalent when the earliest of all its dates is on or before the index date, so a
#    later one does not replace it.
# 17 Age is in completed years; who was born on 29 February has a birthday on 1 March.
# 18 Outcomes and factors are given for the included only.
# 19 The first of several outcomes is the earliest of their dates, each as it would count by itself:
#    what comes before a part's first day is no part of it.

from dataclasses import dataclass, field
from datetime import date

STEPS = {
    2: "primary_tumour",
    3: "reviewable",
    4: "confirmed_dlms",
    5: "index_date_1980_2022",
    6: "resident",
    7: "not_found_at_autopsy",
    8: "followed_for_a_day",
}


@dataclass(frozen=True)
class Criterion:
    """A step beyond the seven: its kind, and what it says with it."""

    kind: str
    codes: tuple[str, ...] = ()
    look_back_days: int = 0
    minimum_years: int = 0
    below_years: int = 0
    cohort: "Study | None" = None


@dataclass(frozen=True)
class FurtherOutcome:
    """An outcome beyond the two: its kind, and what it says with it."""

    name: str
    kind: str
    codes: tuple[str, ...] = ()
    column: str | None = None
    from_day: int | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """The numbers and codes of a study: by default of the first, as its page gives them."""

    case_morphologies: tuple[str, ...] = ("M8890", "M8891", "M8896")
    candidate_behaviours: str = "36"
    primary_behaviours: str = "3"
    metastasis_behaviours: str = "6"
    recurrence_behaviours: str = "3479"
    skin: tuple[str, ...] = ("T01", "T02")
    unspecific: tuple[str, ...] = ("T01000", "T01100", "T02000")
    confirmed: tuple[str, ...] = ("dermal_leiomyosarcoma",)
    period_start: date = date(1980, 1, 1)
    period_end: date = date(2022, 12, 31)
    end_of_data: date = date(2022, 12, 31)
    lesion_days: int = 90
    recurrence_from_day: int = 90
    clinical_match_days: int = 89
    minimum_days: int = 1
    has_clinical_database: bool = True
    older_from: int = 65  # years
    factors: tuple[str, ...] = (
        "necrosis",
        "mitotic_grade",
        "invasion",
        "margins",
        "risk_group",
        "size",
        "subcutaneous_extension",
        "sex",
        "age",
        "ascertainment_period",
    )
    further_criteria: tuple[Criterion, ...] = ()  # asked before the step of the period
    further_outcomes: tuple[FurtherOutcome, ...] = ()


DLMS = Study()
AFX_PDS = Study(
    case_morphologies=("M8830",),
    confirmed=("atypical_fibroxanthoma", "pleomorphic_dermal_sarcoma"),
    period_start=date(2002, 1, 1),
    has_clinical_database=False,
    older_from=75,
    factors=("entity", "size", "margins", "invasion", "sex", "age"),
)


@dataclass(frozen=True)
class Outcome:
    """Days from the index date and what ended them; a prevalent outcome has neither."""

    prevalent: bool
    days: int | None = None
    event_code: int | None = None  # 0 censored, 1 the outcome, 2 death


PREVALENT = Outcome(prevalent=True)


@dataclass
class Requisition:
    """The codes of one requisition that matter, gathered from its specimens."""

    k_inst: str
    k_rekvnr: str
    day: date
    behaviours: set[str] = field(default_factory=set)  # of case morphologies
    topographies: set[str] = field(default_factory=set)

    @property
    def order(self) -> tuple:
        return self.day, self.k_inst, self.k_rekvnr

    @property
    def key(self) -> tuple[str, str]:
        return self.k_inst, self.k_rekvnr


@dataclass
class Lesion:
    """Requisitions at one place; `places` is empty while nothing specific was said."""

    requisitions: list[Requisition]
    places: set[str]

    @property
    def first(self) -> Requisition:
        return self.requisitions[0]


@dataclass(frozen=True)
class Verdict:
    """What the study says about one candidate person."""

    person_id: int
    index_date: date | None
    index_requisition: tuple[str, str] | None
    index_places: tuple[str, ...]
    steps: dict[int, bool]
    first_failed_step: int | None
    follow_up_end: date | None
    outcomes: dict[str, Outcome]
    factors: dict[str, str | None]

    @property
    def is_included(self) -> bool:
        return self.first_failed_step is None


# ------------------------------------------------------------------ requisitions


def requisitions(person: dict, study: Study) -> list[Requisition]:
    """“Morphology and topography need to share the requisition, not the specimen.”

    By date, then lab, then number.
    """
    found: dict[tuple[str, str], Requisition] = {}
    for row in person["pathology"]:
        key = row["k_inst"], row["k_rekvnr"]
        if key not in found:
            found[key] = Requisition(*key, day=row["d_rekvdato"])
        requisition = found[key]
        requisition.day = min(requisition.day, row["d_rekvdato"])
        code = row["snomed"]
        if code.startswith("T"):
            requisition.topographies.add(code)
        if len(code) >= 6 and code[:5] in study.case_morphologies:
            requisition.behaviours.add(code[-1])
    return sorted(found.values(), key=lambda requisition: requisition.order)


def skin_topographies(requisition: Requisition, study: Study) -> set[str]:
    """“On a skin topography (T01, T02) ... T03 (subcutis) is not skin.”"""
    return {code for code in requisition.topographies if code[:3] in study.skin}


def has_behaviour(requisition: Requisition, behaviours: str) -> bool:
    """“Obs-pro codes (behaviour X) never count”: they are in no list of behaviours."""
    return any(behaviour in behaviours for behaviour in requisition.behaviours)


def is_candidate_requisition(requisition: Requisition, study: Study) -> bool:
    """“A leiomyosarcoma morphology (..., behaviour 3 or 6) on a skin topography (T01, T02).”"""
    return has_behaviour(requisition, study.candidate_behaviours) and bool(
        skin_topographies(requisition, study)
    )


def is_primary_requisition(requisition: Requisition, study: Study) -> bool:
    """“Behaviour-3 requisition on skin”, of case morphology."""
    return has_behaviour(requisition, study.primary_behaviours) and bool(
        skin_topographies(requisition, study)
    )


# ------------------------------------------------------------------ place and lesion


def side(topography: str) -> str | None:
    """“Side letters ... (A against B)”."""
    return topography[5] if len(topography) > 5 and topography[5] in "AB" else None


def is_same_place(one: str, other: str) -> bool:
    """“Equal first five characters of the topography code (T and four digits), unless side letters
    contradict (A against B).”
    """
    sides = {side(one), side(other)}
    return one[:5] == other[:5] and sides != {"A", "B"}


def specific_places(requisition: Requisition, study: Study) -> set[str]:
    """“T01000, T01100 and T02000 are unspecific”: what remains is where the requisition lies.

    A code without side says nothing beside the one side of the same place.
    """
    codes = {code for code in skin_topographies(requisition, study) if code not in study.unspecific}

    def sides_at(place: str) -> set[str]:
        return {side(code) for code in codes if code[:5] == place[:5] and side(code)}

    return {code for code in codes if side(code) or len(sides_at(code)) != 1}


def is_at_place(requisition: Requisition, places: set[str], study: Study) -> bool:
    """“Unspecific and match any place”: an empty set of places on either side matches."""
    if not skin_topographies(requisition, study):
        return False
    own = specific_places(requisition, study)
    if not own or not places:
        return True
    return any(is_same_place(one, other) for one in own for other in places)


def fixed_places(places: set[str], requisition: Requisition, study: Study) -> set[str]:
    """“A more specific code within the lesion fixes it”: an unspecific one, or one without side."""
    own = specific_places(requisition, study)
    if not places:
        return own
    fixed = set()
    for place in places:
        sided = {code for code in own if code[:5] == place[:5] and side(code)}
        sides = {side(code) for code in sided}
        fixed.add(min(sided) if side(place) is None and len(sides) == 1 else place)
    return fixed


def lesions(person: dict, study: Study) -> list[Lesion]:
    """“The behaviour-3 requisitions of case morphology at one place from its first to day 89
    (fixed, not rolling)”; from day 90 “a new episode”.

    A requisition from day 90 on that is rather a local recurrence begins a lesion here too. That
    does no harm: the index lesion before it is confirmed, and the first confirmed one counts.
    """
    found: list[Lesion] = []
    for requisition in requisitions(person, study):
        if not is_primary_requisition(requisition, study):
            continue
        for lesion in found:
            is_open = (requisition.day - lesion.first.day).days < study.lesion_days
            if is_open and is_at_place(requisition, lesion.places, study):
                lesion.requisitions.append(requisition)
                lesion.places = fixed_places(lesion.places, requisition, study)
                break
        else:
            found.append(Lesion([requisition], specific_places(requisition, study)))
    return found


# ------------------------------------------------------------------ review


def review_of(person: dict, requisition: Requisition) -> dict | None:
    """“The review is joined on k_inst + k_rekvnr”; “the latest review” of a requisition."""
    own = [r for r in person["reviews"] if (r["k_inst"], r["k_rekvnr"]) == requisition.key]
    return max(own, key=lambda r: (r["reviewed_on"] or date.min, r["record_id"]), default=None)


def is_blank(review: dict | None) -> bool:
    """“Blank = not reviewable”, and “missing or blank” are treated alike."""
    return review is None or not review["who_diagnosis"]


def deciding_review(person: dict, lesion: Lesion) -> dict | None:
    """“The latest review of its first requisition ... or, where that is missing or blank, the
    review of the lesion's next reviewed requisition by date.”
    """
    for requisition in lesion.requisitions:
        review = review_of(person, requisition)
        if not is_blank(review):
            return review
    return None


def is_confirmed(person: dict, lesion: Lesion, study: Study) -> bool:
    """“Confirmed in dlms_review as dermal_leiomyosarcoma”; AISMN by a setting, default out."""
    review = deciding_review(person, lesion)
    return review is not None and review["who_diagnosis"] in study.confirmed


def index_lesion(person: dict, study: Study) -> Lesion | None:
    """“The index lesion is the first confirmed one”; “for persons not confirmed ... the first
    lesion, so that the steps before can be counted”.
    """
    found = lesions(person, study)
    confirmed = [lesion for lesion in found if is_confirmed(person, lesion, study)]
    return min(confirmed or found, key=lambda lesion: lesion.first.order, default=None)


# ------------------------------------------------------------------ death and residence


def death_date(person: dict) -> date | None:
    """“CPR's date; where CPR has none, whatever its status, the cause-of-death register's
    d_dodsdato, else d_findedato.”
    """
    cpr = person["cpr"]
    if cpr["status"] == "90" and cpr["status_date"]:
        return cpr["status_date"]
    rows = person.get("cause_of_death", [])
    for column in ("d_dodsdato", "d_findedato"):
        dates = [row[column] for row in rows if row[column]]
        if dates:
            return min(dates)
    return None


def not_annulled(rows: list[dict]) -> list[dict]:
    """“c_annkor = 'A' annuls a row of the address histories.” K and H do not."""
    return [row for row in rows if row["correction"] != "A"]


def is_greenland(address: dict) -> bool:
    """“Municipality; 900 to 999 are Greenland.”"""
    return address["municipality"] is not None and 900 <= int(address["municipality"]) <= 999


def next_home(person: dict, left: date) -> date | None:
    """A stay whose return was never told ends with the next Danish address."""
    moves = [row["moved_in"] for row in danish_addresses(person) if row["moved_in"]]
    return min((day for day in moves if day > left), default=None)


def absences(person: dict) -> list[tuple[date, date | None]]:
    """(departure, return or None) of every emigration, disappearance and move to Greenland.

    "The departure date of the address history; the status date where there is none."
    """
    stays = [
        (row["departure"], row["return"] or next_home(person, row["departure"]))
        for row in not_annulled(person["abroad"])
        if row["departure"]
    ]
    in_greenland = [
        (row["moved_in"], row["moved_out"])
        for row in not_annulled(person["addresses"])
        if is_greenland(row) and row["moved_in"]
    ]
    found = stays + in_greenland
    status, since = person["cpr"]["status"], person["cpr"]["status_date"]
    history = {"80": stays, "05": in_greenland, "07": in_greenland, "70": []}.get(status)
    if history is not None and since and all(back is not None for _, back in history):
        found.append((since, None))
    return found


def is_contradicted(person: dict, since: date, day: date) -> bool:
    """Whether a row later than a status date shows the person in Denmark between it and `day`."""
    moves = [row["moved_in"] for row in danish_addresses(person) if row["moved_in"]]
    stays = not_annulled(person["abroad"])
    returns = [row["return"] for row in stays if row["return"]]
    departures = [row["departure"] for row in stays if row["departure"]]
    return any(since < seen <= day for seen in moves + returns) or any(
        left >= day for left in departures
    )


def is_away(person: dict, day: date) -> bool:
    """“The departure day is the last day of residence”; the day of return is one again."""
    status_date = person["cpr"]["status_date"]
    return any(
        left < day
        and (returned is None or day < returned)
        and not (
            (left, returned) == (status_date, None) and is_contradicted(person, status_date, day)
        )
        for left, returned in absences(person)
    )


def danish_addresses(person: dict) -> list[dict]:
    """Addresses that hold, but those in Greenland."""
    return [row for row in not_annulled(person["addresses"]) if not is_greenland(row)]


def is_resident(person: dict, day: date) -> bool:
    """“Resident in Denmark on the index date”; “death does not end residence”."""
    if person["cpr"]["status"] == "20":  # "never resident → exclude"
        return False
    died = death_date(person)
    if is_away(person, min(day, died or day)):
        return False
    if not not_annulled(person["addresses"]):
        return True
    return any((row["moved_in"] or date.min) <= day for row in danish_addresses(person))


def follow_up_end(
    person: dict, index_date: date, complete_to: dict[str, date], study: Study
) -> date:
    """“The first of emigration, disappearance or move to Greenland on or after the index date ...
    and the smaller of 2022-12-31 and the ”complete to“ dates of cpr and patobank.”
    """
    departures = [left for left, _ in absences(person) if left >= index_date]
    return min([*departures, study.end_of_data, complete_to["cpr"], complete_to["patobank"]])


# ------------------------------------------------------------------ flow


def is_reviewable(person: dict, study: Study) -> bool:
    """“A review, not blank, of any of the person's behaviour-3 skin lesions.”"""
    return any(
        not is_blank(review_of(person, requisition))
        for lesion in lesions(person, study)
        for requisition in lesion.requisitions
    )


def is_in_period(person: dict, index_date: date, study: Study) -> bool:
    """“Index date 1980-01-01 to 2022-12-31, both included”; “reviewed or not, a case-morphology
    behaviour-3 skin requisition before 1980 puts the person out of the period”.
    """
    earlier = any(
        is_primary_requisition(requisition, study) and requisition.day < study.period_start
        for requisition in requisitions(person, study)
    )
    return study.period_start <= index_date <= study.period_end and not earlier


def is_alive_after(person: dict, index_date: date) -> bool:
    """“Not found at autopsy (death on or before the index date).”"""
    died = death_date(person)
    return died is None or died > index_date


def has_diagnosis(row: dict, codes: tuple[str, ...]) -> bool:
    """“A hospital diagnosis that begins with one of `diagnosis_codes`.”

    “LPR2 where d_inddto < 2019-04-01 and LPR3 with system 'LPR3'; drop senere_afkraeftet = 'Ja',
    keep NULL; drop c_diagmod = 2.”
    """
    if row["register"] == "lpr2":
        counts = row["begins"] < date(2019, 4, 1) and row["modifier"] != "2"
    else:
        counts = row["system"] == "LPR3" and row["retracted"] != "Ja"
    return counts and any(row["code"].startswith(code) for code in codes)


def was_diagnosed_before(person: dict, criterion: Criterion, index_date: date) -> bool:
    """“In a contact that began on one of the `look_back_days` days before the index date; the index
    date itself does not count.”
    """
    return any(
        has_diagnosis(row, criterion.codes)
        and 1 <= (index_date - row["begins"]).days <= criterion.look_back_days
        for row in person.get("hospital", [])
    )


def is_in_cohort(person: dict, complete_to: dict[str, date], study: Study) -> bool:
    """“In the cohort of the study `cohort`, whatever the index date there.”"""
    verdict = evaluate(person, complete_to, study)
    return verdict is not None and verdict.is_included


def meets(
    person: dict, criterion: Criterion, index_date: date | None, complete_to: dict[str, date]
) -> bool:
    """Whether a person meets one of the further criteria."""
    if criterion.kind == "in_cohort":
        return is_in_cohort(person, complete_to, criterion.cohort)
    if criterion.kind == "not_in_cohort":
        return not is_in_cohort(person, complete_to, criterion.cohort)
    if index_date is None:
        return False
    if criterion.kind == "diagnosed_before":
        return was_diagnosed_before(person, criterion, index_date)
    if criterion.kind == "not_diagnosed_before":
        return not was_diagnosed_before(person, criterion, index_date)
    # “Aged from `minimum_years` to below `below_years` on the index date, in whole years; an
    # unknown birth date is not met.”
    assert criterion.kind == "age_at_index", criterion.kind
    born = person["cpr"]["birth_date"]
    return born is not None and (
        criterion.minimum_years <= age_in_years(born, index_date) < criterion.below_years
    )


# ------------------------------------------------------------------ outcomes


def own_clinical_rows(person: dict, index_date: date, study: Study) -> list[dict]:
    """“A dsd row belongs to the index tumour when its diagnosis date lies within 89 days of the
    index date, either side.” A study may do without the database.
    """
    if not study.has_clinical_database:
        return []
    return [
        row
        for row in person["dsd"]
        if abs((row["diagnosis_date"] - index_date).days) <= study.clinical_match_days
    ]


def local_recurrence_date(person: dict, lesion: Lesion, study: Study) -> date | None:
    """“The earliest, at least 90 days after the index date, of a case-morphology requisition
    (behaviour 3, 4, 7 or 9) at the index place (d_rekvdato) and dsd.sarcoma.local_recurrence_date”;
    “a dsd recurrence before day 90 is a finding and ignored”.
    """
    index_date = lesion.first.day
    dates = [
        requisition.day
        for requisition in requisitions(person, study)
        if has_behaviour(requisition, study.recurrence_behaviours)
        and is_at_place(requisition, lesion.places, study)
    ]
    dates += [
        row["local_recurrence_date"]
        for row in own_clinical_rows(person, index_date, study)
        if row["local_recurrence_date"]
    ]
    late = [day for day in dates if (day - index_date).days >= study.recurrence_from_day]
    return min(late, default=None)


def metastasis_date(person: dict, lesion: Lesion, study: Study) -> date | None:
    """“The earliest of a requisition with behaviour 6 of the same morphology family at any
    topography, and dsd.sarcoma.metastasis_date.”
    """
    dates = [
        requisition.day
        for requisition in requisitions(person, study)
        if has_behaviour(requisition, study.metastasis_behaviours)
    ]
    dates += [
        row["metastasis_date"]
        for row in own_clinical_rows(person, lesion.first.day, study)
        if row["metastasis_date"]
    ]
    return min(dates, default=None)


def further_date(
    person: dict,
    outcome: FurtherOutcome,
    index_date: date,
    known: dict[str, date | None],
    study: Study,
) -> date | None:
    """The day of an outcome beyond the two; `known` are those of the outcomes before it."""
    if outcome.kind == "first_of":
        # “The first of the outcomes `parts`.”
        return min((known[part] for part in outcome.parts if known[part]), default=None)
    if outcome.kind == "death":
        # “Death, of any cause or, with `cause_codes`, of such an underlying cause.”
        causes = [row.get("underlying") or "" for row in person.get("cause_of_death", [])]
        is_such = not outcome.codes or any(
            cause.startswith(code) for cause in causes for code in outcome.codes
        )
        return death_date(person) if is_such else None
    if outcome.kind == "diagnosis":
        # “The first day of a hospital contact with a diagnosis that begins with one of
        # `diagnosis_codes`.”
        days = [
            row["begins"] for row in person.get("hospital", []) if has_diagnosis(row, outcome.codes)
        ]
    else:
        # “The date in the clinical database's `clinical_column`, of a row that belongs to the index
        # tumour.”
        assert outcome.kind == "clinical_date", outcome.kind
        rows = own_clinical_rows(person, index_date, study)
        days = [row[outcome.column] for row in rows if row[outcome.column]]
    # “First day after the index date on which it can occur, included. What comes before does not
    # count and makes nobody prevalent.”
    first_day = outcome.from_day
    late = [day for day in days if first_day is None or (day - index_date).days >= first_day]
    return min(late, default=None)


def time_to_event(index_date: date, event: date | None, died: date | None, end: date) -> Outcome:
    """“On one day: outcome before death before censoring. What happens after the end does not
    count. No delayed entry: entry is day 0.”
    """
    happened = [(end, 3, 0)]
    if event is not None and event <= end:
        happened.append((event, 1, 1))
    if died is not None and died <= end:
        happened.append((died, 2, 2))
    day, _, code = min(happened)
    return Outcome(prevalent=False, days=(day - index_date).days, event_code=code)


def outcomes(person: dict, lesion: Lesion, end: date, study: Study) -> dict[str, Outcome]:
    """“On or before the index date it is prevalent: that patient leaves the metastasis analysis,
    not the cohort.”
    """
    index_date, died = lesion.first.day, death_date(person)
    dates = {
        "metastasis": metastasis_date(person, lesion, study),
        "local_recurrence": local_recurrence_date(person, lesion, study),
    }
    for outcome in study.further_outcomes:
        dates[outcome.name] = further_date(person, outcome, index_date, dates, study)
    return {
        name: PREVALENT
        if event is not None and event <= index_date
        else time_to_event(index_date, event, died, end)
        for name, event in dates.items()
    }


# ------------------------------------------------------------------ factors


def invasion(perineural: int | None, vascular: int | None) -> str | None:
    """“Any known yes → yes; both known no → no; else missing.”"""
    if perineural == 1 or vascular == 1:
        return "yes"
    if perineural == 0 and vascular == 0:
        return "no"
    return None


def risk_group(
    necrosis: str | None, grade: str | None, invaded: str | None, margins: str | None
) -> str | None:
    """“High-risk group: any of the four known yes; low-risk: all four known no; else missing.”"""
    if necrosis == "yes" or grade == "3" or invaded == "yes" or margins == "positive":
        return "high"
    if (necrosis, grade, invaded, margins) == ("no", "1-2", "no", "negative"):
        return "low"
    return None


def age_in_years(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def period_of(index_date: date) -> str:
    """“To 1996, 1997–2004, 2005 on.”"""
    if index_date.year <= 1996:
        return "to 1996"
    return "1997-2004" if index_date.year <= 2004 else "2005 on"


def factors(person: dict, lesion: Lesion, study: Study) -> dict[str, str | None]:
    """“From the index requisition's review, or where it has none or a blank one from the review
    that confirmed the lesion, never from anything after day 89.”

    The review that confirmed a lesion is that of the first requisition unless missing or blank, so
    both halves of the sentence name the deciding review.
    """
    review = deciding_review(person, lesion)
    yes_no = {1: "yes", 0: "no", None: None}
    necrosis = yes_no[review["necrosis"]]
    grade = {1: "1-2", 2: "1-2", 3: "3", None: None}[review["mitotic_grade"]]
    invaded = invasion(review["perineural_invasion"], review["vascular_invasion"])
    size, born = review["size_mm"], person["cpr"]["birth_date"]
    found = {
        "entity": review["who_diagnosis"].replace("_", " "),
        "necrosis": necrosis,
        "mitotic_grade": grade,
        "invasion": invaded,
        "margins": review["margins"],
        "risk_group": risk_group(necrosis, grade, invaded, review["margins"]),
        "size": None if size is None else "over 20 mm" if size >= 20.0001 else "up to 20 mm",
        "subcutaneous_extension": yes_no[review["subcutaneous_extension"]],
        "sex": {"M": "male", "K": "female", None: None}[person["cpr"]["sex"]],
        "age": None
        if born is None
        else f"{study.older_from} and over"
        if age_in_years(born, lesion.first.day) >= study.older_from
        else f"under {study.older_from}",
        "ascertainment_period": period_of(lesion.first.day),
    }
    return {name: found[name] for name in study.factors}


# ------------------------------------------------------------------ one person, all persons


def evaluate(person: dict, complete_to: dict[str, date], study: Study = DLMS) -> Verdict | None:
    """The verdict on one person, or None for who is no candidate.

    "Candidates: persons with a patobank requisition carrying a leiomyosarcoma morphology on a skin
    topography."
    """
    if not any(is_candidate_requisition(r, study) for r in requisitions(person, study)):
        return None
    lesion = index_lesion(person, study)
    further = [
        meets(person, criterion, lesion and lesion.first.day, complete_to)
        for criterion in study.further_criteria
    ]
    if lesion is None:
        steps = numbered([False, False, False, *further, False, False, False, False])
        return Verdict(person["id"], None, None, (), steps, 2, None, {}, {})
    index_date = lesion.first.day
    end = follow_up_end(person, index_date, complete_to, study)
    steps = numbered(
        [
            True,
            is_reviewable(person, study),
            is_confirmed(person, lesion, study),
            *further,
            is_in_period(person, index_date, study),
            is_resident(person, index_date),
            is_alive_after(person, index_date),
            (end - index_date).days >= study.minimum_days,
        ]
    )
    failed = next((step for step, is_met in steps.items() if not is_met), None)
    return Verdict(
        person_id=person["id"],
        index_date=index_date,
        index_requisition=lesion.first.key,
        index_places=tuple(sorted(lesion.places)),
        steps=steps,
        first_failed_step=failed,
        follow_up_end=end,
        outcomes=outcomes(person, lesion, end, study) if failed is None else {},
        factors=factors(person, lesion, study) if failed is None else {},
    )


def numbered(answers: list[bool]) -> dict[int, bool]:
    """Steps 0 and 1 of the flow are the requisitions and the candidate persons."""
    return dict(enumerate(answers, 2))


def evaluate_all(
    persons: list[dict], complete_to: dict[str, date], study: Study = DLMS
) -> dict[int, Verdict]:
    """The verdicts on all candidate persons, by person id."""
    verdicts = (evaluate(person, complete_to, study) for person in persons)
    return {verdict.person_id: verdict for verdict in verdicts if verdict is not None}
