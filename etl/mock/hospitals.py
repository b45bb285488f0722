"""Hospital contacts of everybody, with their diagnoses and operations: LPR2 and, from 2019, LPR3.

Contacts happen first and get their running number; each register then writes down those of its
years, in its own words. The spring of 2019 lies in both, as it does: each holds copies of what the
other counts.

Admissions are as many as Denmark's somatic wards have, about one for five persons a year, more in
the first year of life and in old age. Outpatient contacts are a quarter of the real ones: real ones
would make a mock of the nation several times as large and show nothing more.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.mock.defects import BACKGROUND
from etl.mock.draws import Rate, Running, Shares, dates, generator, text_of
from etl.mock.life import Life
from etl.mock.population import LAST_DAY, Population

FIRST_CONTACT = np.datetime64("1977-01-01")
# Somatic inpatients alone before 1995; then outpatients and emergencies too.
OUTPATIENTS_SINCE = np.datetime64("1995-01-01")
# Contacts a person-year by age.
ADMISSIONS = Rate({0: 0.45, 1: 0.09, 15: 0.14, 40: 0.18, 65: 0.38, 80: 0.62})
OUTPATIENT_CONTACTS = Rate({0: 0.2, 15: 0.18, 40: 0.26, 65: 0.42})
# A mock of a town writes this share of its contacts, so that it stays a matter of seconds.
TOWN_PERSONS, TOWN_SHARE = 250_000, 0.6
MORE_DIAGNOSES = {1: 0.6, 0: 0.5}  # of an inpatient, of an outpatient
OPERATED = {1: 0.3, 0: 0.1}
STAY = 0.2  # chance of going home each night
FIRST_OPERATION = dt.date(1996, 1, 1)
ICD_10_SINCE = dt.date(1994, 1, 1)
LPR3_SINCE = dt.date(2019, 4, 1)
# LPR3 holds copies of LPR2's last two months, and LPR2 of LPR3's first three.
LPR3_COPIES_FROM, LPR2_COPIES_TO = dt.date(2019, 2, 1), dt.date(2019, 7, 1)
FIRST_RECNUM, FIRST_KONTAKT = 1_000_001, 300_000_001
TOLD_NOT_RETRACTED = 0.6
PADDED_TO = 18
# Years whose keys a later export has padded with zeros.
PADDED_YEARS = (range(1977, 1987), range(2005, 2011))

MEN, WOMEN, MOTHERS = range(3)
MOTHERS_ARE = (15, 50)  # years of age: from, until
# (share, who alone has it, ICD-8, ICD-10 as SKS)
DIAGNOSES = (
    (0.16, None, "41009", "DI219"),
    (0.14, None, "48699", "DJ189"),
    (0.12, None, "82001", "DS720"),
    (0.10, None, "25000", "DE119"),
    (0.10, None, "55099", "DK409"),
    (0.25, MOTHERS, "65099", "DO809"),
    (0.08, None, "29619", "DF329"),
    (0.06, WOMEN, "17499", "DC509"),
    (0.05, None, "15309", "DC189"),
    (0.05, None, "17309", "DC449"),
    (0.02, None, "19899", "DC795"),
    (0.02, None, "07991", "DB349"),
)
CODES = [code for *_, icd8, icd10 in DIAGNOSES for code in (icd8, icd10)]
BY_GROUP = Shares(
    [
        [
            0 if who is not None and who != group and (who, group) != (WOMEN, MOTHERS) else share
            for share, who, *_ in DIAGNOSES
        ]
        for group in (MEN, WOMEN, MOTHERS)
    ]
)
SKIN_CANCER, METASTASIS = ("17309", "DC449"), ("19899", "DC787")
OPERATIONS = ("KQBE00", "KQCE10", "KJAB30", "KNFB20", "KMCA10", "BWHA1")
HOSPITALS = ("1301", "1501", "4202", "6630", "8001", "7601", "5501")
REGION_OF_HOSPITAL = ("1084", "1084", "1083", "1082", "1081", "1082", "1083")
DEPARTMENTS = (("15A", "15", "medicinsk gastroenterologi"), ("10B", "01", "blandet medicin"),
               ("44H", "14", "dermato-venerologi"), ("20E", "22", "kirurgi"))  # fmt: skip
SPECIALTIES = [department[2] for department in DEPARTMENTS]


@dataclass
class Hospitals:
    """What happened: contacts by running number, and what hangs on them."""

    contacts: pl.DataFrame  # contact, number, start, end, kind, code of the action diagnosis, …
    diagnoses: pl.DataFrame  # contact, code, type, modifier, retracted
    operations: pl.DataFrame  # contact, code, day
    first: int  # contact number of the first row of `contacts`; the others follow


def share_of_contacts(persons: int) -> float:
    """The share of its contacts that a mock of so many persons writes."""
    return TOWN_SHARE if persons < TOWN_PERSONS else 1.0


def happen(
    p: Population,
    lives: list[Life],
    seed: int,
    running: Running,
    share: float = 1.0,
    block: int = 0,
) -> Hospitals:
    """Contacts of one block of the population, and of the hand-written lives."""
    rng = generator(seed, block, 8)
    contacts, diagnoses = _of_population(p, rng, running.contacts, share)
    first = running.contacts
    if lives:
        own_contacts, own_diagnoses = _of_lives(lives, first + len(contacts))
        contacts = pl.concat([contacts, own_contacts])
        diagnoses = pl.concat([diagnoses, own_diagnoses])
    n = len(contacts)
    running.contacts += n
    contacts = contacts.with_columns(
        hospital=pl.Series(rng.integers(0, len(HOSPITALS), n, dtype=np.uint8)),
        department=pl.Series(rng.integers(0, len(DEPARTMENTS), n, dtype=np.uint8)),
        second=pl.Series(rng.integers(0, 86_400, n, dtype=np.int32)),
    )
    # What was retracted, or looked for and not found, is a defect of the catalogue.
    retracted = text_of(("Nej", None), rng.random(len(diagnoses)) >= TOLD_NOT_RETRACTED)
    modifier = pl.repeat("0", len(diagnoses), eager=True)
    if lives:
        # What is said of a hand-written life stands.
        retracted = diagnoses.select(pl.coalesce("retracted", retracted)).to_series()
        modifier = diagnoses.select(pl.coalesce("modifier", modifier)).to_series()
    diagnoses = diagnoses.with_columns(retracted=retracted, modifier=modifier)
    is_inpatient = (contacts["kind"] == "0").to_numpy()
    chance = np.where(is_inpatient, OPERATED[1], OPERATED[0])
    is_operated = (rng.random(n) < chance) & (contacts["start"] >= FIRST_OPERATION).to_numpy()
    operated = contacts.filter(pl.Series(is_operated))
    operations = operated.select(
        "contact", BACKGROUND, "hospital", day="start",
        code=text_of(OPERATIONS, rng.integers(0, len(OPERATIONS), len(operated))),
    )  # fmt: skip
    return Hospitals(contacts, diagnoses, operations, first)


def _of_population(
    p: Population, rng: np.random.Generator, first: int, share: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    until = p.lived_until(LAST_DAY)
    found = [
        rate.events(p.born, p.lived_from(since), until, rng)
        for rate, since in ((ADMISSIONS, FIRST_CONTACT), (OUTPATIENT_CONTACTS, OUTPATIENTS_SINCE))
    ]
    who, day = (np.concatenate(parts) for parts in zip(*found, strict=True))
    is_inpatient = np.arange(len(who)) < len(found[0][0])
    kept = p.is_here(who, day)
    if share < 1:
        kept &= rng.random(len(who)) < share
    # Days since 1977 fit in two bytes, which sort several times as fast.
    order = np.argsort((day[kept] - FIRST_CONTACT).astype(np.uint16), kind="stable")
    who, day, is_inpatient = who[kept][order], day[kept][order], is_inpatient[kept][order]
    n = len(who)

    stay = np.where(is_inpatient, rng.geometric(STAY, n), 0).astype("timedelta64[D]")
    end = np.minimum(day + stay, np.minimum(p.ended, LAST_DAY)[who])
    age = (day - p.born[who]).astype(np.int64) / 365.25
    is_mother = (age >= MOTHERS_ARE[0]) & (age < MOTHERS_ARE[1])
    group = np.where(p.is_male[who], MEN, np.where(is_mother, MOTHERS, WOMEN))
    rows = 1 + rng.poisson(np.where(is_inpatient, MORE_DIAGNOSES[1], MORE_DIAGNOSES[0]))
    of = np.repeat(np.arange(n), rows)
    starts = np.cumsum(rows) - rows
    kind = BY_GROUP.draw(len(of), rng, group[of])
    new = _first_of_their_kind(kind, starts, rows)
    by_shape = (day >= np.datetime64(ICD_10_SINCE)).astype(np.int64)
    is_first = np.zeros(len(of), dtype=bool)
    is_first[starts] = True
    contacts = pl.DataFrame(
        {
            "contact": np.arange(first, first + n),
            "number": p.numbers_on(who, day),
            "start": dates(day),
            "end": dates(end),
            "kind": text_of(("2", "0"), is_inpatient),
            "action": text_of(CODES, kind[starts] * 2 + by_shape),
            BACKGROUND: pl.repeat(True, n, eager=True),
        }
    )
    of, kind, is_first = of[new], kind[new], is_first[new]
    return contacts, pl.DataFrame(
        {
            "contact": of + first,
            "code": text_of(CODES, kind * 2 + by_shape[of]),
            "type": text_of(("B", "A"), is_first),
            "modifier": pl.repeat(None, len(of), dtype=pl.String, eager=True),
            "retracted": pl.repeat(None, len(of), dtype=pl.String, eager=True),
            BACKGROUND: pl.repeat(True, len(of), eager=True),
        }
    )


def _first_of_their_kind(kind: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows whose kind no row before it in the same group has.

    `starts` and `rows` say where each group lies. A turn for each place in a group, and a bit for
    each kind: groups are short, and there are many.
    """
    new = np.ones(len(kind), dtype=bool)
    bit = np.left_shift(1, kind.astype(np.uint32))
    seen = bit[starts].copy() if len(starts) else bit
    for place in range(1, int(rows.max(initial=0))):
        groups = np.flatnonzero(rows > place)
        at = starts[groups] + place
        new[at] = (seen[groups] & bit[at]) == 0
        seen[groups] |= bit[at]
    return new


def _of_lives(lives: list[Life], first: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every examination of tissue is taken somewhere; what was found there is a diagnosis."""
    contacts, diagnoses = [], []
    for life in lives:
        visits = [
            (r.requested, SKIN_CANCER, None, None)
            for r in life.requisitions
            if r.number_as_given is None
        ]
        visits += [(day, METASTASIS, how, says) for day, how, says in life.metastases_in_hospital]
        for day, codes, modifier, retracted in visits:
            if not FIRST_CONTACT.astype(object) <= day <= LAST_DAY.astype(object):
                continue
            number = first + len(contacts)
            action = codes[day >= ICD_10_SINCE]
            contacts.append((number, life.number_on(day), day, day, "2", action, False))
            diagnoses.append((number, action, "A", modifier, retracted or "Nej", False))
    return (
        pl.DataFrame(
            contacts,
            schema={
                "contact": pl.Int64, "number": pl.String, "start": pl.Date, "end": pl.Date,
                "kind": pl.String, "action": pl.String, BACKGROUND: pl.Boolean,
            },
            orient="row",
        ),
        pl.DataFrame(
            diagnoses,
            schema={
                "contact": pl.Int64, "code": pl.String, "type": pl.String, "modifier": pl.String,
                "retracted": pl.String, BACKGROUND: pl.Boolean,
            },
            orient="row",
        ),
    )  # fmt: skip


# -------------------------------------------------------------------- as each register writes it


def _of_contacts(h: Hospitals, rows: pl.DataFrame, column: str) -> pl.Series:
    """What the contacts of some rows say: they are numbered on, so their place is known."""
    return h.contacts[column].gather((rows["contact"] - h.first).cast(pl.UInt32))


def lpr2(h: Hospitals, has_copies: bool = True) -> dict[str, pl.DataFrame]:
    """Table → rows with their `year`, in its order. Copies are of what LPR3 counts."""
    until = LPR2_COPIES_TO if has_copies else LPR3_SINCE
    contacts = h.contacts.filter(pl.col("start") < until)
    adm = contacts.select(
        BACKGROUND, "contact", k_recnum=pl.col("contact") + FIRST_RECNUM,
        year=pl.col("start").dt.year(), v_cpr="number", c_pattype="kind",
        c_sgh=text_of(HOSPITALS, contacts["hospital"].to_numpy()),
        c_afd=text_of([d[0] for d in DEPARTMENTS], contacts["department"].to_numpy()),
        c_spec=text_of([d[1] for d in DEPARTMENTS], contacts["department"].to_numpy()),
        d_inddto="start", d_uddto="end", c_adiag="action",
    )  # fmt: skip
    key = (pl.col("contact") + FIRST_RECNUM).cast(pl.String)
    is_padded = pl.any_horizontal(
        pl.col("year").is_between(years.start, years.stop - 1) for years in PADDED_YEARS
    )

    def hanging_on(rows: pl.DataFrame) -> pl.DataFrame:
        start = pl.col("start")
        return (
            rows.with_columns(_of_contacts(h, rows, "start"))
            .filter(start < until)
            .with_columns(year=start.dt.year())
            .with_columns(v_recnum=pl.when(is_padded).then(key.str.zfill(PADDED_TO)).otherwise(key))
        )

    diag = hanging_on(h.diagnoses).select(
        BACKGROUND, "contact", "year", "v_recnum", c_diag="code", c_diagtype="type",
        c_diagmod=pl.when(pl.col("year") <= 1994).then("modifier"),
        c_tildiag=pl.lit(None, pl.String),
    )  # fmt: skip
    operations = hanging_on(h.operations)
    operations = operations.select(
        BACKGROUND, "contact", "year", "v_recnum", c_opr="code", c_oprart=pl.lit("V"),
        c_tilopr=pl.lit(None, pl.String), d_odto="day",
        c_osgh=text_of(HOSPITALS, operations["hospital"].to_numpy()), c_oafd=pl.lit("04P"),
    )  # fmt: skip
    return {
        # The population's contacts are in order of day; those of the lives come after them.
        name: rows
        if rows["year"].is_sorted()
        else rows.sort("year", "contact", maintain_order=True)
        for name, rows in (("t_adm", adm), ("t_diag", diag), ("t_sksopr", operations))
    }


def lpr3(h: Hospitals, has_copies: bool = True) -> dict[str, pl.DataFrame]:
    """Table → rows. Copies are of what LPR2 counts."""
    since = LPR3_COPIES_FROM if has_copies else LPR3_SINCE
    system = pl.when(pl.col("start") < LPR3_SINCE).then(pl.lit("LPR2")).otherwise(pl.lit("LPR3"))
    contacts = h.contacts.filter(pl.col("start") >= since)
    kontakter = contacts.select(
        BACKGROUND, dw_ek_kontakt=pl.col("contact") + FIRST_KONTAKT,
        cpr="number", dato_start="start", tidspunkt_start=pl.col("second").cast(pl.String),
        dato_slut="end", aktionsdiagnose="action", kontakttype=pl.lit("ALCA00"),
        prioritet=pl.when(pl.col("kind") == "0").then(pl.lit("ATA1")).otherwise(pl.lit("ATA3")),
        region_ans=text_of(REGION_OF_HOSPITAL, contacts["hospital"].to_numpy()),
        hovedspeciale_ans=text_of(SPECIALTIES, contacts["department"].to_numpy()),
        lprindberetningssystem=system,
    )  # fmt: skip
    key = (pl.col("contact") + FIRST_KONTAKT).cast(pl.String)

    def hanging_on(rows: pl.DataFrame) -> pl.DataFrame:
        start = _of_contacts(h, rows, "start")
        return rows.with_columns(start).filter(pl.col("start") >= since)

    return {
        "kontakter": kontakter,
        "diagnoser": hanging_on(h.diagnoses).select(
            BACKGROUND, dw_ek_kontakt=key, diagnosekode="code", diagnosetype="type",
            senere_afkraeftet="retracted", diagnosekode_parent=pl.lit(None, pl.String),
            lprindberetningssystem=system,
        ),
        "procedurer_kirurgi": hanging_on(h.operations).select(
            BACKGROUND, dw_ek_kontakt=key, procedurekode="code", proceduretype=pl.lit("V"),
            dato_start="day",
        ),
    }  # fmt: skip
