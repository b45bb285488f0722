"""A study's release: tables, figures, pages and evidence, and what the live one says."""

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import polars as pl

from etl import evidence, ledger, registers, restricted, studies
from etl import release as releases
from etl.errors import ReleaseError, StagedError
from etl.home import Home, connect, file_hash, one_writer, open_home, read_json, replace_json
from etl.settings import ALWAYS, BY_HAND, Bounds, Settings
from etl.steps.checking import data_docs_of
from etl.steps.estimating import estimated_key, evidence_keys, plan_of
from etl.steps.selecting import dbt_docs_of, rows_of, select_key
from etl.steps.wording import Say, accounted

# What a release is made of; the rest of its keys is what it was held against.
MADE_OF = ("data", "definition", "code")
# The ledger's word for a backfill that was asked for: what comes of it is looked at first.
BEGUN = "backfill begun"


def release(settings: Settings, study: str, say: Say) -> Path:
    """Publish marts, estimates, figures, pages and evidence.

    `current` moves to it at the end, unless the settings let somebody look first: then it is
    staged, and StagedError says what is outside the bounds.
    """
    definition = studies.read(settings.project, study)
    home = open_home(settings)
    with accounted(say, home.warehouse) as account, one_writer(home) as seconds:
        keys = evidence_keys(settings, home, study)
        wanted = evidence.release_id(keys)
        live = releases.current(home, study)
        if live and live.name == wanted:
            releases.unstage(home, study)
            before = told_live(home, study)
            if before is None or before.name != wanted:  # killed before it was told
                outside = _outside_bounds(settings, before, live)
                tell_released(settings, home, study, live, keys, outside_bounds=outside)
            say(f"{study}: release {wanted} is live already, nothing new")
            return live
        if why := releases.marked(home, f"{study}/{wanted}", "rolled_back"):
            say(f"{study}: release {wanted} was rolled back ({why}), nothing new")
            return home.releases / study / wanted
        with connect(settings) as con:
            # Attached, so that the release's own DuckDB file can be written beside it.
            con.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
            con.execute("use warehouse")
            if estimated_key(con, study) != wanted:
                raise ReleaseError(
                    f"{study}: no estimates for release {wanted}. Expected them to be made from "
                    f"the present marts. Run `kobling estimate {study}` first."
                )
            place = releases.place_whole(
                home.releases / study,
                wanted,
                lambda folder: _fill_release(settings, home, con, definition, keys, folder),
            )
            account.rows_in = rows_of(con, "marts") + rows_of(con, "analysis")
        account.rows_out = releases.rows_of(place)
        outside = _outside_bounds(settings, live, place)
        reasons = _reasons_to_look(settings, home, study, live, keys, outside)
        if reasons:
            _tell_staged(settings, home, study, place, keys, reasons, seconds())
        else:
            releases.promote(home, study, wanted)
            tell_released(
                settings, home, study, place, keys, outside_bounds=outside, seconds=seconds()
            )
            say(f"{study}: release {wanted} is live")
    if reasons:
        raise StagedError(
            f"{study}: release {wanted} is staged and not live: {'; '.join(reasons)}. Expected "
            f"somebody to look. `kobling preview {study}` shows what would change, `kobling "
            f"promote {study}` makes it live; until then {live.name} is."
        )
    return place


def told_live(home: Home, study: str) -> Path | None:
    """The release that the ledger made live last, as a new one or again."""
    told = [e for e in ledger.entries(home, "released", "rolled back") if e["study"] == study]
    return home.releases / study / told[-1]["release"] if told else None


def _outside_bounds(settings: Settings, live: Path | None, place: Path) -> list[str]:
    from etl import difference

    if live is None:
        return []
    return difference.outside_bounds(difference.compare(live, place), settings.bounds)


def _reasons_to_look(
    settings: Settings,
    home: Home,
    study: str,
    live: Path | None,
    keys: dict[str, str],
    outside: list[str],
) -> list[str]:
    """Why a new release should not take the place of the live one by itself."""
    if live is None:
        return []
    if releases.marked(home, f"{study}/{live.name}", "withdrawn"):
        return []  # every hour that it stays live is one too many; the ledger has the bounds
    taken_back = [
        f"{name}, of the same data, definition and code, was rolled back ({why})"
        for name in sorted(path.name for path in (home.releases / study).glob("*"))
        if (why := releases.marked(home, f"{study}/{name}", "rolled_back"))
        and all(releases.evidence_keys(home.releases / study / name)[k] == keys[k] for k in MADE_OF)
    ]
    taken_back += _backfill_nobody_has_looked_at(home, study)
    if settings.promote == ALWAYS:
        return taken_back
    by_hand = ["releases are promoted by hand here"] if settings.promote == BY_HAND else outside
    return [*taken_back, *by_hand]


def _backfill_nobody_has_looked_at(home: Home, study: str) -> list[str]:
    """Why a release waits after a backfill, until one that came of it has been promoted by hand.

    A backfill that has read every file as it was read before changes nothing and asks for nothing;
    it does not answer for an earlier one. One that was broken off may have changed anything.
    """
    begun = to_look_at = None
    came_of_it: set[str] = set()
    for entry in ledger.entries(home, BEGUN, "backfilled", "staged", "released"):
        if entry["event"] == BEGUN:
            to_look_at = begun or to_look_at
            begun, came_of_it = entry, set()
        elif entry["event"] == "backfilled":
            to_look_at = begun if entry["files_read_otherwise"] else to_look_at
            begun = None
        elif entry["study"] != study:
            continue
        elif entry["event"] == "staged":
            came_of_it.add(entry["release"])
        elif entry.get("is_promoted") and entry["release"] in came_of_it:
            begun = to_look_at = None
    to_look_at = begun or to_look_at
    if to_look_at is None:
        return []
    return [f"old deliveries were landed anew ({to_look_at['by']}: {to_look_at['reason']})"]


def _tell_staged(
    settings: Settings,
    home: Home,
    study: str,
    place: Path,
    keys: dict[str, str],
    reasons: list[str],
    seconds: float,
) -> None:
    others = ("released", "rolled back")
    if not ledger.is_told(home, "staged", *others, study=study, release=place.name):
        tell_released(
            settings, home, study, place, keys, event="staged", outside_bounds=reasons,
            seconds=seconds,
        )  # fmt: skip
    releases.stage(home, study, place.name)


def tell_released(
    settings: Settings,
    home: Home,
    study: str,
    place: Path,
    keys: dict[str, str],
    event: str = "released",
    **more: object,
) -> None:
    ledger.record(
        home,
        event,
        study=study,
        release=place.name,
        keys=keys,
        evidence_sha256=file_hash(place / releases.EVIDENCE),
        # The hash of the code is evidence; the commit only says where to look for it.
        commit=_commit(settings.project),
        bounds=asdict(settings.bounds) if settings.bounds != Bounds() else None,
        **{name: value for name, value in more.items() if value},
    )


def _commit(project: Path) -> str | None:
    """The commit of the checkout, with a + where files differ from it; None outside of git."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(project), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _fill_release(settings: Settings, home: Home, con, definition, keys, folder: Path) -> None:
    """Everything a release holds; the page and the evidence last, since they name the rest."""
    from etl import erasure, report

    study, plan = definition.study_id, plan_of(definition)
    document = read_json(home.state / f"estimates-{study}.json")
    if document["evidence"] != keys:
        raise ReleaseError(
            f"{study}: the estimates rest on other evidence than release {folder.name}. Expected "
            f"the same. Run `kobling estimate {study}` again."
        )
    refresh = select_key(settings, home)
    releases.give_own_ids(con, study, restricted.keys_of(settings).of_release(study))
    releases.export_tables(con, study, refresh, folder)
    releases.export_patients(
        folder, [o.name for o in definition.outcomes], [f.name for f in definition.factors]
    )
    replace_json(folder / "estimates.json", document)
    attrition = _rows(con, "marts.attrition", study, "step")
    flow = con.execute("select * from marts.linkage_flow order by all").pl().to_dicts()
    report.forest_plot(document, plan, folder / "forest_plot.svg", folder / "forest_plot.png")
    report.cohort_flow(
        attrition, folder / "cohort_flow.svg", folder / "cohort_flow.png", definition.title
    )
    report.cumulative_incidence(
        _rows(con, "analysis.curve", study, "all"),
        plan,
        folder / "cumulative_incidence.svg",
        folder / "cumulative_incidence.png",
    )
    report.stability_strip(document, plan, folder / "stability.svg", folder / "stability.png")
    facts = {
        "study": study,
        "population": settings.population,
        "release_id": evidence.release_id(keys),
        "keys": keys,
        "pseudonym_key_id": restricted.keys_of(settings).key_id,
        "deliveries": pl.read_parquet(home.lake / "delivery.parquet")
        .with_columns(pl.col("delivered_on", "complete_to").cast(pl.String))
        .to_dicts(),
        "contracts": {name: r.version for name, r in registers.catalogue().items()},
        "code_lists": {
            path.name: file_hash(path) for path in sorted(definition.folder.rglob("*.csv"))
        },
        "erased": erasure.totals(home),
        "environment_lock_sha256": file_hash(settings.project / "requirements.lock"),
    }
    linkage_of = _linkage_of(con, study)
    report.linkage_flow(
        linkage_of, folder / "linkage_flow.svg", folder / "linkage_flow.png", definition.title
    )
    for name, place in (
        (report.DATA_DOCS, data_docs_of(home, refresh)),
        (report.DBT_DOCS, dbt_docs_of(home, refresh)),
    ):
        if not place.exists():
            raise ReleaseError(
                f"{place}: not there. Expected the documentation that selection and checks write. "
                f"Take {home.warehouse} away and run `kobling run`, which makes them anew."
            )
        shutil.copyfile(place, folder / name)
    page = report.index_page(
        document=document,
        plan=plan,
        attrition=attrition,
        baseline=_rows(con, "marts.baseline", study, "all"),
        baseline_by=definition.baseline_by,
        intersections=_rows(con, "marts.criteria_intersections", study, "all"),
        codes=_rows(con, "marts.code_usage", study, "all"),
        linkage=linkage_of,
        linkage_flow=flow,
        checks=_checks_of(con, refresh, folder),
        **_told_of_checks(con, study, document),
        catalogue=registers.catalogue().values(),
        figures={
            name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in report.FIGURES
        },
        evidence=facts,
        files=releases.listing(folder),
        title=definition.title,
        question=definition.question,
    )
    (folder / releases.PAGE).write_text(page, encoding="utf-8")
    releases.write_evidence(folder, facts)


# Failing rows of one check that a page may show; they are packed, so many are few lines.
SHOWN_ROWS = 20_000


def _checks_of(con, refresh: str, folder: Path) -> list[dict]:
    """Rows of quality.result with their SQL, and the study's failing rows as they were released."""
    from etl import quality

    failing: dict[int, list[tuple[str, ...]]] = {}
    for number, row_key in con.execute(
        f"""
        select result_number, row_key
        from '{folder / "parquet" / "failure.parquet"}'
        qualify row_number() over (partition by result_number order by failure_number) <= ?
        order by result_number, failure_number
        """,
        [SHOWN_ROWS],
    ).fetchall():
        failing.setdefault(number, []).append(tuple(json.loads(row_key).values()))
    rows = (
        con.execute(
            "select * from quality.result where refresh_id = ? order by result_number", [refresh]
        )
        .pl()
        .to_dicts()
    )
    results = quality.stored_results(con, refresh, with_failing=False)
    trends, changes = _trends(con)
    waivers = {w["check_name"]: w for w in _waivers(con) if w["status"] == "in force"}
    told = []
    for row, result in zip(rows, results, strict=True):
        room, _, table = result.check.suite.partition(".")
        table = table if room == "landing" else result.check.suite
        checked_sql, failing_sql = quality.queries(result.check, table)
        told.append(
            row
            | {
                "checked_sql": checked_sql,
                "failing_sql": failing_sql,
                "failing": quality.packed(failing.get(row["result_number"], ())),
                "trend": trends.get(result.name, []),
                "change": changes.get(result.name),
                "waiver": waivers.get(result.name),
            }
        )
    return told


def _trends(con) -> tuple[dict[str, list[dict]], dict[str, str]]:
    """By the name of the check: its trend, oldest first, and how it changed at last."""
    trends: dict[str, list[dict]] = {}
    changes: dict[str, str] = {}
    for row in (
        con.execute(
            """
            select
                suite || ': ' || check_id as check_name,
                data_number as refresh_number,
                status,
                n_checked,
                n_failing,
                change,
                data_number = max(data_number) over () as is_now
            from quality.trend
            order by all
            """
        )
        .pl()
        .to_dicts()
    ):
        name, change, is_now = row.pop("check_name"), row.pop("change"), row.pop("is_now")
        trends.setdefault(name, []).append(row)
        if is_now:
            changes[name] = change
    return trends, changes


def _waivers(con) -> list[dict]:
    return [
        row | dict(zip(("suite", "check_id"), row["check_name"].split(": "), strict=True))
        for row in con.execute(
            "select waiver_id as id, * exclude (waiver_id) from quality.waiver order by all"
        )
        .pl()
        .to_dicts()
    ]


def _told_of_checks(con, study: str, document: dict) -> dict[str, list[dict]]:
    """Waivers, overrides, the fitness of the marts and the sensitivity of the estimates."""
    fitness: dict[str, dict] = {}
    for row in (
        con.execute(
            """
            select
                mart_fitness.mart,
                mart_fitness.fitness,
                mart_fitness.check_name,
                finding_estimate.outcome,
                finding_estimate.factor
            from quality.mart_fitness
            left join quality.finding_estimate
                on
                    mart_fitness.check_name = finding_estimate.check_name
                    and finding_estimate.study_id = ?
            order by all
            """,
            [study],
        )
        .pl()
        .to_dicts()
    ):
        mart = fitness.setdefault(
            row["mart"], {"mart": row["mart"], "fitness": row["fitness"], "found": {}, "fed": {}}
        )
        if row["check_name"]:
            mart["found"][row["check_name"]] = None
        if row["outcome"]:
            by = f" by {row['factor']}" if row["factor"] else ""
            mart["fed"][f"{row['outcome']}{by}"] = None
    return {
        "waivers": _waivers(con),
        "overrides": con.execute(
            """
            select check_name as "check", reviewer, reviewed_on, reason, status, n_rows as n
            from quality.override
            order by all
            """
        )
        .pl()
        .to_dicts(),
        "fitness": [
            {
                "mart": mart["mart"],
                "fitness": mart["fitness"],
                "findings": [*mart["found"]],
                "estimates": [*mart["fed"]],
            }
            for mart in fitness.values()
        ],
        "sensitivity": [
            {
                "check": row["check_name"],
                "shift": row["shift_points"],
                **{
                    name: row[name]
                    for name in (
                        *("words", "outcome", "factor", "level", "n_affected", "estimate"),
                        *("estimate_without", "high_risk", "high_risk_without"),
                    )
                },
            }
            for row in document["sensitivity"]
        ],
    }


def _linkage_of(con, study: str):
    """What the section on linkage is made from."""
    from etl.report import Linkage

    def of(query: str, *values: str) -> list[dict]:
        return con.execute(f"{query} order by all", values).pl().to_dicts()

    return Linkage(
        quality=of("select * from marts.linkage_quality"),
        loss=of(
            "select loss.*, reason.words from marts.linkage_loss as loss "
            "left join intermediate.linkage_reason as reason using (reason)"
        ),
        rate=of("select * from marts.linkage_rate"),
        persons=of("select * from marts.linked_person_count where study_id = ?", study),
        conflict=of("select kind, register, table_name from marts.linkage_conflict"),
        death_disagreement=of(
            "select disagreement from marts.death_disagreement where study_id = ?", study
        ),
    )


def _rows(con, table: str, study: str, order: str) -> list[dict]:
    return (
        con.execute(f"select * from {table} where study_id = ? order by {order}", [study])
        .pl()
        .to_dicts()
    )


def summary(settings: Settings, study: str) -> str:
    """The live release in words: risk tables, one line of cohort flow, the path of its page."""
    from etl import estimate as estimation
    from etl import report

    studies.read(settings.project, study)
    live = live_release(settings, study)
    document = read_json(live / "estimates.json")
    attrition = pl.read_parquet(live / "parquet" / "attrition.parquet").sort("step").to_dicts()
    made_up = ["Mock registers: everybody in these tables is made up.", ""]
    return "\n".join(
        [
            *(made_up if document["population"] == "mock" else []),
            estimation.render_tables(document),
            "",
            report.flow_line(attrition),
            f"Release: {live / releases.PAGE}",
        ]
    )


def live_release(settings: Settings, study: str) -> Path:
    """The live release. Raises ReleaseError where there is none."""
    live = releases.current(Home(settings.home), study)
    if live is None:
        raise ReleaseError(
            f"{study}: no release yet. Expected one under {Home(settings.home).releases}. "
            "Run `kobling run` first."
        )
    return live
