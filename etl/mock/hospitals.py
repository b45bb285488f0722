"""Hospital contacts of everybody, with their diagnoses and operations: LPR2 and, from 2019, LPR3.

Contacts happen first and get their running number; each register then writes down those of its
years, in its own words. The spring of 2019 lies in both, as it does: each holds copies of what the
other counts. Rates are some of the real ones, so that a mock of a town stays a matter of seconds.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.mock.defects import BACKGROUND
from etl.mock.life import Life
from etl.mock.population import LAST_DAY, NEVER, YEAR_DAYS, Population

FIRST_CONTACT = np.datetime64("1977-01-01")
# Somatic inpatients alone before 1995; then outpatients and emergencies too.
CONTACTS_A_YEAR, OUTPATIENTS_SINCE, INPATIENTS_ONLY = 0.2, np.datetime64("1995-01-01"), 0.4
MORE_DIAGNOSES, OPERATED = 0.6, 0.15
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

# (share, ICD-8, ICD-10 as SKS)
DIAGNOSES = (
    (0.16, "41009", "DI219"),
    (0.14, "48699", "DJ189"),
    (0.12, "82001", "DS720"),
    (0.10, "25000", "DE119"),
    (0.10, "55099", "DK409"),
    (0.10, "65099", "DO809"),
    (0.08, "29619", "DF329"),
    (0.06, "17499", "DC509"),
    (0.05, "15309", "DC189"),
    (0.05, "17309", "DC449"),
    (0.02, "19899", "DC795"),
    (0.02, "07991", "DB349"),
)
BIRTH = 5  # the place of giving birth among them
SKIN_CANCER, METASTASIS = ("17309", "DC449"), ("19899", "DC787")
OPERATIONS = ("KQBE00", "KQCE10", "KJAB30", "KNFB20", "KMCA10", "BWHA1")
HOSPITALS = ("1301", "1501", "4202", "6630", "8001", "7601", "5501")
DEPARTMENTS = (("15A", "15", "medicinsk gastroenterologi"), ("10B", "01", "blandet medicin"),
               ("44H", "14", "dermato-venerologi"), ("20E", "22", "kirurgi"))  # fmt: skip
REGIONS = ("1081", "1082", "1083", "1084", "1085")


@dataclass
class Hospitals:
    """What happened: contacts by running number, and what hangs on them."""

    contacts: pl.DataFrame  # contact, number, start, end, kind, …
    diagnoses: pl.DataFrame  # contact, code, type, modifier, retracted
    operations: pl.DataFrame  # contact, code, day


def happen(p: Population, lives: list[Life], seed: int) -> Hospitals:
    """Contacts of the population and of the hand-written lives."""
    rng = np.random.default_rng([seed, 8])
    contacts, diagnoses = _of_population(p, rng)
    own_contacts, own_diagnoses = _of_lives(lives, len(contacts))
    contacts = pl.concat([contacts, own_contacts]).with_columns(
        hospital=pl.Series(rng.choice(HOSPITALS, len(contacts) + len(own_contacts))),
        department=pl.Series(rng.integers(0, len(DEPARTMENTS), len(contacts) + len(own_contacts))),
        second=pl.Series(rng.integers(0, 86_400, len(contacts) + len(own_contacts))),
    )
    diagnoses = pl.concat([diagnoses, own_diagnoses])
    told = np.where(rng.random(len(diagnoses)) < TOLD_NOT_RETRACTED, "Nej", "")
    diagnoses = diagnoses.with_columns(
        retracted=pl.coalesce("retracted", pl.Series(told).replace("", None)),
        modifier=pl.coalesce("modifier", pl.lit("0")),
    )
    operated = np.flatnonzero(rng.random(len(contacts)) < OPERATED)
    operations = contacts[operated].select(
        "contact", BACKGROUND, day="start", code=pl.Series(rng.choice(OPERATIONS, len(operated)))
    )
    return Hospitals(contacts, diagnoses, operations.filter(pl.col("day") >= FIRST_OPERATION))


def _of_population(p: Population, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    first = np.maximum(p.started, FIRST_CONTACT)
    last = np.minimum(np.where(p.ended == NEVER, LAST_DAY, p.ended), LAST_DAY)
    span = np.where(p.status == "20", 0, (last - first).astype(int)).clip(0)
    who = np.repeat(np.arange(len(span)), rng.poisson(CONTACTS_A_YEAR * span / YEAR_DAYS))
    day = first[who] + (rng.random(len(who)) * span[who]).astype(int).astype("timedelta64[D]")
    kept = (day >= OUTPATIENTS_SINCE) | (rng.random(len(who)) < INPATIENTS_ONLY)
    who, day = who[kept], day[kept]
    order = np.argsort(day, kind="stable")
    who, day = who[order], day[order]
    is_inpatient = (day < OUTPATIENTS_SINCE) | (rng.random(len(who)) < 0.25)
    stay = np.where(is_inpatient, rng.geometric(0.2, len(who)), 0)
    end = np.minimum(day + stay.astype("timedelta64[D]"), last[who])
    number = np.where(day < p.changed_on[who], p.former[who], p.number[who])
    number = np.where(number == "", p.number[who], number)
    contacts = pl.DataFrame(
        {
            "contact": np.arange(len(who)),
            "number": pl.Series(number.astype(str)),
            "start": pl.Series(day.astype("datetime64[D]")),
            "end": pl.Series(end.astype("datetime64[D]")),
            "kind": pl.Series(np.where(is_inpatient, "0", "2")),
            BACKGROUND: np.ones(len(who), dtype=bool),
        }
    )
    of = np.repeat(np.arange(len(who)), 1 + rng.poisson(MORE_DIAGNOSES, len(who)))
    is_first = np.r_[True, of[1:] != of[:-1]] if len(of) else np.empty(0, dtype=bool)
    shares = np.array([share for share, *_ in DIAGNOSES])
    codes = np.array([codes for _, *codes in DIAGNOSES])
    which = rng.choice(len(DIAGNOSES), len(of), p=shares / shares.sum())
    age = (day[of] - p.born[who[of]]).astype(int) / YEAR_DAYS
    gives_birth = ~p.is_male[who[of]] & (age > 15) & (age < 50)
    which[(which == BIRTH) & ~gives_birth] = 0
    by_shape = (day[of] >= np.datetime64(ICD_10_SINCE)).astype(int)
    return contacts, pl.DataFrame(
        {
            "contact": of,
            "code": pl.Series(codes[which, by_shape].astype(str)),
            "type": pl.Series(np.where(is_first, "A", "B")),
            "modifier": pl.Series([None] * len(of), dtype=pl.String),
            "retracted": pl.Series([None] * len(of), dtype=pl.String),
            BACKGROUND: np.ones(len(of), dtype=bool),
        }
    ).unique(maintain_order=True, subset=["contact", "code"])


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
            contacts.append((number, life.number_on(day), day, day, "2", False))
            diagnoses.append(
                (number, codes[day >= ICD_10_SINCE], "A", modifier, retracted or "Nej", False)
            )
    return (
        pl.DataFrame(
            contacts,
            schema={
                "contact": pl.Int64, "number": pl.String, "start": pl.Date, "end": pl.Date,
                "kind": pl.String, BACKGROUND: pl.Boolean,
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


def _of_department(part: int) -> pl.Expr:
    parts = {nth: department[part] for nth, department in enumerate(DEPARTMENTS)}
    return pl.col("department").replace_strict(parts, return_dtype=pl.String)


def lpr2(h: Hospitals, has_copies: bool) -> dict[str, dict[int, pl.DataFrame]]:
    """Table → year → rows. Copies are of what LPR3 counts."""
    until = LPR2_COPIES_TO if has_copies else LPR3_SINCE
    contacts = h.contacts.filter(pl.col("start") < until).with_columns(
        year=pl.col("start").dt.year(), k_recnum=pl.col("contact") + FIRST_RECNUM
    )
    adm = contacts.join(
        h.diagnoses.filter(pl.col("type") == "A").select("contact", c_adiag="code"),
        on="contact", how="left", maintain_order="left",
    ).with_columns(
        v_cpr="number", c_pattype="kind", c_sgh="hospital",
        c_afd=_of_department(0), c_spec=_of_department(1), d_inddto="start", d_uddto="end",
    )  # fmt: skip
    key = pl.col("k_recnum").cast(pl.String)
    is_padded = pl.any_horizontal(
        pl.col("year").is_between(years.start, years.stop - 1) for years in PADDED_YEARS
    )
    where = contacts.select(
        "contact", "year",
        v_recnum=pl.when(is_padded).then(key.str.zfill(PADDED_TO)).otherwise(key),
    )  # fmt: skip
    diag = h.diagnoses.join(where, on="contact", maintain_order="left").with_columns(
        c_diag="code", c_diagtype="type",
        c_diagmod=pl.when(pl.col("year") <= 1994).then("modifier"),
        c_tildiag=pl.lit(None, pl.String),
    )  # fmt: skip
    operations = h.operations.join(where, on="contact", maintain_order="left").with_columns(
        c_opr="code", c_oprart=pl.lit("V"), c_tilopr=pl.lit(None, pl.String), d_odto="day",
        c_osgh=pl.lit(HOSPITALS[0]), c_oafd=pl.lit("04P"),
    )  # fmt: skip
    return {
        name: {
            int(year): rows
            for (year,), rows in frame.sort("year", "contact", maintain_order=True)
            .partition_by("year", as_dict=True, maintain_order=True)
            .items()
        }
        for name, frame in (("t_adm", adm), ("t_diag", diag), ("t_sksopr", operations))
    }


def lpr3(h: Hospitals, has_copies: bool) -> dict[str, pl.DataFrame]:
    """Table → rows. Copies are of what LPR2 counts."""
    since = LPR3_COPIES_FROM if has_copies else LPR3_SINCE
    contacts = h.contacts.filter(pl.col("start") >= since).with_columns(
        dw_ek_kontakt=pl.col("contact") + FIRST_KONTAKT,
        lprindberetningssystem=pl.when(pl.col("start") < LPR3_SINCE)
        .then(pl.lit("LPR2"))
        .otherwise(pl.lit("LPR3")),
    )
    kontakter = contacts.join(
        h.diagnoses.filter(pl.col("type") == "A").select("contact", aktionsdiagnose="code"),
        on="contact", how="left", maintain_order="left",
    ).with_columns(
        cpr="number", dato_start="start", tidspunkt_start=pl.col("second").cast(pl.String),
        dato_slut="end", kontakttype=pl.lit("ALCA00"),
        prioritet=pl.when(pl.col("kind") == "0").then(pl.lit("ATA1")).otherwise(pl.lit("ATA3")),
        region_ans=pl.lit(REGIONS[3]), hovedspeciale_ans=_of_department(2),
    )  # fmt: skip
    where = contacts.select(
        "contact", "lprindberetningssystem",
        dw_ek_kontakt=pl.col("dw_ek_kontakt").cast(pl.String),
    )  # fmt: skip
    return {
        "kontakter": kontakter,
        "diagnoser": h.diagnoses.join(where, on="contact", maintain_order="left").with_columns(
            diagnosekode="code", diagnosetype="type", senere_afkraeftet="retracted",
            diagnosekode_parent=pl.lit(None, pl.String),
        ),
        "procedurer_kirurgi": h.operations.join(
            where, on="contact", maintain_order="left"
        ).with_columns(procedurekode="code", proceduretype=pl.lit("V"), dato_start="day"),
    }  # fmt: skip
