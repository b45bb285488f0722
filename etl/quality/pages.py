"""Data Docs that open offline: an index and one page per suite, rendered from the results.

Great Expectations' own Data Docs load their styles from content networks and an image whose address
carries an identifier. These ask no server for anything, and two runs on the same results give the
same bytes: there is no time and no run id on them.
"""

from collections.abc import Iterable
from html import escape
from itertools import groupby
from pathlib import Path

from etl.quality.results import STATUSES, Result, gate, headline, in_order, packed

SHOWN_SPANS = 20
WORDS = {
    "pass": "pass",
    "pass_with_findings": "pass with findings",
    "fail": "fail",
    "not_applicable": "not applicable",
    "not_run": "not run",
}
WORST_FIRST = ("fail", "not_run", "pass_with_findings", "pass", "not_applicable")
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-bottom: .2rem; }
p { margin: .3rem 0; } a { color: #00508c; } code { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; }
th { border-bottom: 2px solid #555; } td { border-bottom: 1px solid #ccc; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
section { border-top: 1px solid #ccc; padding: .6rem 0; }
.status { display: inline-block; padding: 0 .5rem; border-radius: .3rem; font-weight: 600;
  border: 1px solid currentColor; }
.pass { color: #0b6121; } .pass_with_findings { color: #7a4f00; } .fail { color: #9c1010; }
.not_applicable { color: #555; } .not_run { color: #6a1b7a; }
.green { color: #0b6121; } .amber { color: #7a4f00; } .red { color: #9c1010; }
.small { color: #444; font-size: .9rem; }
"""


def data_docs(results: Iterable[Result], folder: Path) -> None:
    """Write index.html and one page per suite into `folder`; equal results are shown once."""
    folder.mkdir(parents=True, exist_ok=True)
    results = in_order(results)
    suites = [
        (suite, list(group))
        for suite, group in groupby(results, key=lambda result: result.check.suite)
    ]
    (folder / "index.html").write_text(_index(results, suites), encoding="utf-8")
    for suite, of_suite in suites:
        (folder / f"{suite}.html").write_text(_suite(suite, of_suite), encoding="utf-8")


def _index(results: list[Result], suites: list[tuple[str, list[Result]]]) -> str:
    state = gate(results)
    failures = "".join(f"<li>{escape(failure)}</li>" for failure in state.failures)
    heads = "".join(f'<th class="n" scope="col">{WORDS[status]}</th>' for status in STATUSES)
    rows = "".join(
        f'<tr><td><a href="{escape(suite)}.html">{escape(suite)}</a></td>'
        + "".join(
            f'<td class="n">{sum(result.status == status for result in of_suite)}</td>'
            for status in STATUSES
        )
        + "</tr>"
        for suite, of_suite in suites
    )
    return _page(
        "Quality of the data",
        f"<h1>Quality of the data</h1>"
        f'<p>Gate: <span class="status {state.state}">{state.state}</span></p>'
        f"<p>{escape(headline(results))}.</p>"
        + (f"<ul>{failures}</ul>" if failures else "")
        + f'<table><thead><tr><th scope="col">Suite</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        '<p class="small">Red: a fatal check failed or could not be run, and no release is made. '
        "Amber: another one did. A check about no rows is not applicable, which is no pass. "
        "Every failing row is listed in <code>quality.failure</code>.</p>",
    )


def _suite(suite: str, results: list[Result]) -> str:
    sections = "".join(
        _section(result) for result in sorted(results, key=lambda r: WORST_FIRST.index(r.status))
    )
    return _page(
        suite,
        '<p><a href="index.html">All suites</a></p>'
        f"<h1>{escape(suite)}</h1><p>{escape(headline(results))}.</p>{sections}",
    )


def _section(result: Result) -> str:
    check = result.check
    scope = f" on {escape(result.scope)}" if result.scope else ""
    return (
        f"<section><h2>{escape(check.words)}</h2>"
        f'<p><span class="status {result.status}">{WORDS[result.status]}</span> '
        f"{escape(_counts(result))}{scope}</p>"
        f"<p>{escape(check.why)}</p>"
        f'<p class="small"><code>{escape(check.id)}</code> · {check.severity} · '
        f"{check.category} · {escape(_tolerated(result))} · looked at by the "
        f"{escape(check.owner)}</p>"
        f'<p class="small"><code>{escape(check.expectation)} {escape(check.arguments)}</code></p>'
        f"{_failing(result)}</section>"
    )


def _counts(result: Result) -> str:
    if result.status == "not_run":
        return result.reason
    if result.status == "not_applicable":
        return "about no rows"
    share = 100 * result.n_failing / result.n_checked
    return f"{result.n_failing:,} of {result.n_checked:,} fail ({share:.2f} %)"


def _tolerated(result: Result) -> str:
    rows, percent = result.check.tolerated_rows, result.check.tolerated_percent
    bounds = [f"{rows:,} rows"] if rows is not None else []
    bounds += [f"{percent:g} %"] if percent is not None else []
    return f"tolerates {' and '.join(bounds)}"


def _failing(result: Result) -> str:
    if not result.failing:
        return ""
    spans = [
        " ".join((*row["under"], one))
        for row in packed(result.failing)
        for one in ([row["text"]] if "text" in row else row["numbers"].split())
    ]
    rest = len(spans) - SHOWN_SPANS
    more = f"; and {rest:,} more in quality.failure" if rest > 0 else ""
    return (
        f'<p class="small">Failing rows by {escape(", ".join(result.key_columns))}: '
        f"{escape('; '.join(spans[:SHOWN_SPANS]))}{more}</p>"
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
