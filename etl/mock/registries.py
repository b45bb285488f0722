"""Cancers and deaths of everybody, as the cancer and the cause-of-death register have them."""

import datetime as dt

import numpy as np
import polars as pl

from etl.mock.defects import BACKGROUND, FEW
from etl.mock.hospitals import ICD_10_SINCE
from etl.mock.life import DAY, Life
from etl.mock.population import NEVER, YEAR_DAYS, Population

FIRST_DEATH = dt.date(1970, 1, 1)
SECOND_TABLE, THIRD_TABLE, OVERLAP_TO = (
    dt.date(2002, 1, 1),
    dt.date(2022, 1, 1),
    dt.date(2023, 1, 1),
)
CANCERS_A_YEAR, FROM_AGE = 0.008, 40
NO_DATE, ANOTHER_DAY = 0.001, 0.003
# Seen in a public generator that mimics the register.
MANNERS = ("1", "01", "1", "01", "1", "2", "02", "3", "9", "99", "-", "0", "10", "")
CAUSES = ("I219", "C349", "J189", "C509", "I639", "F039")
ICD_8_CAUSES = ("41009", "16219", "48699", "17499", "43399", "29009")
# (ICD-10, ICD-O-3 morphology, ICD-O-3 topography)
CANCERS = (
    ("C509", "85003", "C509"),
    ("C189", "81403", "C189"),
    ("C349", "80703", "C349"),
    ("C619", "81403", "C619"),
    ("C435", "87203", "C445"),
    ("C549", "88903", "C549"),
    ("C493", "88503", "C493"),
)
SKIN_CASE = ("C445", "88903", "C445")
BENEATH_THE_SKIN = ("C499", "88903", "C499")
NEVER_CODED = "M9999X"


def cancer_rows(p: Population, lives: list[Life], seed: int) -> pl.DataFrame:
    """t_tumor: cancers of the population, and of the hand-written lives."""
    rng = np.random.default_rng([seed, 9])
    first = np.maximum(p.started, p.born + np.timedelta64(int(FROM_AGE * YEAR_DAYS), "D"))
    last = np.minimum(p.ended, np.datetime64("2022-12-31"))
    span = np.where(p.status == "20", 0, (last - first).astype(int)).clip(0)
    who = np.repeat(np.arange(len(span)), rng.poisson(CANCERS_A_YEAR * span / YEAR_DAYS))
    day = first[who] + (rng.random(len(who)) * span[who]).astype(int).astype("timedelta64[D]")
    kind = np.array(CANCERS)[rng.integers(0, len(CANCERS), len(who))]
    number = np.where(day < p.changed_on[who], p.former[who], p.number[who])
    number = np.where(number == "", p.number[who], number)
    background = [
        (str(n), d, *map(str, codes), True)
        for n, d, codes in zip(number, day.astype(object), kind, strict=True)
    ]
    own = [
        (life.number_on(day), day, *codes, False)
        for life in lives
        for day, codes in life.registered_cancers
    ]
    rows = sorted(background + own, key=lambda row: row[1])
    return pl.DataFrame(
        {
            "k_cprnr": [row[0] for row in rows],
            "k_tumornr": [f"T{nth:07d}" for nth in range(1, len(rows) + 1)],
            "d_diagnosedato": pl.Series([row[1] for row in rows], dtype=pl.Date),
            "c_icd10": [row[2] for row in rows],
            "c_morfo3": [row[3] for row in rows],
            "c_topo3": [row[4] for row in rows],
            "c_makrogrundlag": ["AZCK0"] * len(rows),
            "c_mikrogrundlag": ["AZCL0"] * len(rows),
            BACKGROUND: pl.Series([row[5] for row in rows], dtype=pl.Boolean),
        }
    )


def register_cancers(lives: list[Life]) -> None:
    """What the cancer registry knows of the hand-written lives.

    A patient in twenty is not there, and a few have no morphology. Candidates whose slides nobody
    reviewed are there as they were called at the time; so is a tumour beneath the skin, and a
    sarcoma of the skin that the pathologist called benign.
    """
    for nth, life in enumerate(lives):
        check = "cancer_registry"
        if life.verdict == "included":
            life.cross_checks[check] = "cohort"
            if nth % 20 == 7:
                continue
            day = life.index_date + nth % 30 * DAY
            if nth % 80 == 3:
                life.registered_cancers.append((day, (SKIN_CASE[0], NEVER_CODED, SKIN_CASE[2])))
            else:
                life.registered_cancers.append((day, SKIN_CASE))
                life.cross_checks[check] = "both"
        elif life.kind in ("without_review", "cellular_leiomyoma"):
            life.registered_cancers.append((life.requisitions[0].requested, SKIN_CASE))
            life.cross_checks[check] = "cancer_registry"
        elif life.kind == "subcutis":
            life.registered_cancers.append((life.requisitions[0].requested, BENEATH_THE_SKIN))


def register_metastases(lives: list[Life]) -> None:
    """Where a hospital has coded the metastasis too, where it has not, and where only it has.

    Before 1994 it is coded in ICD-8, which the study's list does not hold. What was retracted
    later, and what was looked for and not found, is no metastasis.
    """
    turns = dict.fromkeys(("hospital", "retracted", "not_found"), 0)
    for nth, life in enumerate(life for life in lives if life.verdict == "included"):
        days, event, is_prevalent = life.outcomes["metastasis"]
        if is_prevalent or event == 1:
            life.cross_checks["metastasis"] = "outcome"
        if is_prevalent:
            continue
        last = life.index_date + days * DAY
        if event == 1:
            if nth % 3:
                life.metastases_in_hospital.append((last, "0", "Nej"))
                if last >= ICD_10_SINCE:
                    life.cross_checks["metastasis"] = "both"
            continue
        for kind, day, modifier, retracted in (
            ("not_found", dt.date(1994, 6, 1), "2", "Nej"),
            ("retracted", dt.date(2020, 5, 4), "0", "Ja"),
            ("hospital", max(life.index_date, ICD_10_SINCE) + 200 * DAY, "0", "Nej"),
        ):
            if turns[kind] < FEW and life.index_date < day < last:
                turns[kind] += 1
                life.metastases_in_hospital.append((day, modifier, retracted))
                if kind == "hospital":
                    life.cross_checks["metastasis"] = kind
                break


def death_rows(p: Population, lives: list[Life], seed: int) -> dict[str, pl.DataFrame]:
    """The three tables of the cause-of-death register."""
    rng = np.random.default_rng([seed, 10])
    here = (p.died != NEVER) & ((p.departed == NEVER) | (p.returned != NEVER))
    who = np.flatnonzero(here & (p.died >= np.datetime64(FIRST_DEATH)))
    day = p.died[who] + (rng.random(len(who)) < ANOTHER_DAY).astype("timedelta64[D]")
    drawn = rng.random(len(who))
    number = np.where(p.died[who] < p.changed_on[who], p.former[who], p.number[who])
    number = np.where(number == "", p.number[who], number)
    rows = [
        (
            str(n),
            d,
            d,
            None if u < NO_DATE else d,
            True,
        )
        for n, d, u in zip(number, day.astype(object), drawn, strict=True)
    ]
    for life in lives:
        died, found = life.certificate or (life.died, life.died)
        about = died or found
        if about and life.has_certificate and life.is_in_cpr and about >= FIRST_DEATH:
            rows.append((life.number_on(about), about, died, found, False))
    rows.sort(key=lambda row: (row[1], row[0]))
    frame = pl.DataFrame(
        rows,
        schema={
            "number": pl.String, "about": pl.Date, "died": pl.Date, "found": pl.Date,
            BACKGROUND: pl.Boolean,
        },
        orient="row",
    ).with_columns(
        manner=pl.Series(rng.choice(MANNERS, len(rows))).replace("", None),
        which=pl.Series(rng.integers(0, len(CAUSES), len(rows))),
    )  # fmt: skip
    icd10 = pl.col("which").replace_strict(dict(enumerate(CAUSES)), return_dtype=pl.String)
    icd8 = pl.col("which").replace_strict(dict(enumerate(ICD_8_CAUSES)), return_dtype=pl.String)
    about = pl.col("about")
    nothing = pl.lit(None, pl.String)
    return {
        "t_dodsaarsag_1": frame.filter(about < SECOND_TABLE).select(
            BACKGROUND, k_cpr="number", d_dodsdto="about",
            c_dod1=pl.when(about < dt.date(1994, 1, 1)).then(icd8).otherwise(icd10),
            c_dod2=nothing, c_dod3=nothing, c_dod4=nothing, c_dodsmaade="manner",
        ),
        "t_dodsaarsag_2": frame.filter(about.is_between(SECOND_TABLE, OVERLAP_TO, "left")).select(
            BACKGROUND, k_cpr="number", d_dodsdato="died", d_findedato="found",
            c_dodtilgrundl_acme=icd10, c_dod_1a=icd10, c_dod_1b=nothing, c_dod_1c=nothing,
            c_dod_1d=nothing, c_dodsmaade="manner",
        ),
        "dodsaarsager": frame.filter(about >= THIRD_TABLE).select(
            BACKGROUND, cpr="number", doedsdato="about", doedsaarsag_tilgrundliggende=icd10,
            doedsmaade_kode="manner",
            flag_valideret=pl.lit(1, pl.Int64),
        ),
    }  # fmt: skip
