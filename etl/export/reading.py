"""A release's aggregates, as disclosure control takes them. Reads counts and no person."""

from pathlib import Path

import polars as pl

from etl.disclosure import DIFFERENCING, PRIMARY, RESTS, Aggregates, Factor, Protected
from etl.errors import DisclosureError
from etl.home import read_json
from etl.studies import Study

# Statistic type → what could be disclosed → how it is checked: the columns in which ACRO keeps its
# record, for every number that could be printed.
COUNT = ("frequency", "low counts, differencing", "threshold, other worlds, earlier exports")
ROUNDED = ("frequency, rounded", "low counts", "threshold, rounding, other worlds")
SURVIVAL = ("survival analysis", "low counts behind a proportion or a step", "other worlds")
CHECKS = {
    "cohort": COUNT,
    "flow": COUNT,
    "persons": COUNT,
    "persons by group": COUNT,
    "prevalent": COUNT,
    "events": COUNT,
    "competing": COUNT,
    "followed": ROUNDED,
    "risk": SURVIVAL,
    "curve": SURVIVAL,
}
DONE = {
    PRIMARY: "hidden: fewer than the threshold",
    DIFFERENCING: "hidden: differs from an earlier export by fewer than the threshold",
    RESTS: "hidden: rests on a hidden number",
}
PROTECTS = "hidden: with the others a small count would follow"


def aggregates_of(release: Path, definition: Study) -> Aggregates:
    """What a release counted and estimated.

    Raises:
        DisclosureError: if the release lacks a table: one made before it was part of releases.
    """

    def table(name: str) -> list[dict]:
        path = release / "parquet" / f"{name}.parquet"
        if not path.is_file():
            raise DisclosureError(
                f"{release}: no parquet/{name}.parquet. Expected a release made by this version of "
                "Kobling. Run `kobling run`, then export."
            )
        return pl.read_parquet(path).to_dicts()

    document = read_json(release / "estimates.json")
    high = {factor.name: factor.high_level for factor in definition.factors}
    return Aggregates(
        study_id=definition.study_id,
        outcomes=tuple((one.name, one.label) for one in definition.outcomes),
        horizons_days=tuple(definition.horizons_days),
        factors=tuple(
            Factor(
                name=one.name,
                label=one.label,
                levels=tuple(one.levels),
                reference=one.reference,
                high=one.high_level,
                parts=tuple((part, high[part]) for part in one.parts),
            )
            for one in definition.factors
        ),
        baseline_by=definition.baseline_by,
        attrition=table("attrition"),
        baseline=table("baseline"),
        risks=document["risks"],
        prevalent=document["prevalent"],
        curve=[row for row in table("curve") if row["factor"] == "(all)"],
    )


def reasons_of(done: Protected) -> list[dict]:
    """One row per hidden number: what it is, the risk, the check, and what was done.

    For those inside: a reason tells whether a hidden count is small.
    """
    rows = []
    for key, why in done.hidden:
        statistic, risk, check = CHECKS[key[0]]
        rows.append(
            {
                "number": " / ".join(key),
                "statistic_type": statistic,
                "disclosure_risk": risk,
                "check": check,
                "reason": why,
                "what_was_done": DONE.get(why, PROTECTS),
            }
        )
    return rows
