"""Every check stands in docs/checks.md, and what is asked of a delivery is held by something."""

import json
import re

import pytest

from benchmarks import checks
from etl.linkage.rows import UNLINKED_REASONS
from etl.mock import defects
from etl.personal_number import MADE_UP_REASON, REASONS
from etl.settings import CHECKOUT

ASKED = json.loads(checks.SPECIFICATION.read_text(encoding="utf-8"))
LANDING_CODE = "".join(
    path.read_text(encoding="utf-8") for path in sorted((CHECKOUT / "etl" / "landing").glob("*.py"))
)


def known_checks() -> set[str]:
    return {f"{suite}:{check.id}" for suite in checks.suites() for check in checks.checks_of(suite)}


def is_there(place: str) -> bool:
    kind, _, name = place.partition(" ")
    if kind == "check":
        return name in known_checks()
    if kind == "unlinked":
        return name in UNLINKED_REASONS
    if kind == "quarantine":
        return name in {*REASONS, MADE_UP_REASON} or says_landing(name)
    if kind == "finding":
        return says_landing(name)
    if kind == "test":
        path, _, test = name.partition("::")
        return f"\ndef {test}(" in (CHECKOUT / path).read_text(encoding="utf-8")
    return place == "refused"


def says_landing(name: str) -> bool:
    """Reasons of rows: whole ones, and such as begin the name of a column."""
    return bool(re.search(rf"[\"'{{ ]{name}[\"'_ ]", LANDING_CODE))


@pytest.mark.parametrize("asked", [row["asked"] for row in ASKED])
def test_what_is_asked_of_a_delivery_is_held_by_something_that_is_there(asked):
    (row,) = (row for row in ASKED if row["asked"] == asked)
    assert row["held_by"]
    assert [place for place in row["held_by"] if not is_there(place)] == []
    # A refusal names nothing: the test beside it does.
    assert "refused" not in row["held_by"] or any(p.startswith("test ") for p in row["held_by"])


def test_a_place_that_is_not_there_is_seen():
    test = "test tests/test_landing.py::test_no_such"
    kinds = ("check landing.dcr.t_tumor:", "quarantine ", "unlinked ", "finding ")
    for place in (test, "somewhere", *(f"{kind}no_such" for kind in kinds)):
        assert not is_there(place), place


def test_every_rule_of_the_specification_is_asked():
    told = " ".join(row["asked"] for row in ASKED)
    assert [n for n in range(1, 9) if f"Rule {n}:" not in told] == []


@pytest.mark.parametrize("kind", defects.NAMES)
def test_every_known_defect_is_caught_by_something_that_is_there(kind):
    forms = [form for forms in defects.FORMS.values() for form in forms if form.kind == kind]
    assert forms or kind in {"columns", "truncated"}  # of whole files, proved in test_defects.py
    flags = {f.expected.partition(":")[2] for f in forms if f.expected.startswith("flagged:")}
    assert flags <= known_checks()


def test_the_page_of_checks_is_written_from_the_checks():
    """`python -m benchmarks.checks --page-only` writes it again; new checks need a new proof."""
    assert checks.PAGE.read_text(encoding="utf-8") == checks.page(checks.kept())


def test_every_check_was_proved_in_a_clean_mock():
    proofs = checks.kept()
    assert {f"{suite}:{check}" for suite, check in proofs} == known_checks()
    for proof in proofs.values():
        assert (proof.recall, proof.false_positives) == (1, 0), proof
