"""What the marts of a study say about risks, and the evidence that an estimate rests on."""

from dataclasses import asdict, replace
from pathlib import Path

from etl import evidence, ledger, studies
from etl.errors import KoblingError, QualityError
from etl.home import Home, connect, one_writer, open_home, read_json, replace_json
from etl.landing import current
from etl.settings import Settings
from etl.steps.checking import gate_of
from etl.steps.selecting import data_id_of, require_warehouse, select_key
from etl.steps.wording import Say, accounted


def estimate(settings: Settings, study: str, say: Say) -> None:
    """Estimate a study's risks from the marts into `analysis`; refused while a fatal is red."""
    from etl import estimate as estimation
    from etl import quality, sensitivity

    definition = studies.read(settings.project, study)
    home = open_home(settings)
    with accounted(say, home.warehouse) as account, one_writer(home) as seconds:
        keys = evidence_keys(settings, home, study)
        wanted = evidence.release_id(keys)
        with connect(settings, home.warehouse) as con:
            document_of_estimates = home.state / f"estimates-{study}.json"
            if estimated_key(con, study) == wanted and _is_of(document_of_estimates, keys):
                _tell_estimated(home, study, wanted)
                say(f"{study}: estimated before, nothing new")
                return
            plan = plan_of(definition)
            estimates = estimation.compute(con, plan)
            (refresh,) = con.execute("select select_key from study.build").fetchone()
            results = quality.stored_results(con, refresh, with_failing=False)
            sensitivity.find_affected(con, results, _linked_files(home))
            shifts = sensitivity.shifts(con, plan, estimates, results)
            estimates = replace(estimates, sensitivity=shifts)
            estimates.write(con)
            (account.rows_in,) = con.execute(
                "select count(*) from marts.time_to_event where study_id = ?", [study]
            ).fetchone()
            con.execute("create table if not exists analysis.build (study_id text, key text)")
            con.execute("delete from analysis.build where study_id = ?", [study])
            con.execute("insert into analysis.build values (?, ?)", [study, wanted])
        document = estimates.document() | {
            "notes": list(definition.notes),
            "population": settings.population,
            "evidence": keys,
        }
        replace_json(document_of_estimates, document)
        account.rows_out = len(document["risks"]) + len(document["contrasts"])
        _tell_estimated(home, study, wanted, seconds())
        say(f"{study}: {len(document['risks'])} risks, {len(document['contrasts'])} differences")


def _tell_estimated(home: Home, study: str, key: str, seconds: float | None = None) -> None:
    if not ledger.is_told(home, "estimated", study=study, key=key):
        ledger.record(home, "estimated", study=study, key=key, seconds=seconds)


def _is_of(document: Path, keys: dict[str, str]) -> bool:
    """Whether the document of estimates is there and of these keys; a kill may leave an old one."""
    return document.exists() and read_json(document)["evidence"] == keys


def _linked_files(home: Home) -> dict[str, Path]:
    """Where the rows of each delivered file lie once they are linked, by the file's name in keys
    of failing rows."""
    from etl.sensitivity import FILE_DIGITS

    return {
        entry.file.sha256[:FILE_DIGITS]: home.linked
        / entry.register
        / entry.file.table
        / f"period={entry.file.period}"
        / "part.parquet"
        for entry in current(home)
    }


def plan_of(definition):
    """What the estimation and the report need to know of a study."""
    from etl.estimate import FactorPlan, OutcomePlan, Plan, SchedulePlan

    return Plan(
        study_id=definition.study_id,
        horizons_days=definition.horizons_days,
        outcomes=tuple(
            OutcomePlan(name=o.name, label=o.label, threshold=o.threshold, from_day=o.from_day)
            for o in definition.outcomes
        ),
        factors=tuple(
            FactorPlan(
                name=f.name,
                label=f.label,
                levels=f.levels,
                reference=f.reference,
                is_rule_factor=f.is_rule_factor,
            )
            for f in definition.factors
        ),
        schedule=definition.schedule and SchedulePlan(**asdict(definition.schedule)),
    )


def evidence_keys(settings: Settings, home: Home, study: str) -> dict[str, str]:
    """data + definition + code + gate, and the data before: what an estimate now would rest on.

    Raises QualityError where the gate is red or has not been passed: no estimate without it.
    """
    refresh = require_warehouse(settings, home)
    if refresh != select_key(settings, home):
        raise KoblingError(
            f"{home.warehouse}: made from older deliveries, definitions or code. Expected the "
            "present ones. Run `kobling select` and `kobling check` first."
        )
    with connect(settings, home.warehouse, read_only=True) as con:
        gate, rests_on = gate_of(con, home, refresh)
        before = con.execute("select linkage_before from study.build").fetchone()[0]
    if gate.state == "red":
        raise QualityError(
            f"quality: a fatal check is red: {'; '.join(gate.failures)}. Expected none. "
            "The estimate is refused and the last release stays live."
        )
    return {
        "data": data_id_of(settings, home),
        "definition": studies.definition_hash(studies.read(settings.project, study)),
        "code": evidence.code_hash(settings.project),
        "gate": gate.state,
        # What the rates of linkage are held against is no part of the data of this refresh.
        **({"data of the refresh before": before} if before else {}),
        # What checks said of earlier data, and what somebody has waived or confirmed.
        **rests_on,
    }


def estimated_key(con, study: str) -> str | None:
    """The key of a study's estimates in the warehouse; None where there are none."""
    known = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'analysis' "
        "and table_name = 'build'"
    ).fetchone()[0]
    row = (
        known
        and con.execute("select key from analysis.build where study_id = ?", [study]).fetchone()
    )
    return row[0] if row else None
