"""Cancers and deaths of everybody, as the cancer and the cause-of-death register have them."""

import datetime as dt

import numpy as np
import polars as pl

from etl.mock.defects import BACKGROUND, FEW
from etl.mock.draws import NEVER, Rate, Running, dates, generator, text_of
from etl.mock.hospitals import ICD_10_SINCE
from etl.mock.life import DAY, Life
from etl.mock.population import Population, shares_by_sex

FIRST_DEATH = dt.date(1970, 1, 1)
SECOND_TABLE, THIRD_TABLE, OVERLAP_TO = (
    dt.date(2002, 1, 1),
    dt.date(2022, 1, 1),
    dt.date(2023, 1, 1),
)
# Cancers a person-year by age.
CANCERS_A_YEAR = Rate({15: 0.0005, 40: 0.003, 50: 0.006, 60: 0.013, 70: 0.02})
LAST_CANCER = np.datetime64("2022-12-31")
NO_DATE, ANOTHER_DAY = 0.001, 0.003
# Seen in a public generator that mimics the register.
MANNERS = ("1", "01", "1", "01", "1", "2", "02", "3", "9", "99", "-", "0", "10", "")
CAUSES = ("I219", "C349", "J189", "C509", "I639", "F039")
ICD_8_CAUSES = ("41009", "16219", "48699", "17499", "43399", "29009")
# (share, sex where only one has it, ICD-10, ICD-O-3 morphology, ICD-O-3 topography)
CANCERS = (
    (0.26, "K", "C509", "85003", "C509"),
    (0.20, "", "C189", "81403", "C189"),
    (0.20, "", "C349", "80703", "C349"),
    (0.24, "M", "C619", "81403", "C619"),
    (0.10, "", "C435", "87203", "C445"),
    (0.01, "K", "C549", "88903", "C549"),
    (0.01, "", "C493", "88503", "C493"),
)
BY_SEX = shares_by_sex(CANCERS)
SKIN_CASE = ("C445", "88903", "C445")
BENEATH_THE_SKIN = ("C499", "88903", "C499")
NEVER_CODED = "M9999X"
CODED_SINCE = dt.date(1978, 1, 1)  # in ICD-O; the registry's older codes are in no column of ours


def cancer_rows(
    p: Population, lives: list[Life], seed: int, running: Running, block: int = 0
) -> pl.DataFrame:
    """t_tumor: cancers of one block of the population, and of the hand-written lives, by day."""
    rng = generator(seed, block, 9)
    who, day = CANCERS_A_YEAR.events(p.born, p.started, p.lived_until(LAST_CANCER), rng)
    kept = p.is_here(who, day)
    who, day = who[kept], day[kept]
    kind = BY_SEX.draw(len(who), rng, p.is_male[who].astype(np.uint8))
    icd10, morphology, topography = zip(*(codes for _, _, *codes in CANCERS), strict=True)
    own = [
        (life.number_on(day), day, *codes, False)
        for life in lives
        for day, codes in life.registered_cancers
    ]
    background = pl.DataFrame(
        {
            "k_cprnr": p.numbers_on(who, day),
            "d_diagnosedato": dates(day),
            "c_icd10": text_of(icd10, kind),
            "c_morfo3": text_of(morphology, kind),
            "c_topo3": text_of(topography, kind),
            BACKGROUND: pl.repeat(True, len(who), eager=True),
        }
    ).with_columns(
        pl.when(pl.col("d_diagnosedato") >= CODED_SINCE).then(pl.col(code)).alias(code)
        for code in ("c_icd10", "c_morfo3", "c_topo3")
    )
    rows = pl.concat([background, pl.DataFrame(own, schema=background.schema, orient="row")])
    first = running.tumours + 1
    running.tumours += len(rows)
    return rows.sort("d_diagnosedato", maintain_order=True).with_columns(
        k_tumornr=pl.format(
            "T{}", pl.int_range(first, first + pl.len()).cast(pl.String).str.zfill(7)
        ),
        c_makrogrundlag=pl.lit("AZCK0"),
        c_mikrogrundlag=pl.lit("AZCL0"),
    )


def register_cancers(lives: list[Life]) -> None:
    """What the cancer registry knows of the lives written for the first study.

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


def death_rows(
    p: Population, lives: list[Life], seed: int, block: int = 0
) -> dict[str, pl.DataFrame]:
    """The three tables of the cause-of-death register, in order of day and number."""
    rng = generator(seed, block, 10)
    here = (p.died != NEVER) & ((p.departed == NEVER) | (p.returned != NEVER))
    who = np.flatnonzero(here & (p.died >= np.datetime64(FIRST_DEATH)))
    day = p.died[who] + (rng.random(len(who)) < ANOTHER_DAY).astype("timedelta64[D]")
    drawn = rng.random(len(who))
    background = pl.DataFrame(
        {
            "number": p.numbers_on(who, p.died[who]),
            "about": dates(day),
            "died": dates(day),
            "found": dates(np.where(drawn < NO_DATE, NEVER, day)),
            BACKGROUND: pl.repeat(True, len(who), eager=True),
        }
    )
    own = []
    for life in lives:
        died, found = life.certificate or (life.died, life.died)
        about = died or found
        if about and life.has_certificate and life.is_in_cpr and about >= FIRST_DEATH:
            own.append((life.number_on(about), about, died, found, False))
    rows = pl.concat([background, pl.DataFrame(own, schema=background.schema, orient="row")])
    frame = rows.sort("about", "number").with_columns(
        manner=text_of([manner or None for manner in MANNERS],
                       rng.integers(0, len(MANNERS), len(rows))),
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
