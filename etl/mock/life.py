"""A life that is written out by hand: first what happened, then the register rows it leaves."""

import datetime as dt
from dataclasses import dataclass, field

import numpy as np

from etl.mock.numbers import Issuer, fail_modulus_11

DAY = dt.timedelta(days=1)
ADDRESSES_SINCE = dt.date(1971, 1, 1)
LABORATORIES = ("4202220", "1301110", "6630130", "8001150", "3800C80", "7601170")
BIOPSY, EXCISION = "P30610", "P306X0"
SKIN_SPECIMEN = 11


@dataclass
class Requisition:
    """One tissue examination; `specimens` holds the SNOMED codes of each specimen."""

    k_inst: str
    k_rekvnr: str
    requested: dt.date
    specimens: list[list[str]]
    number_as_given: str | None = None  # in place of the person's number, where it is a wrong one
    expected: str | None = None  # what becomes of its rows then


@dataclass
class Life:
    """One person, written for one study: to every other one nobody, and no candidate.

    `verdict` is that study's: 'included', the criterion that fails first, or 'not_a_candidate'.
    """

    name: str
    kind: str
    is_male: bool
    born: dt.date
    number: str = ""
    former_numbers: list[tuple[str, dt.date]] = field(default_factory=list)  # with day replaced
    died: dt.date | None = None
    status: str = "01"
    status_date: dt.date | None = None
    addresses: list[tuple[str, dt.date, dt.date | None, str | None]] = field(default_factory=list)
    stays_abroad: list[tuple[dt.date, dt.date | None, str | None]] = field(default_factory=list)
    requisitions: list[Requisition] = field(default_factory=list)
    reviews: list[dict] = field(default_factory=list)
    sarcomas: list[dict] = field(default_factory=list)
    study: str = "dlms"
    verdict: str = "not_a_candidate"
    index_date: dt.date | None = None
    outcomes: dict[str, tuple[int | None, int | None, bool]] = field(default_factory=dict)
    factors: dict[str, str | None] = field(default_factory=dict)
    twists: list[str] = field(default_factory=list)
    is_in_cpr: bool = True
    # (day of death, day found) of the certificate, where that is not what the civil register says.
    certificate: tuple[dt.date | None, dt.date | None] | None = None
    has_certificate: bool = True
    registered_cancers: list[tuple[dt.date, tuple[str, str, str]]] = field(default_factory=list)
    metastases_in_hospital: list[tuple[dt.date, str, str]] = field(default_factory=list)
    case: str = ""  # the name of a case, where the life is one
    # Check → where the case, outcome or death should be found; nothing where nowhere.
    cross_checks: dict[str, str] = field(default_factory=dict)

    def number_on(self, day: dt.date) -> str:
        """The number that was in force on a day; records keep the one they were written with."""
        for former, replaced_on in self.former_numbers:
            if day < replaced_on:
                return former
        return self.number

    # ---------------------------------------------------------------- the civil register

    def lives_at(self, municipality: str, since: dt.date | None = None) -> "Life":
        since = since or max(self.born, ADDRESSES_SINCE)
        self.addresses.append((municipality, since, None, None))
        return self

    def leaves_address(self, day: dt.date) -> None:
        municipality, since, _, correction = self.addresses[-1]
        self.addresses[-1] = (municipality, since, day, correction)

    def dies(self, day: dt.date) -> None:
        self.died, self.status, self.status_date = day, "90", day
        if self.addresses and self.addresses[-1][2] is None:
            self.leaves_address(day)

    def emigrates(self, day: dt.date) -> None:
        self.leaves_address(day)
        self.stays_abroad.append((day, None, None))
        self.status, self.status_date = "80", day

    def returns(self, day: dt.date) -> None:
        departed, _, correction = self.stays_abroad[-1]
        self.stays_abroad[-1] = (departed, day, correction)
        self.addresses.append((self.addresses[-1][0], day, None, None))
        self.status, self.status_date = "01", day

    def disappears(self, day: dt.date) -> None:
        self.leaves_address(day)
        self.status, self.status_date = "70", day

    def moves_to_greenland(self, day: dt.date) -> None:
        self.leaves_address(day)
        self.addresses.append(("956", day, None, None))
        self.status, self.status_date = "05", day


class Registrar:
    """Writes lives: gives out numbers and keeps the running numbers of laboratories and reviews."""

    def __init__(self, issuer: Issuer, seed: int) -> None:
        self.issuer = issuer
        self.rng = np.random.default_rng([seed, 1])
        self._requisitions = 0
        self._reviews = 0

    def life(self, name: str, kind: str, *, is_male: bool, born: dt.date) -> Life:
        life = Life(name, kind, is_male, born)
        life.number = self._number(life)
        return life

    def _number(self, life: Life) -> str:
        issued = self.issuer.issue(
            np.array([life.born], dtype="datetime64[D]"), np.array([life.is_male])
        )
        return str(issued[0])

    def change_number(self, life: Life, *days: dt.date) -> None:
        """Replace the number on each day: old → middle → … → in force."""
        for day in sorted(days):
            life.former_numbers.append((life.number, day))
            life.number = self._number(life)

    def fail_check(self, life: Life) -> None:
        life.number = str(fail_modulus_11(np.array([life.number]))[0])

    def requisition(
        self,
        life: Life,
        requested: dt.date,
        *codes: str,
        k_inst: str | None = None,
        k_rekvnr: str | None = None,
        specimens: list[list[str]] | None = None,
        number_as_given: str | None = None,
        expected: str | None = None,
    ) -> Requisition:
        """One examination of `codes`, or of several specimens."""
        self._requisitions += 1
        made = Requisition(
            k_inst or str(self.rng.choice(LABORATORIES)),
            k_rekvnr or f"{requested:%y}R{self._requisitions:05d}",
            requested,
            specimens or [[*codes]],
            number_as_given,
            expected,
        )
        life.requisitions.append(made)
        return made

    def review(
        self, life: Life, of: Requisition, who_diagnosis: str | None, on: dt.date | None = None,
        **seen: object,
    ) -> None:  # fmt: skip
        """The re-review of a requisition. `who_diagnosis` None is a blank one: not reviewable."""
        self._reviews += 1
        if on is None:  # the review went on while the last cases still came in
            on = max(dt.date(2022, 3, 1) + int(self.rng.integers(0, 400)) * DAY, of.requested)
        life.reviews.append(
            {
                "record_id": f"DLMS-{self._reviews:04d}",
                "k_inst": of.k_inst,
                "k_rekvnr": of.k_rekvnr,
                "reviewed_on": on,
                "who_diagnosis": who_diagnosis,
                **seen,
            }
        )

    def pick(self, *choices: str) -> str:
        return str(self.rng.choice(choices))
