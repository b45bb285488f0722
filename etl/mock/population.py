"""Everybody else: a population with realistic ages, deaths, migrations and tissue examinations.

Shares of the civil statuses are those of all numbers ever issued (Pedersen 2006, Dan Med Bull
53:441): two thirds alive and resident, a quarter dead, 6.5 % emigrated. Nobody here has a case
morphology of the study; patients and those who resemble them are written one by one elsewhere.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.mock.life import LABORATORIES
from etl.mock.numbers import Issuer, fail_modulus_11
from etl.mock.patients import MUNICIPALITIES

FIRST_REGISTERED = np.datetime64("1968-04-02")
FIRST_ADDRESS = np.datetime64("1971-01-01")
LAST_DAY = np.datetime64("2023-02-28")
FIRST_EXAMINATION = np.datetime64("1970-01-01")
NEVER = np.datetime64("9999-12-31")
YEAR_DAYS = 365.25

LEAVES, COMES_BACK, IMMIGRATED = 0.09, 0.4, 0.1
DISAPPEARED, GREENLAND, TAX_ONLY = 0.003, 0.007, 0.005
NUMBER_CHANGED, NUMBER_DELETED, FAILS_MODULUS_11 = 0.005, 0.0005, 0.01
EXAMINATIONS_A_YEAR = 0.035
# Pathology was not nationwide before 1997, and private pathologists came in 2005.
COVERAGE = ((np.datetime64("1997-01-01"), 0.55), (np.datetime64("2005-01-01"), 0.9), (NEVER, 1.0))

# (share, codes of one requisition)
EXAMINATIONS = (
    (0.20, ("T02120", "M87200", "P30610")),
    (0.12, ("T02402", "M80903", "P306X0")),
    (0.05, ("T02140", "M80703", "P306X0")),
    (0.18, ("T83000", "M09400", "P30990")),
    (0.12, ("T67000", "M82110", "P30610")),
    (0.06, ("T67000", "M81403", "ÆKI030", "P306X0")),
    (0.07, ("T04000", "M85003", "ÆKI060", "P306X0")),
    (0.05, ("T63000", "M43000", "P30610")),
    (0.04, ("T82000", "M88900", "P306Y1")),
    (0.02, ("T02612", "M88900", "P30610")),
    (0.03, ("T28000", "M81406", "P30610")),
    (0.01, ("T03000", "M88500", "P306X0")),
    (0.05, ("T02830", "M09450", "P30610")),
)  # fmt: skip


@dataclass
class Population:
    """One entry per person in every array; `former` holds the number before the one in force."""

    number: np.ndarray
    is_male: np.ndarray
    born: np.ndarray
    status: np.ndarray
    status_date: np.ndarray
    started: np.ndarray  # first day with an address
    ended: np.ndarray  # death, departure for good, or the last day
    died: np.ndarray
    departed: np.ndarray
    returned: np.ndarray
    former: np.ndarray
    changed_on: np.ndarray
    deleted: np.ndarray  # a surplus number that was deleted as a double; '' where there is none
    mother: np.ndarray
    father: np.ndarray


def population(persons: int, issuer: Issuer, seed: int) -> Population:
    """Life courses of `persons` people."""
    rng = np.random.default_rng([seed, 2])
    born, died = _births_and_deaths(persons, rng)
    is_male = rng.random(persons) < 0.5
    adult = born + _days(rng.uniform(20, 45, persons))
    started = np.maximum(born, FIRST_ADDRESS)
    immigrated = (rng.random(persons) < IMMIGRATED) & (adult > FIRST_ADDRESS) & (adult < LAST_DAY)
    started[immigrated] = adult[immigrated]
    died = np.maximum(died, started + np.timedelta64(30, "D"))
    is_dead = died <= LAST_DAY
    horizon = np.where(is_dead, died, LAST_DAY)

    left = started + _days(rng.uniform(1, 30, persons))
    leaves = (rng.random(persons) < LEAVES) & (left < horizon)
    back = left + _days(rng.uniform(0.3, 8, persons))
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
        ["90", "80", "70", "05", "20"],
        np.where(rng.random(persons) < 0.005, "03", "01"),
    )
    status_date = np.select(
        [known_dead, gone | disappeared | greenland, comes_back], [died, left, back], started
    )
    ended = np.select([gone | disappeared | greenland, is_dead], [left, died], NEVER)

    number = issuer.issue(born, is_male)
    # Those of 1 January, whose numbers have run out, are a defect of the catalogue.
    on_1_january = born == born.astype("datetime64[Y]").astype("datetime64[D]")
    unchecked = np.flatnonzero((rng.random(persons) < FAILS_MODULUS_11) & ~on_1_january)
    number[unchecked] = fail_modulus_11(number[unchecked])
    former, changed_on = np.full(persons, "", dtype="U10"), np.full(persons, NEVER)
    changed = np.flatnonzero(rng.random(persons) < NUMBER_CHANGED)
    former[changed] = issuer.issue(born[changed], is_male[changed])
    changed_on[changed] = np.minimum(
        started[changed] + _days(rng.uniform(1, 20, len(changed))), LAST_DAY
    )
    deleted = np.full(persons, "", dtype="U10")
    doubles = np.flatnonzero(rng.random(persons) < NUMBER_DELETED)
    deleted[doubles] = issuer.issue(born[doubles], is_male[doubles])
    mother, father = _parents(number, born, is_male, rng)
    return Population(
        number, is_male, born, status, status_date, started, ended,
        np.where(known_dead, died, NEVER), np.where(leaves, left, NEVER),
        np.where(comes_back, back, NEVER), former, changed_on, deleted, mother, father,
    )  # fmt: skip


def _births_and_deaths(persons: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Born 1900–2022 and alive when the civil register began; ages at death as Gompertz."""
    born = np.empty(0, dtype="datetime64[D]")
    died = np.empty(0, dtype="datetime64[D]")
    while len(born) < persons:
        some = np.datetime64("1900-01-01") + rng.integers(0, 123 * 365, persons + 1000).astype(
            "timedelta64[D]"
        )
        ages = np.clip(85 - rng.gumbel(0, 9, len(some)), 0.1, 107)
        ends = some + _days(ages)
        alive = ends > FIRST_REGISTERED
        born, died = np.r_[born, some[alive]], np.r_[died, ends[alive]]
    return born[:persons], died[:persons]


def _days(years: np.ndarray) -> np.ndarray:
    return (years * YEAR_DAYS).astype(np.int64).astype("timedelta64[D]")


def _parents(
    number: np.ndarray, born: np.ndarray, is_male: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Somebody about a generation older, known for those born since 1960."""
    found = []
    for parent_is_male in (False, True):
        order = np.argsort(born, kind="stable")
        candidates = order[is_male[order] == parent_is_male]
        wanted = born - _days(rng.uniform(19, 40, len(born)))
        place = np.searchsorted(born[candidates], wanted).clip(0, max(len(candidates) - 1, 0))
        known = (born > np.datetime64("1960-01-01")) & (rng.random(len(born)) < 0.95)
        of = number[candidates[place]] if len(candidates) else np.full(len(born), "")
        found.append(np.where(known, of, ""))
    return found[0], found[1]


# -------------------------------------------------------------------- register rows


def _text(values: np.ndarray) -> pl.Series:
    """Text with '' as missing."""
    return pl.Series(values.astype(str)).replace("", None)


def _date(values: np.ndarray) -> pl.Series:
    days = values.astype("datetime64[D]")
    return pl.Series(np.where(days == NEVER, np.datetime64("NaT"), days)).cast(pl.Date)


def person_rows(p: Population) -> pl.DataFrame:
    """cpr3_t_person: one row per number ever issued."""
    everyone = np.arange(len(p.number))
    formerly, doubled = np.flatnonzero(p.former != ""), np.flatnonzero(p.deleted != "")
    who = np.r_[everyone, formerly, doubled]
    number = np.r_[p.number, p.former[formerly], p.deleted[doubled]]
    status = np.r_[p.status, np.full(len(formerly), "60"), np.full(len(doubled), "50")]
    since = np.r_[p.status_date, p.changed_on[formerly], p.started[doubled]]
    return pl.DataFrame(
        {
            "v_pnr": _text(number),
            "v_pnr_gaeld": _text(p.number[who]),
            "c_kon": _text(np.where(p.is_male[who], "M", "K")),
            "c_status": _text(status),
            "d_foddato": _date(p.born[who]),
            "d_status_hen_start": _date(since),
            "v_mor_pnr": _text(p.mother[who]),
            "v_far_pnr": _text(p.father[who]),
        }
    )


def address_rows(p: Population, seed: int) -> pl.DataFrame:
    """cpr3_t_adresse_hist: the first address, moves within Denmark, and Greenland."""
    rng = np.random.default_rng([seed, 3])
    n = len(p.number)
    resident = p.status != "20"
    last = np.where(p.ended == NEVER, LAST_DAY, p.ended)
    stop = np.minimum(last, p.departed)
    span = (stop - p.started).astype(int).clip(1)
    moves = rng.poisson(1.4, n) * resident
    who = np.repeat(np.arange(n), moves)
    moved = p.started[who] + (rng.random(len(who)) * span[who]).astype(int).astype("timedelta64[D]")
    again = np.flatnonzero((p.returned != NEVER) & resident)
    greenland = np.flatnonzero(p.status == "05")
    owner = np.r_[np.flatnonzero(resident), who, again, greenland]
    since = np.r_[p.started[resident], moved, p.returned[again], p.ended[greenland]]
    place = rng.choice(MUNICIPALITIES, len(owner))
    place[len(owner) - len(greenland) :] = "957"
    frame = pl.DataFrame(
        {
            "owner": owner,
            "v_pnr": _text(p.number[owner]),
            "c_kom": _text(place),
            "d_tilflyt_dato": _date(since),
            "c_annkor": _text(np.where(rng.random(len(owner)) < 0.01, "K", "")),
        }
    ).sort("owner", "d_tilflyt_dato", "c_kom")
    # An address lasts until the next one begins, or until the person leaves or dies.
    closing = pl.Series(p.ended).cast(pl.Date)
    departed = pl.Series(p.departed).cast(pl.Date)
    far = pl.lit(NEVER.astype(object))
    return (
        frame.with_columns(
            following=pl.col("d_tilflyt_dato").shift(-1).over("owner"),
            closing=closing.gather(frame["owner"]),
            departed=departed.gather(frame["owner"]),
        )
        .with_columns(
            d_fraflyt_dato=pl.min_horizontal(
                pl.col("following").fill_null(far),
                pl.when(pl.col("closing") > pl.col("d_tilflyt_dato"))
                .then("closing")
                .otherwise(far),
                pl.when(pl.col("departed") >= pl.col("d_tilflyt_dato"))
                .then("departed")
                .otherwise(far),
            )
        )
        .with_columns(d_fraflyt_dato=pl.when(pl.col("d_fraflyt_dato") < far).then("d_fraflyt_dato"))
        .select("v_pnr", "c_kom", "d_tilflyt_dato", "d_fraflyt_dato", "c_annkor")
    )


def abroad_rows(p: Population) -> pl.DataFrame:
    """cpr3_t_adresse_udland_hist: those who left, and came back or not."""
    who = np.flatnonzero(p.departed != NEVER)
    return pl.DataFrame(
        {
            "v_pnr": _text(p.number[who]),
            "d_udrejse_dato": _date(p.departed[who]),
            "d_indrejse_dato": _date(p.returned[who]),
            "c_annkor": pl.Series([None] * len(who), dtype=pl.String),
        }
    )


def pathology_rows(p: Population, seed: int) -> pl.DataFrame:
    """pato: one SNOMED code a row."""
    rng = np.random.default_rng([seed, 4])
    from_day = np.maximum(np.maximum(p.started, p.born + _days(np.full(len(p.born), 15.0))),
                          FIRST_EXAMINATION)  # fmt: skip
    to_day = np.minimum(np.where(p.ended == NEVER, LAST_DAY, p.ended), LAST_DAY)
    span = np.where(p.status == "20", 0, (to_day - from_day).astype(int)).clip(0)
    examined = rng.poisson(EXAMINATIONS_A_YEAR * span / YEAR_DAYS)
    who = np.repeat(np.arange(len(span)), examined)
    day = from_day[who] + (rng.random(len(who)) * span[who]).astype(int).astype("timedelta64[D]")
    covered = np.select([day < until for until, _ in COVERAGE], [share for _, share in COVERAGE])
    kept = rng.random(len(who)) < covered
    who, day = who[kept], day[kept]

    laboratory = rng.integers(0, len(LABORATORIES), len(who))
    shares = np.array([share for share, _ in EXAMINATIONS])
    kind = rng.choice(len(EXAMINATIONS), len(who), p=shares / shares.sum())
    longest = max(len(codes) for _, codes in EXAMINATIONS)
    table = np.array([codes + ("",) * (longest - len(codes)) for _, codes in EXAMINATIONS])
    lengths = np.array([len(codes) for _, codes in EXAMINATIONS])
    requisition = np.repeat(np.arange(len(who)), lengths[kind])
    sequence = np.arange(len(requisition)) - np.repeat(
        np.cumsum(lengths[kind]) - lengths[kind], lengths[kind]
    )
    number = np.where(day < p.changed_on[who], p.former[who], p.number[who])
    number = np.where(number == "", p.number[who], number)
    received = day + rng.integers(0, 3, len(who)).astype("timedelta64[D]")
    answered = received + rng.integers(1, 15, len(who)).astype("timedelta64[D]")
    year = day.astype("datetime64[Y]").astype(int) + 1970
    frame = pl.DataFrame(
        {
            "k_inst": pl.Series(np.array(LABORATORIES)[laboratory]),
            "year": year,
            "cpr": _text(number),
            "d_rekvdato": _date(day),
            "d_modtdato": _date(received),
            "d_svardato": _date(answered),
            "c_mattype": rng.choice((11, 12, 21, 42), len(who)),
        }
    )
    # Each laboratory counts from one every year: numbers are unique only together with it.
    numbered = frame.with_columns(
        k_rekvnr=pl.format(
            "{}P{}",
            (pl.col("year") % 100).cast(pl.String).str.zfill(2),
            pl.int_range(1, pl.len() + 1).over("k_inst", "year").cast(pl.String).str.zfill(6),
        )
    )
    return (
        numbered[requisition]
        .with_columns(
            k_matnr=pl.lit(1, pl.Int64),
            k_sekvensnr=pl.Series(sequence + 1),
            c_snomedkode=pl.Series(table[kind[requisition], sequence]),
        )
        .drop("year")
    )


def sarcoma_rows(p: Population, seed: int) -> pl.DataFrame:
    """sarcoma: other sarcomas than the study's."""
    rng = np.random.default_rng([seed, 5])
    alive = np.flatnonzero(
        (p.ended > np.datetime64("2010-01-01"))
        & (p.born < np.datetime64("1985-01-01"))
        & (p.status != "20")
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
            "cpr": _text(p.number[who]),
            "diagnosis_date": _date(day),
            "location": _text(rng.choice(("Lår", "Læg", "Retroperitoneum", "Skulder"), len(who))),
            "size_mm": rng.gamma(3, 25, len(who)).round(1),
            "grade": _text(rng.choice(("1", "2", "3"), len(who))),
            "depth": _text(rng.choice(("Dyb", "Overfladisk"), len(who))),
            "margin": _text(rng.choice(("R0", "R1", "R2"), len(who))),
            "radiotherapy": rng.integers(0, 2, len(who)),
            "chemotherapy": rng.integers(0, 2, len(who)),
            "local_recurrence_date": pl.Series([None] * len(who), dtype=pl.Date),
            "metastasis_date": _date(np.where(has_spread, spread, NEVER)),
        }
    )
