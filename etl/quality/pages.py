"""Great Expectations' Data Docs of one refresh, as one file that opens offline.

The tables are rendered by that tool from our results. What it puts around them is left out: styles
and scripts from content networks, and an image whose address carries the time it was made at. There
is no time and no run id on the page, so equal results give equal bytes.
"""

import re
from collections.abc import Iterable
from html import escape
from itertools import groupby

from etl.quality.results import Gate, Result, gate, headline, in_order

RUN = {"run_name": "refresh", "run_time": "2000-01-01T00:00:00+00:00"}  # asked for, and not shown
QUIET = {"raised_exception": False, "exception_message": None, "exception_traceback": None}
# The trace of an exception, which we do not keep; its ids are made by chance.
OPENED_BY_SCRIPT = re.compile(
    r'<p class="m-0">\s*<a data-toggle="collapse".*?</p>\s*<div id=\S+ class="collapse.*?</div>',
    re.DOTALL,
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #15181c; --quiet: #565d66; --line: #d9dde2;
  --soft: #f4f6f8; --paper: #fff; --link: #00578f; --bad: #a3260c; --good: #1c6a3a;
  --warn: #7a5200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #a3abb5; --line: #343a42;
  --soft: #1e2329; --paper: #14171b; --link: #7dbdf0; --bad: #ff9d85; --good: #80cf9c;
  --warn: #e8bd62; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.75rem; } h2 { display: inline; font-size: 1.05rem; }
h5 { font-size: 1rem; margin: 1rem 0 .25rem; } h6 { font-size: .9rem; margin: 0; }
a { color: var(--link); } :focus-visible { outline: 3px solid #d98200; outline-offset: 2px; }
details { border-top: 1px solid var(--line); padding: .6rem 0; } summary { cursor: pointer; }
.table-responsive, .index { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 4rem; }
.n { text-align: right; }
.badge, code { font: .85em ui-monospace, Menlo, Consolas, monospace; background: var(--soft);
  padding: .1em .35em; border-radius: .2em; white-space: pre-wrap; overflow-wrap: anywhere; }
.text-danger { color: var(--bad); } .text-success { color: var(--good); }
.text-warning { color: var(--warn); } .badge-danger { color: var(--bad); }
i.fas { font-style: normal; } .fa-times::before { content: "✕ fails"; }
.fa-check-circle::before { content: "✓ holds"; }
.fa-exclamation-triangle::before { content: "? not run"; }
.quiet { color: var(--quiet); }
@media print { details::details-content { content-visibility: visible; block-size: auto; } }
"""


def data_docs(results: Iterable[Result]) -> str:
    """The page as text: an index, and every table on which checks were run.

    A check about no rows is counted and left out: that tool would tell it as one that holds.
    """
    results = in_order(results)
    suites = [
        (suite, scope, list(group))
        for (suite, scope), group in groupby(results, key=lambda r: (r.check.suite, r.scope))
    ]
    parts = [_part(nth, *suite) for nth, suite in enumerate(suites, start=1)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data Docs</title><style>{STYLE}</style></head><body>"
        f"{_head(gate(results), headline(results))}{_index(suites)}{''.join(parts)}"
        "</body></html>\n"
    )


def _head(state: Gate, words: str) -> str:
    failures = "".join(f"<li>{escape(failure)}</li>" for failure in state.failures)
    return (
        '<h1>Data Docs</h1><p><a href="index.html#quality">Quality on the page of the release</a>'
        " has the same checks in words, over time and with every failing row.</p>"
        f"<p>Gate <b>{state.state}</b>. {escape(words)}.</p>"
        f"{f'<ul>{failures}</ul>' if failures else ''}"
        '<p class="quiet">As Great Expectations renders them. A check holds while no more '
        "rows fail than it tolerates.</p>"
    )


def _index(suites: list[tuple[str, str, list[Result]]]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><a href="#s{nth}">{escape(_name(suite, scope))}</a></th>'
        f'<td class="n">{sum(_is_told(r) for r in of):,}</td>'
        f'<td class="n">{sum(_is_told(r) and not _holds(r) for r in of):,}</td>'
        f'<td class="n">{sum(not _is_told(r) for r in of):,}</td></tr>'
        for nth, (suite, scope, of) in enumerate(suites, start=1)
    )
    heads = "".join(
        f'<th scope="col" class="n">{word}</th>' for word in ("Checks", "Do not hold", "No rows")
    )
    return (
        '<div class="index" role="region" aria-label="Suites" tabindex="0"><table><thead><tr>'
        f'<th scope="col">Suite</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _part(nth: int, suite: str, scope: str, results: list[Result]) -> str:
    return (
        f'<details id="s{nth}"><summary><h2>{escape(_name(suite, scope))}</h2></summary>'
        f"{_rendered(suite, [r for r in results if _is_told(r)], f's{nth}-')}</details>"
    )


def _name(suite: str, scope: str) -> str:
    return f"{suite}, {scope}" if scope else suite


def _is_told(result: Result) -> bool:
    return result.status != "not_applicable"


def _holds(result: Result) -> bool:
    return result.status in ("pass", "pass_with_findings")


def _rendered(suite: str, results: list[Result], prefix: str) -> str:
    """The sections about columns and tables, without that of the run and the links to its files."""
    if not results:
        return "<p>No check is about a row of it.</p>"
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaSectionView

    validation = ExpectationSuiteValidationResult(
        success=all(map(_holds, results)),
        results=[_validation(result) for result in results],
        suite_name=suite,
        statistics=dict.fromkeys(
            ("evaluated_expectations", "successful_expectations", "unsuccessful_expectations",
             "success_percent"), 0,
        ),
        meta={"great_expectations_version": "", "run_id": RUN, "batch_spec": {},
              "batch_markers": {}, "active_batch_definition": {}},
    )  # fmt: skip
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(validation)
    view = DefaultJinjaSectionView()
    # The first section sums up and the last one is about the run: neither is of the data.
    return "".join(
        _offline(
            view.render({"section": section.to_json_dict(), "section_loop": {"index": nth}}),
            f"{prefix}{nth}-",
        )
        for nth, section in enumerate(document.sections[1:-1], start=1)
    )


def _offline(text: str, prefix: str) -> str:
    """A section with ids of its own, without what only a script of that tool could open."""
    text = OPENED_BY_SCRIPT.sub("", text)
    text = re.sub(r'(\bid="?|href="#)(?=\w)', rf"\g<1>{prefix}", text)
    return re.sub(r"\s*\n\s*", "\n", text)


def _validation(result: Result):
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )

    told = {
        "observed_value": result.n_failing,
        "element_count": result.n_checked,
        "unexpected_count": result.n_failing,
        "unexpected_percent": 100 * result.n_failing / result.n_checked if result.n_checked else 0,
        "missing_count": 0,
        "missing_percent": 0.0,
        "partial_unexpected_list": [],
    }
    stopped = {
        "raised_exception": True,
        "exception_message": result.reason,
        "exception_traceback": "",
    }
    return ExpectationValidationResult(
        success=_holds(result),
        expectation_config=ExpectationConfiguration(
            type=result.check.expectation, kwargs=result.check.kwargs, meta={}
        ),
        result={} if result.status == "not_run" else told,
        meta={},
        exception_info=stopped if result.status == "not_run" else QUIET,
    )
