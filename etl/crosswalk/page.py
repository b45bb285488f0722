"""docs/crosswalk.md: every column of every register, and what rests on it. `make sources`."""

from collections.abc import Iterable
from pathlib import Path

from etl import registers
from etl.crosswalk import Crosswalk, Estimate
from etl.settings import CHECKOUT
from etl.studies.definition import Study

PLACE = Path("docs") / "crosswalk.md"
HEAD = """# From a field to the estimates that rest on it

Written by `make sources` from the contracts, the SQL of the models (`dbt_project/lineage.json`) and
the studies. Do not edit.

A column feeds a mart where the mart could be another one if the column said something else: where
it is shown, computed with, joined on or filtered by. Joins that look something up are taken to add
no row, which the tests of each model's grain hold. Of a study it feeds what the study asks for: a
register that no criterion, outcome or factor reads feeds no estimate. An estimate is a risk of an
outcome, of everybody or by a factor; "all" are all of a study.
Python asks the same of `etl.crosswalk.Crosswalk.fed_by`.

The number of a row's owner becomes `person_id`, by which everything is joined.
"""


def text(crosswalk: Crosswalk) -> str:
    """The whole page."""
    lines = [HEAD]
    for register in registers.catalogue().values():
        for table in register.tables:
            lines += [
                f"## {register.name}.{table.name}",
                "",
                table.description,
                "",
                "| column | in staging | marts | estimates |",
                "|---|---|---|---|",
            ]
            for column in table.columns:
                fed = crosswalk.fed_by(f"landing.{register.name}.{table.name}", column.name)
                staged = crosswalk.staged(register.name, table.name, column.name)
                cells = [
                    f"`{column.name}`",
                    ", ".join(f"`{one}`" for one in staged),
                    ", ".join(f"`{one}`" for one in fed.marts),
                    in_words(fed.estimates, crosswalk.definitions.values()),
                ]
                lines.append(f"| {' | '.join(cell or '–' for cell in cells)} |")
            lines.append("")
    return "\n".join(lines)


def in_words(estimates: Iterable[Estimate], definitions: Iterable[Study]) -> str:
    """The estimates of each study, as few words as say them all; '' where there are none."""
    told = []
    for study in definitions:
        of_study = {(e.outcome, e.factor) for e in estimates if e.study_id == study.study_id}
        if not of_study:
            continue
        outcomes = [one.name for one in study.outcomes]
        factors = [None, *(one.name for one in study.factors)]
        whole = [o for o in outcomes if all((o, f) in of_study for f in factors)]
        rest = [o for o in outcomes if o not in whole]
        parts = ["all"] if not rest else whole
        by = [f for f in factors[1:] if rest and all((o, f) in of_study for o in rest)]
        if by:
            parts.append(f"{', '.join(rest)} by {', '.join(by)}")
        parts += [
            f"{o} by {f}" if f else o
            for o in rest
            for f in factors
            if (o, f) in of_study and f not in by
        ]
        told.append(f"{study.study_id}: {'; '.join(parts)}")
    return ". ".join(told)


def write(project: Path = CHECKOUT) -> None:
    (project / PLACE).write_text(text(Crosswalk.read(project)), encoding="utf-8")


if __name__ == "__main__":
    write()
