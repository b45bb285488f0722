"""The 381 patients of the first study, their courses written out as register rows.

`dlms_synthetic_cohort.csv` holds invented patients on which R gives every published figure. This is
the only module that reads it. Each keeps its age, sex, findings and times; what differs is how the
registers tell of them. A `twist` is something beside the outcome that the chain must not stumble
over; each is given to a handful of patients, and the outcome stays what the file says.
"""

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path

from etl.mock import cases
from etl.mock.life import BIOPSY, DAY, EXCISION, Life, Registrar, Requisition

COHORT = Path(__file__).parent / "dlms_synthetic_cohort.csv"
END_OF_DATA = dt.date(2022, 12, 31)
CLINICAL_DATABASE_SINCE = dt.date(2009, 1, 1)
HORIZON_DAYS = 1826
A_HANDFUL = 6
MOVED_EARLIER = 110
FIRST_YEAR, EARLIEST_BIRTH_YEAR = 1980, 1902

CASE, OTHER_CASES = "M88903", ("M88913", "M88963")
PLACES = ("T02120", "T02121", "T02140", "T02300", "T02402", "T02450", "T02612", "T02630",
          "T0280A", "T0281B", "T0282A", "T02830")  # fmt: skip
FAR_PLACE = "T02480"
METASTASIS_PLACES = ("T28000", "T08710", "T11500", "T56000")
RECURRENCE_BEHAVIOURS = ("3", "4", "7", "9")
MUNICIPALITIES = ("101", "147", "461", "561", "615", "657", "751", "851", "265", "330")

Row = dict[str, str]


def write(registrar: Registrar) -> list[Life]:
    """All patients, in the order of the file."""
    with COHORT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    earlier = _years_earlier(registrar, rows)
    courses = [_Course(registrar, row, years) for row, years in zip(rows, earlier, strict=True)]
    _twist(registrar, courses)
    for course in courses:
        course.write()
    return [course.life for course in courses]


def _years_earlier(registrar: Registrar, rows: list[Row]) -> list[int]:
    """By how many years each calendar is moved, so that the study's early decades have patients.

    Only courses that end in their own death are moved: those keep their length in days whatever
    the calendar. Never later.
    """
    years = [0] * len(rows)
    dead = [i for i, row in enumerate(rows) if row["death_date"] and not row["emigration_date"]]
    for i in registrar.rng.permutation(dead)[:MOVED_EARLIER]:
        index_year, age = int(rows[i]["index_date"][:4]), int(rows[i]["age"])
        furthest = min(index_year - FIRST_YEAR, index_year - age - EARLIEST_BIRTH_YEAR)
        years[i] = int(registrar.rng.integers(0, max(furthest, 0) + 1))
    return years


def _date(text: str, days_earlier: int) -> dt.date | None:
    return dt.date.fromisoformat(text) - days_earlier * DAY if text else None


def birthday(day: dt.date, age: int, days_since: int) -> dt.date:
    """The day of birth of somebody aged `age` years on `day`.

    `days_since` is how many days before it, 0 to 364, the last birthday was.
    """
    found = day - days_since * DAY
    if (found.month, found.day) == (2, 29):
        found -= DAY if days_since < 364 else -DAY
    return found.replace(year=found.year - age)


class _Course:
    """One patient: what the file says, and how the registers will tell it."""

    def __init__(self, registrar: Registrar, row: Row, years_earlier: int) -> None:
        self.registrar = registrar
        # Whole days, so that every span between two dates of the course stays what it was.
        shift = round(years_earlier * 365.25)
        self.index = _date(row["index_date"], shift)
        self.metastasis = _date(row["metastasis_date"], shift)
        self.recurrence = _date(row["recurrence_date"], shift)
        self.death = _date(row["death_date"], shift)
        self.departure = _date(row["emigration_date"], shift)
        self.end = min(day for day in (self.death, self.departure, END_OF_DATA) if day)
        self.place = registrar.pick(*PLACES)
        self.index_place = self.place
        self.review_on: Callable[[Requisition, dict], None] | None = None
        self.departs_by = Life.emigrates
        self.in_clinical_database = self.index >= CLINICAL_DATABASE_SINCE
        self.tells_recurrence = "pathology"
        self.later: list[Callable[[], None]] = []
        self.life = self._life(row)

    @property
    def days(self) -> int:
        return (self.end - self.index).days

    @property
    def is_plain(self) -> bool:
        return not self.life.twists

    def _life(self, row: Row) -> Life:
        life = self.registrar.life(
            f"patient {int(row['id']):03d}",
            "patient",
            is_male=row["sex"] == "male",
            born=self._birthday(int(row["age"])),
        )
        yes_no = {"1": "yes", "0": "no"}
        grade = {"3": "3", "2": "1-2", "1": "1-2"}.get(row["mitotic_grade"])
        invasion, positive = yes_no[row["invasion"]], row["positive_margin"] == "1"
        high = [yes_no[row["necrosis"]] == "yes", grade == "3", invasion == "yes", positive]
        life.verdict, life.index_date = "included", self.index
        life.factors = {
            "necrosis": yes_no[row["necrosis"]],
            "mitotic_grade": grade,
            "invasion": invasion,
            "margins": "positive" if positive else "negative",
            "risk_group": "high" if any(high) else ("low" if grade else None),
        }
        self.findings = self._findings(row)
        life.outcomes = {
            "metastasis": self._outcome(self.metastasis),
            "local_recurrence": self._outcome(self.recurrence),
        }
        return life

    def _birthday(self, age: int) -> dt.date:
        """A day of birth that makes the patient `age` years old on the index date."""
        # The birthday itself and the day before the next one are drawn too.
        return birthday(self.index, age, int(self.registrar.rng.integers(0, 365)))

    def _findings(self, row: Row) -> dict:
        """What the review saw. Invasion is told in two columns: any known yes is a yes."""
        rng = self.registrar.rng
        if row["invasion"] == "1":
            perineural, vascular = [(1, 0), (0, 1), (1, None), (1, 1)][int(rng.integers(4))]
        else:
            perineural, vascular = 0, 0
        grade = row["mitotic_grade"]
        return {
            "size_mm": round(float(rng.gamma(3, 6)) + 2, 1) if rng.random() < 0.95 else None,
            "necrosis": int(row["necrosis"]),
            "mitotic_grade": None if grade == "NA" else int(grade),
            "perineural_invasion": perineural,
            "vascular_invasion": vascular,
            "margins": "positive" if row["positive_margin"] == "1" else "negative",
            "subcutaneous_extension": int(rng.random() < 0.3) if rng.random() < 0.9 else None,
        }

    def _outcome(self, day: dt.date | None) -> tuple[int | None, int | None, bool]:
        """(days, event code, prevalent) as the marts should say."""
        if day and day <= self.index:
            return None, None, True
        if day:
            return (day - self.index).days, 1, False
        return self.days, 2 if self.end == self.death else 0, False

    # ---------------------------------------------------------------- rows

    def write(self) -> None:
        life, registrar = self.life, self.registrar
        life.lives_at(registrar.pick(*MUNICIPALITIES))
        morphology = CASE if registrar.rng.random() < 0.9 else registrar.pick(*OTHER_CASES)
        if not life.requisitions:
            self.index_requisition = registrar.requisition(
                life, self.index, self.index_place, morphology, EXCISION
            )
        if self.review_on:
            self.review_on(self.index_requisition, self.findings)
        else:
            registrar.review(life, self.index_requisition, "dermal_leiomyosarcoma", **self.findings)
        for write_twist in self.later:
            write_twist()
        self._write_metastasis()
        self._write_recurrence()
        if self.in_clinical_database:
            self._write_clinical_row()
        if self.departure:
            self.departs_by(life, self.departure)
        if self.death:
            life.dies(self.death)
        if "dies_after_end_of_data" in life.twists:
            life.dies(END_OF_DATA + 20 * DAY)

    def _write_metastasis(self) -> None:
        if self.metastasis is None:
            return
        by_database = self.in_clinical_database and int(self.life.name[-1]) % 2 == 0
        if not by_database or self.metastasis <= self.index:
            self.registrar.requisition(
                self.life,
                self.metastasis,
                self.registrar.pick(*METASTASIS_PLACES),
                self.registrar.pick("M88906", "M88906", "M88916"),
                BIOPSY,
            )

    def _write_recurrence(self) -> None:
        if self.recurrence is None or self.tells_recurrence == "clinical database":
            return
        place = {"unspecific": "T01000"}.get(self.tells_recurrence, self.index_place)
        behaviour = RECURRENCE_BEHAVIOURS[int(self.life.name[-3:]) % len(RECURRENCE_BEHAVIOURS)]
        self.registrar.requisition(self.life, self.recurrence, place, f"M8890{behaviour}", BIOPSY)

    def _write_clinical_row(self) -> None:
        near = int(self.registrar.rng.integers(-20, 60))
        if self.tells_recurrence == "clinical database":
            near = self.registrar.rng.choice((-89, 89))  # the furthest that still belongs
        early = "clinical_recurrence_before_day_90" in self.life.twists
        self.life.sarcomas.append(
            clinical_row(
                self.registrar,
                diagnosed=self.index + int(near) * DAY,
                recurrence=self.index + 60 * DAY if early else self.recurrence,
                metastasis=self.metastasis,
                size_mm=self.findings["size_mm"],
            )
        )


def clinical_row(
    registrar: Registrar,
    *,
    diagnosed: dt.date,
    recurrence: dt.date | None = None,
    metastasis: dt.date | None = None,
    size_mm: float | None = None,
) -> dict:
    """One row of the clinical database."""
    return {
        "diagnosis_date": diagnosed,
        "location": registrar.pick("Ryg", "Lår", "Overarm", "Skulder", "Læg"),
        "size_mm": size_mm,
        "grade": registrar.pick("1", "2", "3"),
        "depth": "Overfladisk",
        "margin": registrar.pick("R0", "R1"),
        "radiotherapy": int(registrar.rng.random() < 0.15),
        "chemotherapy": int(registrar.rng.random() < 0.03),
        "local_recurrence_date": recurrence,
        "metastasis_date": metastasis,
    }


# -------------------------------------------------------------------- twists


def _twist(registrar: Registrar, courses: list[_Course]) -> None:
    """Give each twist to a handful of patients whose course allows it, named cases first."""
    order = [courses[i] for i in registrar.rng.permutation(len(courses))]
    named = cases.twists()
    for name, allows, apply in TWISTS:
        own = [course for course in courses if named.get(course.life.name) == name]
        assert all(allows(course) for course in own), f"{name}: a named case cannot have it"
        free = [course for course in order if course.is_plain and course.life.name not in named]
        for course in own + [course for course in free if allows(course)][: A_HANDFUL - len(own)]:
            course.life.twists.append(name)
            apply(course)
    for course in courses:
        if course.departure:
            _depart(course)
    # Numbers change whatever else happens: in the middle of a course, before and after it.
    for nth, course in enumerate(order[:60]):
        born, index = course.life.born, course.index
        middle = born + ((index - born).days // 2) * DAY
        after = index + 40 * DAY
        days = ((middle,), (after,), (middle, after), (middle, index, after))[nth % 4]
        registrar.change_number(course.life, *days)
        course.life.twists.append(f"number_changed_{len(days)}_times")
    for course in order[60:70]:
        registrar.fail_check(course.life)
        course.life.twists.append("number_fails_modulus_11")


def _depart(course: _Course) -> None:
    """Four patients leave; each in another way, and what happens to them later does not count."""
    nth = int(course.life.name[-3:])
    ways = {3: Life.emigrates, 5: Life.disappears, 20: Life.moves_to_greenland, 21: Life.emigrates}
    course.departs_by = ways.get(nth, Life.emigrates)
    course.life.twists.append(f"departure_{course.departs_by.__name__}")

    def recurs_abroad() -> None:
        course.registrar.requisition(
            course.life, course.departure + 30 * DAY, course.index_place, CASE, BIOPSY
        )

    course.later.append(recurs_abroad)
    if nth == 21:

        def emigrate_and_return(life: Life, day: dt.date) -> None:
            life.emigrates(day)
            life.returns(day + 400 * DAY)

        course.departs_by = emigrate_and_return


def _later(days: int, *codes: str) -> Callable[[_Course], None]:
    """A requisition so many days after the index date; '@' stands for the index place."""

    def apply(course: _Course) -> None:
        def write() -> None:
            course.registrar.requisition(
                course.life,
                course.index + days * DAY,
                *(course.index_place if code == "@" else code for code in codes),
            )

        course.later.append(write)

    return apply


def _other_side(course: _Course) -> None:
    other = {"A": "B", "B": "A"}[course.index_place[-1]]
    _later(300, course.index_place[:-1] + other, CASE, BIOPSY)(course)


def _unspecific_index_place(course: _Course) -> None:
    """The first requisition says only 'skin'; the re-excision says where."""
    course.index_place = "T01000"
    _later(20, course.place, CASE, EXCISION)(course)
    course.later.append(lambda: setattr(course, "index_place", course.place))


def _review_of_reexcision(is_blank: bool) -> Callable[[_Course], None]:
    """The index requisition has no review, or a blank one; the re-excision's decides."""

    def apply(course: _Course) -> None:
        def review(index_requisition: Requisition, findings: dict) -> None:
            if is_blank:
                course.registrar.review(course.life, index_requisition, None)
            again = course.registrar.requisition(
                course.life, course.index + 45 * DAY, course.index_place, CASE, EXCISION
            )
            course.registrar.review(course.life, again, "dermal_leiomyosarcoma", **findings)

        course.review_on = review

    return apply


def _reviewed_twice(course: _Course) -> None:
    """The later review counts; the first called it benign and saw the opposite."""

    def review(index_requisition: Requisition, findings: dict) -> None:
        first = findings | {"necrosis": 1 - findings["necrosis"], "margins": None}
        course.registrar.review(
            course.life, index_requisition, "leiomyoma", dt.date(2021, 5, 3), **first
        )
        course.registrar.review(
            course.life,
            index_requisition,
            "dermal_leiomyosarcoma",
            dt.date(2021, 11, 8),
            **findings,
        )

    course.review_on = review


def _unconfirmed_lesion_before(course: _Course) -> None:
    """An earlier lesion at the place was not confirmed, so day 90 opens a new episode."""

    def write() -> None:
        before = course.registrar.requisition(
            course.life, course.index - 200 * DAY, course.index_place, CASE, BIOPSY
        )
        course.registrar.review(course.life, before, "leiomyoma", necrosis=0, margins="negative")

    course.later.append(write)


def _two_laboratories_on_the_index_date(course: _Course) -> None:
    """Two requisitions on one day: the first by laboratory and number counts."""
    life, registrar = course.life, course.registrar
    course.index_requisition = registrar.requisition(
        life, course.index, course.index_place, CASE, EXCISION, k_inst="1301110"
    )

    def write() -> None:
        second = registrar.requisition(
            life, course.index, course.index_place, CASE, BIOPSY, k_inst="8001150"
        )
        registrar.review(
            life, second, "leiomyoma", necrosis=1 - course.findings["necrosis"], margins=None
        )

    course.later.append(write)


def _codes_on_two_specimens(course: _Course) -> None:
    """Morphology and topography share the requisition, not the specimen."""
    course.index_requisition = course.registrar.requisition(
        course.life, course.index, specimens=[[course.index_place, BIOPSY], [CASE]]
    )


def _annulled_departure(course: _Course) -> None:
    course.life.stays_abroad.append((course.index - 400 * DAY, None, "A"))


def _earlier_stay_abroad(course: _Course) -> None:
    course.life.stays_abroad.append((course.index - 900 * DAY, course.index - 500 * DAY, None))


def _stay_abroad_that_never_ended(course: _Course) -> None:
    """The day of return was never told; the next address says that there was one."""
    course.life.stays_abroad.append((course.index - 900 * DAY, None, None))
    course.life.addresses.append(("101", course.index - 500 * DAY, None, None))


def _annulled_greenland(course: _Course) -> None:
    course.life.addresses.append(("955", course.index - 30 * DAY, None, "A"))


def _clinical_row_of_another_tumour(course: _Course) -> None:
    """Diagnosed 90 days from the index date: one day too far to belong to it."""
    course.life.sarcomas.append(
        clinical_row(
            course.registrar,
            diagnosed=course.index + 90 * DAY,
            recurrence=course.index + 200 * DAY,
            metastasis=course.index + 300 * DAY,
        )
    )


def _certificate_of_another_day(course: _Course) -> None:
    """The civil register's day counts."""
    day = course.death - 3 * DAY
    course.life.certificate = (day, day)
    course.life.cross_checks["death"] = "dates_differ"


def _no_certificate(course: _Course) -> None:
    course.life.has_certificate = False
    course.life.cross_checks["death"] = "not_in_cause_of_death_register"


def _tell_recurrence(how: str) -> Callable[[_Course], None]:
    return lambda course: setattr(course, "tells_recurrence", how)


def _nothing(course: _Course) -> None:
    """The twist is told by its name, where the course is written."""


Allows = Callable[[_Course], bool]


def _any_course(course: _Course) -> bool:
    return True


def _followed(days: int) -> Allows:
    return lambda course: course.days > days


def _quiet(days: int) -> Allows:
    """Followed longer than `days`, without any outcome or departure that a twist might hide."""
    return lambda course: (
        course.days > days
        and course.recurrence is None
        and course.metastasis is None
        and course.departure is None
    )


def _in_database(allows: Allows) -> Allows:
    return lambda course: allows(course) and course.in_clinical_database


def _recurs(course: _Course) -> bool:
    return course.recurrence is not None


def _has_a_side(course: _Course) -> bool:
    return _quiet(400)(course) and course.place[-1] in "AB"


def _dies_quietly(course: _Course) -> bool:
    return _quiet(0)(course) and course.end == course.death and course.days < HORIZON_DAYS


def _dies_in_denmark(course: _Course) -> bool:
    return course.death is not None and course.departure is None


def _lives_to_the_end(course: _Course) -> bool:
    return _quiet(0)(course) and course.end == END_OF_DATA


def _first_seen_since(year: int) -> Allows:
    return lambda course: course.index.year > year


def _metastasis_after_death(course: _Course) -> None:
    _later(course.days + 1, "T28000", "M88906", BIOPSY)(course)


def _recurrence_after_the_end(course: _Course) -> None:
    _later(course.days + 9, "@", CASE, BIOPSY)(course)


# (name, which courses allow it, what it does)
TWISTS: tuple[tuple[str, Allows, Callable[[_Course], None]], ...] = (
    ("recurrence_told_by_unspecific_place", _recurs, _tell_recurrence("unspecific")),
    ("recurrence_told_by_clinical_database", _in_database(_recurs),
     _tell_recurrence("clinical database")),
    ("clinical_recurrence_before_day_90", _in_database(_quiet(400)), _nothing),
    ("clinical_row_of_another_tumour", _in_database(_quiet(400)), _clinical_row_of_another_tumour),
    ("other_side_later", _has_a_side, _other_side),
    ("reexcision_day_30", _followed(100), _later(30, "@", CASE, EXCISION)),
    ("reexcision_day_88", _followed(100), _later(88, "@", CASE, EXCISION)),
    ("reexcision_day_89", _followed(100), _later(89, "@", CASE, EXCISION)),
    ("recurrence_code_before_day_90", _followed(100), _later(45, "@", "M88904", BIOPSY)),
    ("second_primary_elsewhere", _quiet(500), _later(400, FAR_PLACE, CASE, EXCISION)),
    ("obs_pro_later", _quiet(300), _later(200, "@", "M8890X", BIOPSY)),
    ("benign_at_place_later", _quiet(300), _later(250, "@", "M88900", BIOPSY)),
    ("other_cancer_at_place_later", _quiet(300), _later(210, "@", "M80703", BIOPSY)),
    ("other_metastasis_later", _quiet(600), _later(500, "T28000", "M81406", BIOPSY)),
    ("deep_tumour_later", _quiet(600), _later(450, "T03000", CASE, BIOPSY)),
    ("metastasis_found_after_death", _dies_quietly, _metastasis_after_death),
    ("recurrence_after_end_of_data", _lives_to_the_end, _recurrence_after_the_end),
    ("dies_after_end_of_data", _lives_to_the_end, _nothing),
    ("unspecific_index_place", _followed(100), _unspecific_index_place),
    ("index_review_missing", _followed(100), _review_of_reexcision(is_blank=False)),
    ("index_review_blank", _followed(100), _review_of_reexcision(is_blank=True)),
    ("reviewed_twice", _any_course, _reviewed_twice),
    ("unconfirmed_lesion_before", _first_seen_since(FIRST_YEAR), _unconfirmed_lesion_before),
    ("two_laboratories_on_the_index_date", _any_course, _two_laboratories_on_the_index_date),
    ("codes_on_two_specimens", _any_course, _codes_on_two_specimens),
    ("annulled_departure", _any_course, _annulled_departure),
    ("annulled_move_to_greenland", _any_course, _annulled_greenland),
    ("earlier_stay_abroad", _first_seen_since(1985), _earlier_stay_abroad),
    ("certificate_of_another_day", _dies_in_denmark, _certificate_of_another_day),
    ("no_certificate", _dies_in_denmark, _no_certificate),
    ("stay_abroad_that_never_ended", _first_seen_since(1985), _stay_abroad_that_never_ended),
)  # fmt: skip
