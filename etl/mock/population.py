"""Everybody else: a population with realistic ages, deaths, migrations and tissue examinations.

Shares of the civil statuses are those of all numbers ever issued (Pedersen 2006, Dan Med Bull
53:441): two thirds alive and resident, a quarter dead, 6.5 % emigrated. Nobody here has a case
morphology of the study; patients and those who resemble them are written one by one elsewhere.

Life courses come in blocks of persons, each from random numbers of its own, so that memory holds
one block whatever the number of persons. Parents are of the same block.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from etl.mock.draws import (
    NEVER,
    Rate,
    Running,
    Shares,
    dates,
    days,
    generator,
    text_of,
    years_of,
)
from etl.mock.life import LABORATORIES
from etl.mock.numbers import Issuer, fail_modulus_11
from etl.mock.patients import MUNICIPALITIES

FIRST_ADDRESS = np.datetime64("1971-01-01")
LAST_DAY = np.datetime64("2023-02-28")
FIRST_EXAMINATION = np.datetime64("1970-01-01")

MALE = 0.507
# Years: the age at which most die, for men born in 1900, what it gains a year of birth, and what
# women have more.
COMMONEST_AGE_AT_DEATH, GAINED_A_YEAR, WOMEN_LONGER, SPREAD = 77, 0.11, 4.5, 9
LEAVES, COMES_BACK, IMMIGRATED = 0.15, 0.4, 0.1
DISAPPEARED, GREENLAND, TAX_ONLY = 0.006, 0.014, 0.005
NUMBER_CHANGED, NUMBER_DELETED, FAILS_MODULUS_11 = 0.005, 0.0005, 0.01
STATUSES = ("90", "80", "70", "05", "20", "03", "01")
DEAD, EMIGRATED, GONE_MISSING, IN_GREENLAND, FOR_TAX, NO_FIXED_ADDRESS, RESIDENT = range(7)
MOVES, CORRECTED = 1.4, 0.01
GREENLAND_MUNICIPALITY = "957"

# Requisitions a year by age, as they would be with everybody covered.
EXAMINATIONS = Rate({15: 0.035, 30: 0.05, 50: 0.065, 70: 0.08})
# Pathology was not nationwide before 1997, and private pathologists came in 2005.
COVERAGE = ((np.datetime64("1997-01-01"), 0.55), (np.datetime64("2005-01-01"), 0.9), (NEVER, 1.0))

# (share, sex where only one has it, codes of one requisition)
EXAMINED = (
    (0.20, "", ("T02120", "M87200", "P30610")),
    (0.12, "", ("T02402", "M80903", "P306X0")),
    (0.05, "", ("T02140", "M80703", "P306X0")),
    (0.18, "K", ("T83000", "M09400", "P30990")),
    (0.12, "", ("T67000", "M82110", "P30610")),
    (0.06, "", ("T67000", "M81403", "ÆKI030", "P306X0")),
    (0.07, "K", ("T04000", "M85003", "ÆKI060", "P306X0")),
    (0.05, "", ("T63000", "M43000", "P30610")),
    (0.04, "K", ("T82000", "M88900", "P306Y1")),
    (0.02, "", ("T02612", "M88900", "P30610")),
    (0.03, "", ("T28000", "M81406", "P30610")),
    (0.01, "", ("T03000", "M88500", "P306X0")),
    (0.05, "", ("T02830", "M09450", "P30610")),
)
SPECIMEN_KINDS = (11, 12, 21, 42)


def shares_by_sex(kinds: tuple[tuple, ...]) -> Shares:
    """Shares of kinds that begin (share, sex where only one has it): group 0 women, 1 men."""
    return Shares([[0 if kind[1] == other else kind[0] for kind in kinds] for other in "MK"])


@dataclass
class Population:
    """One entry per person in every array, but for the numbers, which are more than persons.

    Persons are in order of their number.
    """

    numbers: np.ndarray  # int64: those in force, one per person; then former ones; then doubles
    is_male: np.ndarray
    born: np.ndarray
    status: np.ndarray  # place in STATUSES
    status_date: np.ndarray
    started: np.ndarray  # first day with an address
    ended: np.ndarray  # death, departure for good, or NEVER
    died: np.ndarray
    departed: np.ndarray
    returned: np.ndarray
    former: np.ndarray  # place in `numbers` of the one before; the person's own where there is none
    changed_on: np.ndarray
    changed: np.ndarray  # persons whose number has changed, in the order of their former numbers
    doubled: np.ndarray  # persons with a surplus number, deleted as a double
    mother: np.ndarray  # place in `numbers`, -1 where unknown
    father: np.ndarray

    def __len__(self) -> int:
        return len(self.born)

    @cached_property
    def text(self) -> pl.Series:
        """Every number as text of ten characters."""
        return pl.Series(self.numbers).cast(pl.String)

    @property
    def is_resident(self) -> np.ndarray:
        """Whether the person has ever lived here: a number for tax alone is no address."""
        return self.status != FOR_TAX

    def numbers_on(self, who: np.ndarray, day: np.ndarray) -> pl.Series:
        """The number that each of some persons had on a day."""
        place = np.where(day < self.changed_on[who], self.former[who], who)
        return self.text.gather(place.astype(np.uint32))

    def lived_from(self, day: np.datetime64) -> np.ndarray:
        """The first day that each person can have an event, from `day` on."""
        return np.maximum(self.started, day)

    def lived_until(self, day: np.datetime64) -> np.ndarray:
        """The day before which an event must be; nobody without an address has any."""
        return np.where(self.is_resident, np.minimum(self.ended, day), self.born)

    def is_here(self, who: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether each of some persons was not abroad on a day."""
        return (day < self.departed[who]) | (day >= self.returned[who])


def population(persons: int, issuer: Issuer, seed: int, block: int = 0) -> Population:
    """Life courses of `persons` people, one block of them."""
    rng = generator(seed, block, 2)
    born, died, is_male = _births_and_deaths(persons, rng)
    numbers = issuer.issue_whole(born, is_male)
    # Those of 1 January, whose numbers have run out, are a defect of the catalogue.
    on_1_january = born == born.astype("datetime64[Y]").astype("datetime64[D]")
    unchecked = np.flatnonzero((rng.random(persons) < FAILS_MODULUS_11) & ~on_1_january)
    numbers[unchecked] = fail_modulus_11(numbers[unchecked])
    order = np.argsort(numbers)
    numbers, born, died, is_male = numbers[order], born[order], died[order], is_male[order]

    adult = born + days(rng.uniform(20, 45, persons))
    started = np.maximum(born, FIRST_ADDRESS)
    immigrated = (
        (rng.random(persons) < IMMIGRATED)
        & (adult > FIRST_ADDRESS)
        & (adult < np.minimum(died, LAST_DAY))
    )
    started[immigrated] = adult[immigrated]
    is_dead = died <= LAST_DAY
    horizon = np.where(is_dead, died, LAST_DAY)

    left = started + days(rng.uniform(1, 30, persons))
    leaves = (rng.random(persons) < LEAVES) & (left < horizon)
    back = left + days(rng.uniform(0.3, 8, persons))
    comes_back = leaves & (rng.random(persons) < COMES_BACK) & (back < horizon)
    gone = leaves & ~comes_back
    drawn = rng.random(persons)
    disappeared = ~leaves & ~is_dead & (drawn < DISAPPEARED) & (left < horizon)
    greenland = (
        ~leaves & ~is_dead & ~disappeared & (drawn < DISAPPEARED + GREENLAND) & (left < horizon)
    )
    tax_only = ~leaves & ~is_dead & (drawn > 1 - TAX_ONLY)
    # Whoever dies abroad may still be known to be dead; half are.
    known_dead = is_dead & (~gone | (rng.random(persons) < 0.5))
    status = np.select(
        [known_dead, gone, disappeared, greenland, tax_only],
        [DEAD, EMIGRATED, GONE_MISSING, IN_GREENLAND, FOR_TAX],
        np.where(rng.random(persons) < 0.005, NO_FIXED_ADDRESS, RESIDENT),
    )
    status_date = np.select(
        [known_dead, gone | disappeared | greenland, comes_back], [died, left, back], started
    )
    ended = np.select([gone | disappeared | greenland, is_dead], [left, died], NEVER)

    changed = np.flatnonzero(rng.random(persons) < NUMBER_CHANGED)
    former, changed_on = np.arange(persons), np.full(persons, NEVER)
    former[changed] = persons + np.arange(len(changed))
    changed_on[changed] = np.minimum(
        started[changed] + days(rng.uniform(1, 20, len(changed))), LAST_DAY
    )
    doubled = np.flatnonzero(rng.random(persons) < NUMBER_DELETED)
    more = np.r_[changed, doubled]
    numbers = np.r_[numbers, issuer.issue_whole(born[more], is_male[more])]
    mother, father = _parents(born, is_male, rng)
    return Population(
        numbers, is_male, born, status, status_date, started, ended,
        np.where(known_dead, died, NEVER), np.where(leaves, left, NEVER),
        np.where(comes_back, back, NEVER), former, changed_on, changed, doubled, mother, father,
    )  # fmt: skip


def _births_and_deaths(
    persons: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Born 1900–2022 and alive when addresses begin; ages at death as Gompertz. And who is male."""
    first, last = np.datetime64("1900-01-01"), np.datetime64("2022-12-31")
    found, born = 0, []
    died, is_male = [], []
    while found < persons:
        n = persons + 1000
        day = first + rng.integers(0, int((last - first).astype(int)), n).astype("timedelta64[D]")
        male = rng.random(n) < MALE
        mode = COMMONEST_AGE_AT_DEATH + GAINED_A_YEAR * (years_of(day) - 1900)
        age = mode + WOMEN_LONGER * ~male - rng.gumbel(0, SPREAD, n)
        end = day + days(np.clip(age, 0.1, 107))
        alive = end > FIRST_ADDRESS
        for drawn, kept in ((day, born), (end, died), (male, is_male)):
            kept.append(drawn[alive])
        found += int(alive.sum())
    return tuple(np.concatenate(kept)[:persons] for kept in (born, died, is_male))


def _parents(
    born: np.ndarray, is_male: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Somebody about a generation older, known for those born since 1960; -1 where unknown."""
    found = []
    order = np.argsort(born, kind="stable")
    for parent_is_male in (False, True):
        candidates = order[is_male[order] == parent_is_male]
        wanted = born - days(rng.uniform(19, 40, len(born)))
        known = (born > np.datetime64("1960-01-01")) & (rng.random(len(born)) < 0.95)
        if len(candidates):
            place = np.searchsorted(born[candidates], wanted).clip(0, len(candidates) - 1)
            # In a block of few, nobody may be old enough.
            known &= born[candidates[place]] < born
            found.append(np.where(known, candidates[place], -1))
        else:
            found.append(np.full(len(born), -1))
    return found[0], found[1]


# -------------------------------------------------------------------- register rows


def person_rows(p: Population) -> pl.DataFrame:
    """cpr3_t_person: one row per number ever issued, in order of the number."""
    who = np.r_[np.arange(len(p)), p.changed, p.doubled]
    status = np.r_[p.status, np.full(len(p.changed), 7), np.full(len(p.doubled), 8)]
    since = np.r_[p.status_date, p.changed_on[p.changed], p.started[p.doubled]]
    order = np.argsort(p.numbers)
    who = who[order]
    known = p.text.extend_constant(None, 1)  # place −1
    return pl.DataFrame(
        {
            "v_pnr": p.text.gather(order),
            "v_pnr_gaeld": p.text.gather(who),
            "c_kon": text_of(("K", "M"), p.is_male[who]),
            "c_status": text_of((*STATUSES, "60", "50"), status[order]),
            "d_foddato": dates(p.born[who]),
            "d_status_hen_start": dates(since[order]),
            "v_mor_pnr": known.gather(p.mother[who]),
            "v_far_pnr": known.gather(p.father[who]),
        }
    )


def address_rows(p: Population, seed: int, block: int = 0) -> pl.DataFrame:
    """cpr3_t_adresse_hist: the first address, moves within Denmark, and Greenland.

    In order of number and date.
    """
    rng = generator(seed, block, 3)
    last = np.where(p.ended == NEVER, LAST_DAY, p.ended)
    stop = np.minimum(last, p.departed)
    span = (stop - p.started).astype(np.int64).clip(1)
    resident = np.flatnonzero(p.is_resident)
    who = np.repeat(np.arange(len(p)), rng.poisson(MOVES, len(p)) * p.is_resident)
    moved = p.started[who] + (rng.random(len(who)) * span[who]).astype("timedelta64[D]")
    again = np.flatnonzero((p.returned != NEVER) & p.is_resident)
    greenland = np.flatnonzero(p.status == IN_GREENLAND)
    owner = np.r_[resident, who, again, greenland]
    since = np.r_[p.started[resident], moved, p.returned[again], p.ended[greenland]]
    place = rng.integers(0, len(MUNICIPALITIES), len(owner), dtype=np.uint8)
    place[len(owner) - len(greenland) :] = len(MUNICIPALITIES)
    order = np.argsort((owner << 32) + since.astype(np.int64), kind="stable")
    owner, since, place = owner[order], since[order], place[order]
    # An address lasts until the next one begins, or until the person leaves or dies.
    following = np.where(owner[1:] == owner[:-1], since[1:], NEVER)
    closing, departed = p.ended[owner], p.departed[owner]
    until = np.minimum(
        np.r_[following, NEVER][: len(owner)], np.where(closing > since, closing, NEVER)
    )
    until = np.minimum(until, np.where(departed >= since, departed, NEVER))
    return pl.DataFrame(
        {
            "v_pnr": p.text.gather(owner),
            "c_kom": text_of((*MUNICIPALITIES, GREENLAND_MUNICIPALITY), place),
            "d_tilflyt_dato": dates(since),
            "d_fraflyt_dato": dates(until),
            "c_annkor": text_of((None, "K"), rng.random(len(owner)) < CORRECTED),
        }
    )


def abroad_rows(p: Population) -> pl.DataFrame:
    """cpr3_t_adresse_udland_hist: those who left, and came back or not."""
    who = np.flatnonzero(p.departed != NEVER)
    return pl.DataFrame(
        {
            "v_pnr": p.text.gather(who),
            "d_udrejse_dato": dates(p.departed[who]),
            "d_indrejse_dato": dates(p.returned[who]),
            "c_annkor": pl.Series([None] * len(who), dtype=pl.String),
        }
    )


EXAMINED_BY_SEX = shares_by_sex(EXAMINED)
LONGEST = max(len(codes) for *_, codes in EXAMINED)
CODES_OF_EXAMINATION = [
    code for *_, codes in EXAMINED for code in codes + (None,) * (LONGEST - len(codes))
]
CODES_IN_EXAMINATION = np.array([len(codes) for *_, codes in EXAMINED])


def pathology_rows(p: Population, seed: int, running: Running, block: int = 0) -> pl.DataFrame:
    """pato: one SNOMED code a row, in order of day, laboratory, requisition and sequence."""
    rng = generator(seed, block, 4)
    who, day = EXAMINATIONS.events(
        p.born, p.lived_from(FIRST_EXAMINATION), p.lived_until(LAST_DAY), rng
    )
    covered = np.select([day < until for until, _ in COVERAGE], [share for _, share in COVERAGE])
    kept = (rng.random(len(who)) < covered) & p.is_here(who, day)
    who, day = who[kept], day[kept]
    laboratory = rng.integers(0, len(LABORATORIES), len(who))
    in_order = np.argsort(
        day.astype(np.int64) * len(LABORATORIES) + np.argsort(np.argsort(LABORATORIES))[laboratory],
        kind="stable",
    )
    who, day, laboratory = who[in_order], day[in_order], laboratory[in_order]

    kind = EXAMINED_BY_SEX.draw(len(who), rng, p.is_male[who].astype(np.uint8))
    codes = CODES_IN_EXAMINATION[kind]
    requisition = np.repeat(np.arange(len(who)), codes)
    sequence = np.arange(len(requisition)) - np.repeat(np.cumsum(codes) - codes, codes)
    received = np.minimum(day + rng.integers(0, 3, len(who)).astype("timedelta64[D]"), LAST_DAY)
    answered = received + rng.integers(1, 15, len(who)).astype("timedelta64[D]")
    answered[answered > LAST_DAY] = NEVER  # not yet, when the register was delivered
    year = years_of(day)
    examinations = pl.DataFrame(
        {
            "k_inst": text_of(LABORATORIES, laboratory),
            "k_rekvnr": _requisition_numbers(laboratory, year, running),
            "cpr": p.numbers_on(who, day),
            "d_rekvdato": dates(day),
            "d_modtdato": dates(received),
            "d_svardato": dates(answered),
            "c_mattype": np.array(SPECIMEN_KINDS)[rng.integers(0, len(SPECIMEN_KINDS), len(who))],
        }
    )
    return examinations[requisition].with_columns(
        k_matnr=pl.lit(1, pl.Int64),
        k_sekvensnr=pl.Series(sequence + 1),
        c_snomedkode=text_of(
            CODES_OF_EXAMINATION, kind[requisition].astype(np.int64) * LONGEST + sequence
        ),
    )


def _requisition_numbers(laboratory: np.ndarray, year: np.ndarray, running: Running) -> pl.Series:
    """Each laboratory counts from one every year: numbers are unique only together with it."""
    nth = np.empty(len(year), dtype=np.int64)
    group = year * len(LABORATORIES) + laboratory
    order = np.argsort(group.astype(np.int32), kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0]) if len(group) else []
    for start, stop in zip(starts, [*starts[1:], len(group)], strict=True):
        key = (int(laboratory[order[start]]), int(year[order[start]]))
        before = running.requisitions.get(key, 0)
        nth[order[start:stop]] = before + 1 + np.arange(stop - start)
        running.requisitions[key] = before + int(stop - start)
    return pl.select(
        pl.format(
            "{}P{}",
            text_of([f"{short:02d}" for short in range(100)], year % 100),
            pl.Series(nth).cast(pl.String).str.zfill(6),
        )
    ).to_series()


def sarcoma_rows(p: Population, seed: int, block: int = 0) -> pl.DataFrame:
    """sarcoma: other sarcomas than the study's, in order of day and number."""
    rng = generator(seed, block, 5)
    alive = np.flatnonzero(
        (p.ended > np.datetime64("2010-01-01"))
        & (p.born < np.datetime64("1985-01-01"))
        & p.is_resident
    )
    who = alive[rng.random(len(alive)) < 0.002]
    latest = np.minimum(p.ended[who], LAST_DAY)
    first = np.maximum(p.started[who], np.datetime64("2009-01-01"))
    room = (latest - first).astype(int).clip(1)
    day = first + (rng.random(len(who)) * room).astype(int).astype("timedelta64[D]")
    spread = day + rng.integers(60, 900, len(who)).astype("timedelta64[D]")
    has_spread = (rng.random(len(who)) < 0.3) & (spread < latest)
    return pl.DataFrame(
        {
            "cpr": p.text.gather(who),
            "diagnosis_date": dates(day),
            "location": pl.Series(
                rng.choice(("Lår", "Læg", "Retroperitoneum", "Skulder"), len(who))
            ),
            "size_mm": rng.gamma(3, 25, len(who)).round(1),
            "grade": pl.Series(rng.choice(("1", "2", "3"), len(who))),
            "depth": pl.Series(rng.choice(("Dyb", "Overfladisk"), len(who))),
            "margin": pl.Series(rng.choice(("R0", "R1", "R2"), len(who))),
            "radiotherapy": rng.integers(0, 2, len(who)),
            "chemotherapy": rng.integers(0, 2, len(who)),
            "local_recurrence_date": pl.Series([None] * len(who), dtype=pl.Date),
            "metastasis_date": dates(np.where(has_spread, spread, NEVER)),
        }
    ).sort("diagnosis_date", "cpr")
