"""From a field of a register to the marts that read it and the estimates that it feeds.

    crosswalk = Crosswalk.read(settings.project)
    crosswalk.fed_by("landing.patobank.pato", "d_rekvdato")

Follows `dbt_project/lineage.json` (see `etl.crosswalk.lineage`), and of it only what a study asks
for: a register that no criterion, outcome or factor of a study reads feeds no estimate of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from etl import registers, studies
from etl.errors import KoblingError
from etl.home import read_json
from etl.studies.definition import Factor, Outcome, Study
from etl.studies.language import CLINICAL_COLUMNS, REVIEW_COLUMNS

PLACE = Path("dbt_project") / "lineage.json"
# Which rows a table has, whatever they say.
ROWS = "*"
# What an estimate reads: of the first for every one, of the second for one by factor.
READ_BY_ALL = ("time_to_event.*", "time_to_event.days", "time_to_event.event_code")
READ_BY_FACTOR = ("factor.*", "factor.factor", "factor.level")
# The model that answers a kind of outcome or factor, and where one model answers several kinds,
# what each of them reads of it. first_of and any_of are what their parts are.
OUTCOME_MODELS = {
    "clinical_date": "int_outcome_tumour",
    "death": "int_outcome_death",
    "diagnosis": "int_outcome_diagnosis",
    "tumour": "int_outcome_tumour",
}
FACTOR_MODELS = {
    "age_at_index": "int_factor_person",
    "index_date": "int_factor_person",
    "review_any": "int_factor_review",
    "review_number": "int_factor_review",
    "review_value": "int_factor_review",
    "sex": "int_factor_person",
}
OF_THE_PERSON = {"age_at_index": "int_person.birth_date", "sex": "int_person.sex"}
COMBINED = "int_factor_combined"
CLINICAL, REVIEW = "stg_dsd__sarcoma", "stg_dlms_review__review"


@dataclass(frozen=True, order=True)
class Estimate:
    """A study's risk of an outcome: of everybody, or by a factor."""

    study_id: str
    outcome: str
    factor: str | None = None


@dataclass(frozen=True)
class Fed:
    """What rests on a field. Both in order; both empty where no study reads the field."""

    marts: tuple[str, ...]
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class _Barred:
    """What an estimate does not go through: whole models, and inputs of a model."""

    models: frozenset[str]
    reads: frozenset[tuple[str, str]]  # (model, input)


class Crosswalk:
    """Answers of one lineage and the studies that are asked about."""

    def __init__(self, lineage: Mapping[str, dict], definitions: Iterable[Study]):
        self.lineage = lineage
        self.definitions = {study.study_id: study for study in definitions}
        # Input → the (model, column) that read it. The rows of a model carry all its columns.
        self._readers: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for model, told in lineage.items():
            for one in told["rows"]:
                self._readers[one].add((model, ROWS))
            for column, inputs in told["columns"].items():
                for one in inputs:
                    self._readers[one].add((model, column))
                self._readers[f"{model}.{ROWS}"].add((model, column))
        self._barred = {
            estimate: self._bars(study, outcomes, factors)
            for study in self.definitions.values()
            for estimate, outcomes, factors in _estimates_of(study)
        }
        self._barred_of_marts = {
            name: self._bars(study, study.outcomes, study.factors)
            for name, study in self.definitions.items()
        }

    @classmethod
    def read(cls, project: Path) -> "Crosswalk":
        """The lineage and all studies of a checkout."""
        return cls(
            read_json(project / PLACE),
            [studies.read(project, name) for name in studies.names(project)],
        )

    def fed_by(self, suite: str, column: str | None = None) -> Fed:
        """The marts and estimates that rest on a table, or on a column of it.

        `suite` is named as checks are: `landing.<register>.<table>` with the register's own
        columns, or `<schema>.<model>` such as `staging.stg_lpr2__contact` or `marts.cohort`.

        Raises:
            KoblingError: if there is no such table or column.
        """
        start = self._fields(suite, column)
        marts, estimates = set(), []
        # A mart that belongs to no study, such as those on linkage, is read all the same.
        ways = [*self._barred_of_marts.values(), self._bars(None, (), ())]
        for barred in ways:
            marts |= {
                model
                for model, _ in (one.rsplit(".", 1) for one in self._reached(start, barred))
                if self.lineage.get(model, {}).get("schema") == "marts"
            }
        for estimate, barred in self._barred.items():
            wanted = {*READ_BY_ALL, *(READ_BY_FACTOR if estimate.factor else ())}
            if wanted & self._reached(start, barred):
                estimates.append(estimate)
        return Fed(tuple(sorted(marts)), tuple(sorted(estimates, key=_in_order)))

    def columns_of(self, suite: str) -> tuple[str, ...]:
        """The columns of a suite's table, as its checks name them."""
        return tuple(self._known(suite))

    def staged(self, register: str, table: str, column: str) -> tuple[str, ...]:
        """The columns of staging models that a column of a register becomes or decides."""
        return tuple(
            sorted(
                f"{model}.{read}"
                for field in self._fields(f"landing.{register}.{table}", column)
                for model, read in self._readers[field]
                if self.lineage[model]["schema"] == "staging" and read != ROWS
            )
        )

    def _fields(self, suite: str, column: str | None) -> set[str]:
        """The inputs, as the lineage writes them, that a suite and a column are about."""
        known, table = self._known(suite), suite.partition(".")[2]
        if column is None:
            return {f"{table}.{one}" for one in (*known.values(), ROWS)}
        if column not in known:
            raise KoblingError(
                f"crosswalk: '{suite}' has no column '{column}'. Expected one of "
                f"{', '.join(sorted(known))}. Correct it, or run `make sources`."
            )
        return {f"{table}.{known[column]}"}

    def _known(self, suite: str) -> dict[str, str]:
        """The columns of a suite's table, each with its name in the lineage."""
        schema, _, table = suite.partition(".")
        if schema == "landing":
            register, _, name = table.partition(".")
            found = registers.catalogue().get(register)
            known = {
                one.name: _linked_name(one)
                for one in next((t.columns for t in found.tables if t.name == name), ())
            } if found else {}  # fmt: skip
        else:
            model = self.lineage.get(table, {"schema": None, "columns": ()})
            known = {one: one for one in model["columns"] if model["schema"] == schema}
        if not known:
            raise KoblingError(
                f"crosswalk: no table '{suite}'. Expected landing.<register>.<table> or "
                "<schema>.<model>, as checks are named. Correct it, or run `make sources`."
            )
        return known

    def _reached(self, start: set[str], barred: _Barred) -> set[str]:
        """Every field that rests on one of these, they themselves included."""
        reached, waiting = set(start), list(start)
        while waiting:
            field = waiting.pop()
            for model, column in self._readers.get(field, ()):
                there = f"{model}.{column}"
                if (
                    there not in reached
                    and model not in barred.models
                    and (model, field) not in barred.reads
                ):
                    reached.add(there)
                    waiting.append(there)
        return reached

    def _bars(
        self, study: Study | None, outcomes: Iterable[Outcome], factors: Iterable[Factor]
    ) -> _Barred:
        """What these outcomes and factors of a study do not read."""
        kinds = {one.kind for one in self._criteria(study)}
        open_models = {f"int_criterion_{kind}" for kind in kinds}
        open_models |= {OUTCOME_MODELS[one.kind] for one in outcomes if one.kind in OUTCOME_MODELS}
        open_models |= {FACTOR_MODELS[one.kind] for one in factors if one.kind in FACTOR_MODELS}
        open_models |= {COMBINED for one in factors if one.kind == "any_of"}
        models = {
            *(f"int_criterion_{kind}" for kind in studies.CRITERION_KINDS),
            *OUTCOME_MODELS.values(),
            *FACTOR_MODELS.values(),
            COMBINED,
        } - open_models
        clinical = {one.clinical_column for one in outcomes}
        reviewed = {column for one in factors for column in one.columns}
        reads = {
            ("int_outcome_tumour", f"{CLINICAL}.{one}")
            for one in (CLINICAL_COLUMNS if clinical - {None} else self._columns(CLINICAL))
            if one not in clinical
        }
        reads |= {
            ("int_review_value", f"{REVIEW}.{one}") for one in REVIEW_COLUMNS if one not in reviewed
        }
        reads |= {
            ("int_factor_person", field)
            for kind, field in OF_THE_PERSON.items()
            if kind not in {one.kind for one in factors}
        }
        return _Barred(frozenset(models), frozenset(reads))

    def _criteria(self, study: Study | None) -> list:
        """Those of a study, and of the studies whose cohorts it asks for."""
        own = list(study.criteria) if study else []
        others = [self.definitions[one.cohort] for one in own if one.cohort]
        return own + [one for other in others for one in other.criteria]

    def _columns(self, model: str) -> tuple[str, ...]:
        return (*self.lineage[model]["columns"], ROWS)


def _estimates_of(study: Study) -> list[tuple[Estimate, list[Outcome], list[Factor]]]:
    """Every estimate, with the outcomes and factors that it is made of, parts for their whole."""
    outcomes = {one.name: one for one in study.outcomes}
    factors = {one.name: one for one in study.factors}

    def with_parts(one, known: dict) -> list:
        return [one, *(known[name] for name in one.parts)]

    return [
        (
            Estimate(study.study_id, outcome.name, factor and factor.name),
            with_parts(outcome, outcomes),
            with_parts(factor, factors) if factor else [],
        )
        for outcome in study.outcomes
        for factor in (None, *study.factors)
    ]


def _in_order(one: Estimate) -> tuple:
    return one.study_id, one.outcome, one.factor or ""


def _linked_name(column: registers.Column) -> str:
    """What linkage makes of a column: numbers of persons become pseudonyms."""
    if column.role == "owner":
        return "person_id"
    if column.role == "current":
        return "is_number_in_force"
    return f"{column.name}_person_id" if column.role == "relative" else column.name
