"""Figures and page: the same bytes, no server, nothing over anything else, every number given."""

import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import combinations, product
from math import sqrt
from pathlib import Path

import pytest

from etl import registers, report
from etl.estimate import FactorPlan as Factor
from etl.estimate import OutcomePlan as Outcome
from etl.estimate import Plan
from etl.report import cohort, curves, drawing, forest, stability
from etl.report.frame import inline
from etl.settings import CHECKOUT

HORIZON = 1826
Z = 1.96


OUTCOMES = (
    Outcome("metastasis", "Metastasis", 0.05),
    Outcome("local_recurrence", "Local recurrence", 0.10, from_day=90),
)
FACTORS = (
    Factor("necrosis", "Necrosis", ("yes", "no"), "no", True),
    Factor("mitotic_grade", "Mitotic grade", ("3", "1-2"), "1-2", True),
    Factor("invasion", "Perineural or intravascular invasion", ("yes", "no"), "no", True),
    Factor("margins", "Margins", ("positive", "negative"), "negative", True),
    Factor("risk_group", "Risk group (any of the four)", ("high", "low"), "low", False),
    Factor("size", "Size", ("over 20 mm", "up to 20 mm"), "up to 20 mm", False),
    Factor("depth", "Subcutaneous extension", ("yes", "no"), "no", False),
    Factor("sex", "Sex", ("male", "female"), "female", False),
    Factor("age", "Age at diagnosis", ("65 and over", "under 65"), "under 65", False),
    Factor("period", "Ascertainment period", ("to 1996", "1997-2004", "2005 on"), "1997-2004",
           False),
)  # fmt: skip
DLMS = Plan("dlms", (HORIZON,), OUTCOMES, FACTORS)
ONE = Plan("one", (365,), OUTCOMES[:1], FACTORS[:1])
LONG = Plan(
    "long",
    (HORIZON,),
    (
        Outcome("a", "Distant metastasis to any organ, found by imaging or at autopsy, " * 2, 0.05),
        Outcome("b", "b", 0.30),
        Outcome("c", "A third outcome", 0.10),
    ),
    (
        Factor(
            "x",
            "A factor whose label somebody wrote as a whole sentence, with Speiseröhrenentzündungs"
            "verdachtsfragebogenauswertung in the middle",
            ("a level that is a sentence of its own, and a rather long one", "no", "$5_a$ & <b>"),
            "no",
            True,
        ),
        Factor("y", "y", ("1", "0"), "0", False),
    ),
)
EVENTS = {"yes": 4, "3": 5, "positive": 9, "high": 12, "to 1996": 0}
SIZES = {"yes": 43, "3": 77, "positive": 36, "high": 108, "to 1996": 7}


def _interval(p: float, n: int) -> tuple[float, float]:
    middle, spread = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return (middle - spread) / (1 + Z**2 / n), (middle + spread) / (1 + Z**2 / n)


def _risk(outcome: str, factor: str, level: str, horizon: int, n: int, events: int) -> dict:
    events = min(events, n)
    row = {
        "outcome": outcome, "factor": factor, "level": level, "horizon_days": horizon, "n": n,
        "events": events, "at_risk": max(n - events - n // 3, 0), "competing": n // 9,
        "censored": n // 3 - n // 9, "note": None,
    }  # fmt: skip
    if n == 0:
        numbers = dict.fromkeys(
            ("estimate", "std_error", "lower", "upper", "recommended_lower", "recommended_upper")
        )
        return row | numbers | {"note": "nobody in this group"}
    p = events / n
    error = sqrt(p * (1 - p) / n)
    low, high = _interval(p, n)
    return row | {
        "estimate": p, "std_error": error, "lower": max(p - Z * error, 0),
        "upper": min(p + Z * error, 1), "recommended_lower": low, "recommended_upper": high,
        "note": "fewer than 5 events" if events < 5 else None,
    }  # fmt: skip


def _contrast(risk: dict, other: dict) -> dict:
    row = {name: risk[name] for name in ("outcome", "factor", "level", "horizon_days")} | {
        "reference": other["level"],
        "note": None,
    }
    if risk["estimate"] is None or other["estimate"] is None:
        names = ("risk_difference", "std_error", "lower", "upper", "recommended_lower",
                 "recommended_upper", "p_value", "risk_ratio", "ratio_lower",
                 "ratio_upper")  # fmt: skip
        return row | dict.fromkeys(names)
    d = risk["estimate"] - other["estimate"]
    error = sqrt(risk["std_error"] ** 2 + other["std_error"] ** 2)
    down = sqrt(
        (risk["estimate"] - risk["recommended_lower"]) ** 2
        + (other["recommended_upper"] - other["estimate"]) ** 2
    )
    up = sqrt(
        (risk["recommended_upper"] - risk["estimate"]) ** 2
        + (other["estimate"] - other["recommended_lower"]) ** 2
    )
    return row | {
        "risk_difference": d, "std_error": error, "lower": d - Z * error, "upper": d + Z * error,
        "recommended_lower": d - down, "recommended_upper": d + up, "p_value": 0.0313 + d,
        "risk_ratio": 2.5 + d, "ratio_lower": 1.0625 + d, "ratio_upper": 5.75 + d,
    }  # fmt: skip


def document(plan: Plan, empty: bool = False) -> dict:
    """A made-up document in the shape of estimates.json; `empty` has nobody in any group."""
    risks, contrasts, rule = [], [], []
    for outcome, horizon in product(plan.outcomes, plan.horizons_days):
        risks.append(_risk(outcome.name, "(all)", "(all)", horizon, 0 if empty else 381, 9))
        for factor in plan.factors:
            groups = {}
            for level in factor.levels:
                n = 6 if factor.name == "invasion" and level == "yes" else SIZES.get(level, 268)
                events = 2 if n == 6 else min(EVENTS.get(level, 6), n)
                groups[level] = _risk(
                    outcome.name, factor.name, level, horizon, 0 if empty else n, events
                )
            risks += groups.values()
            for level in factor.levels:
                if level == factor.reference:
                    continue
                contrast = _contrast(groups[level], groups[factor.reference])
                contrasts.append(contrast)
                if factor.is_rule_factor:
                    d = contrast["risk_difference"]
                    rule.append(
                        {
                            **{key: contrast[key] for key in ("outcome", "factor", "level")},
                            "horizon_days": horizon,
                            "risk_difference": d,
                            "threshold": outcome.threshold,
                            "high_risk": None if d is None else d > outcome.threshold,
                            "bootstrap_share": None if d is None else 0.713,
                            "bootstrap_samples": 2000,
                        }
                    )
    return {
        "study": plan.study_id,
        "cohort_size": 0 if empty else 381,
        "median_age": None if empty else 66.5,
        "share_male": None if empty else 0.7113,
        "risks": risks,
        "contrasts": contrasts,
        "rule": rule,
        "gray_test": [
            {
                "outcome": o.name,
                "factor": f.name,
                "statistic": 7.5,
                "degrees_of_freedom": 1,
                "p_value": None if empty else 0.0062 + 0.01 * i,
                "note": None,
            }
            for i, (o, f) in enumerate(product(plan.outcomes, plan.factors))
        ],
        "time_lost": [
            {key: r[key] for key in ("outcome", "factor", "level", "horizon_days", "note")}
            | (
                {"days_lost": None, "std_error": None, "lower": None, "upper": None}
                if empty
                else {
                    "days_lost": 41.25 + i,
                    "std_error": 9.5,
                    "lower": 22.6 + i,
                    "upper": 59.9 + i,
                }
            )
            for i, r in enumerate(risks)
        ],
        "follow_up": [
            {
                "outcome": o.name,
                "n": 0 if empty else 381,
                "lower_quartile_days": 1313,
                "median_days": 2717,
                "upper_quartile_days": None,
                "last_event_days": 1409,
                "last_days": 8217,
            }
            for o in plan.outcomes
        ],
        "yearly": [
            {"outcome": o.name, "year": year, "at_risk": 381 - 50 * year, "events": 5 - year}
            for o in plan.outcomes
            for year in range(1, 6)
        ],
        "schedule": [
            {"year": year, "visits": 2 if year == 1 else 1, "is_imaged_at_high_risk": year <= 2}
            for year in range(1, 5)
        ],
        "missing": [{"factor": f.name, "n": 17 * i} for i, f in enumerate(plan.factors)],
        "prevalent": [{"outcome": o.name, "n": 3 * i} for i, o in enumerate(plan.outcomes)],
        "methods": {"estimator": "Aalen–Johansen", "level": 0.95},
    }


def curve(plan: Plan, n: int = 381, scale: int = 1) -> list[dict]:
    """The whole cohort, somebody leaving every fortnight; `scale` multiplies all persons."""
    rows = []
    for number, outcome in enumerate(plan.outcomes):
        left, free, risk, competing = n, 1.0, 0.0, 0.0
        for step in range(200):
            days = step * 14
            events = int(step % (11 - 6 * number) == 4 and 6 < step < 90)
            deaths = int(step % 3 == 1)
            censored = int(step % 2 == 0 and step > 0)
            risk += free * events / left
            competing += free * deaths / left
            free = 1 - risk - competing
            low, high = _interval(risk, n)
            rows.append(
                {
                    "study_id": plan.study_id, "outcome": outcome.name, "factor": "(all)",
                    "level": "(all)", "days": days, "n_at_risk": left * scale,
                    "n_events": events * scale, "n_competing": deaths * scale,
                    "n_censored": censored * scale, "risk": risk, "competing_risk": competing,
                    "recommended_lower": low, "recommended_upper": high,
                }
            )  # fmt: skip
            left -= events + deaths + censored
    return rows


def _step(step: int, label: str, unit: str, n_in: int, n_excluded: int) -> dict:
    return {
        "study_id": "dlms", "step": step, "criterion": f"c{step}", "label": label, "unit": unit,
        "n_in": n_in, "n_excluded": n_excluded, "n_out": n_in - n_excluded,
    }  # fmt: skip


ATTRITION = [
    _step(0, "Candidate requisitions; excluded: the number leads to no person", "requisitions",
          1274, 14),
    _step(1, "Candidate persons", "persons", 620, 0),
    _step(2, "Only metastases, no primary tumour on the skin", "persons", 620, 14),
    _step(3, "Slides not reviewable", "persons", 606, 61),
    _step(4, "Not dermal leiomyosarcoma on review", "persons", 545, 120),
    _step(5, "Diagnosed before 1980 or after 2022", "persons", 425, 22),
    _step(6, "Not resident in Denmark on the index date", "persons", 403, 0),
    _step(7, "Found at autopsy: dead on or before the index date", "persons", 403, 15),
    _step(8, "Followed for less than a day", "persons", 388, 7),
]  # fmt: skip
FLOW = [
    {"register": "patobank", "table_name": "t_pato", "period": "2001", "stage": stage,
     "reason": reason, "n_rows": n}
    for stage, reason, n in (
        ("received", "", 5120), ("quarantined", "number malformed", 11), ("landed", "", 5109),
        ("linked", "", 5102), ("unlinked", "number unknown", 7))
]  # fmt: skip
CHECKS = [
    {"check_id": "k1", "suite": "landing.cpr", "status": "pass", "severity": "fatal",
     "category": "conformance", "words": "Each key once", "n_checked": 812, "n_failing": 0},
    {"check_id": "k2", "suite": "landing.cpr", "status": "fail", "severity": "convention",
     "category": "plausibility", "words": "Died after birth", "n_checked": 813, "n_failing": 3,
     "tolerated_percent": 0.1, "why": "A death before birth is a typing error."},
    {"check_id": "k3", "status": "not_applicable", "n_checked": 0, "n_failing": 0},
    {"check_id": "k4", "suite": "marts.cohort", "status": "pass_with_findings", "n_failing": 2},
]  # fmt: skip
EVIDENCE = {
    "study": "dlms",
    "release_id": "0123456789ab",
    "keys": {"data": "d" * 64, "definition": "e" * 64, "code": "f" * 64, "gate": "amber"},
    "deliveries": [
        {"register": "cpr", "table_name": "t_person", "period": None, "delivered_on": "2024-06-01",
         "complete_to": "2023-06-30", "rows": 4711, "sha256": "a" * 64, "format": "csv",
         "path": "cpr/2024-06-01/t_person.csv"}
    ],
    "contracts": {"cpr": "1.2.0"},
    "environment_lock_sha256": "b" * 64,
}  # fmt: skip
FILES = [{"path": "estimates.json", "bytes": 48213}, {"path": "parquet/cohort.parquet", "bytes": 9}]
TITLE = "Risk groups in dermal leiomyosarcoma, Denmark 1980–2022"


def baseline(plan: Plan, by: str | None, n: int = 40) -> list[dict]:
    """Rows of marts.baseline: everybody on the first level of each factor but one unknown."""
    groups = {"all": n}
    for factor in plan.factors:
        if factor.name == by:
            groups |= dict.fromkeys((*factor.levels, "missing"), 0) | {factor.levels[0]: n}
    rows = []
    for (group, size), factor in product(groups.items(), plan.factors):
        counts = dict.fromkeys(factor.levels, 0) | {"missing": min(1, size)}
        counts[factor.levels[0]] = max(0, size - 1)
        rows += [
            {
                "group_level": group,
                "n_group": size,
                "characteristic": factor.name,
                "level": level,
                "n_persons": count,
                "median": None,
                "lower_quartile": None,
                "upper_quartile": None,
            }
            for level, count in counts.items()
        ]
    for group, size in groups.items():
        middle = 66.25 if size else None
        rows += [
            {
                "group_level": group,
                "n_group": size,
                "characteristic": "age_years",
                "level": level,
                "n_persons": count,
                "median": middle,
                "lower_quartile": middle and 50.0,
                "upper_quartile": middle and 77.5,
            }
            for level, count in (("known", size), ("missing", 0))
        ]
    return rows  # fmt: skip


INTERSECTIONS = [
    {"criteria_bits": "11", "failed_criteria": "", "n_failed": 0, "n_persons": 381},
    {"criteria_bits": "01", "failed_criteria": "c2", "n_failed": 1,
     "n_persons": 9},
]  # fmt: skip


CODES = [
    {"list": "case_topography", "code": "T01", "name": "skin", "system": "SNOMED",
     "valid_from": None, "valid_to": None, "source": None, "n_requisitions": 0,
     "n_outside_era": 0, "first_date": None, "last_date": None},
    {"list": "case_morphology", "code": "M8896", "name": "myxoid leiomyosarcoma",
     "system": "SNOMED", "valid_from": "1970-01-01", "valid_to": None, "source": "ICD-O-3 8896",
     "n_requisitions": 1234, "n_outside_era": 56, "first_date": "1969-01-02",
     "last_date": "2021-03-04"},
]  # fmt: skip


FIGURE = (
    '<?xml version="1.0"?><svg xmlns="http://x" xmlns:xlink="http://y" viewBox="0 0 90 60">'
    "<defs><style>*{stroke-linejoin: round}</style><path/></defs>"
    '<g id="a"><use xlink:href="#a"/></g></svg>'
)
NO_LINKAGE = report.Linkage([], [], [], [], [], [])


def page(**changes) -> str:
    plan = changes.get("plan", DLMS)
    given = {
        "document": document(DLMS), "plan": DLMS, "attrition": ATTRITION, "linkage_flow": FLOW,
        "baseline": baseline(plan, plan.factors[0].name), "baseline_by": plan.factors[0].name,
        "intersections": INTERSECTIONS, "codes": CODES,
        "linkage": NO_LINKAGE, "checks": CHECKS, "waivers": [], "overrides": [], "fitness": [],
        "sensitivity": [], "catalogue": [], "figures": dict.fromkeys(report.FIGURES, FIGURE),
        "evidence": EVIDENCE, "files": FILES,
        "title": TITLE,
        "question": "Which findings divide patients?",
    }  # fmt: skip
    return report.index_page(**given | changes)


def write_figures(plan: Plan, folder: Path, empty: bool = False) -> list[Path]:
    folder.mkdir()
    pairs = {
        name: (folder / f"{name}.svg", folder / f"{name}.png")
        for name in ("forest_plot", "cumulative_incidence", "stability", "cohort_flow")
    }
    report.forest_plot(document(plan, empty), plan, *pairs["forest_plot"])
    report.cumulative_incidence([] if empty else curve(plan), plan, *pairs["cumulative_incidence"])
    report.stability_strip(document(plan, empty), plan, *pairs["stability"])
    report.cohort_flow(ATTRITION, *pairs["cohort_flow"], TITLE)
    return [path for pair in pairs.values() for path in pair]


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each section."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text: dict[str, str] = {}
        self._section = "top"
        self._open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["aria-labelledby"]
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self._open[-1:] not in (["style"], ["script"]):
            self.text[self._section] = self.text.get(self._section, "") + " " + data


# ------------------------------------------------------------------ the same, and alone


def test_the_same_input_gives_the_same_bytes_whatever_matplotlibrc_says(tmp_path):
    import matplotlib

    first = write_figures(DLMS, tmp_path / "one")
    with matplotlib.rc_context({"font.size": 20, "lines.antialiased": False, "svg.hashsalt": "x"}):
        second = write_figures(DLMS, tmp_path / "two")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    assert page() == page()


def test_a_figure_says_neither_when_nor_by_what_it_was_made(tmp_path):
    from PIL import Image

    for path in write_figures(ONE, tmp_path / "one"):
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert set(image.info) == {"dpi"}
        else:
            text = path.read_text()
            assert "matplotlib" not in text.lower()
            assert "metadata" not in text
            assert not re.search(r"\d\d:\d\d", text)


def test_a_vector_figure_needs_no_font_and_no_server(tmp_path):
    for path in write_figures(LONG, tmp_path / "one"):
        if path.suffix == ".svg":
            text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", path.read_text())
            assert "<text" not in text
            assert "font-family" not in text
            assert "//" not in text
            assert "http" not in text


def test_the_page_asks_no_server_and_runs_only_its_own_script():
    text = page(catalogue=registers.catalogue().values())
    assert not re.search(r"https?:|@import|url\((?!#)", text)
    tags = Reader(text).tags
    assert not {"link", "iframe", "object", "base", "img"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        assert "src" not in attributes
        assert not re.match(r"\w+:|/", attributes.get("href") or "")
        assert not any(name.startswith("on") for name in attributes)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    own = b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{own}'"
    )


def test_a_figure_within_the_page_shares_no_id_and_no_style_with_another():
    shown = inline(FIGURE, "one", "words")
    assert 'id="one-a"' in shown
    assert 'href="#one-a"' in shown
    assert not re.search(r"<style|xmlns|http|xlink", shown)
    assert shown.startswith('<svg viewBox="0 0 90 60" width="90" role="img" aria-label="words"')
    with pytest.raises(ValueError, match="one: no SVG picture"):
        inline("<p>", "one", "words")


def test_matplotlib_is_loaded_only_when_something_is_drawn():
    code = "import sys, etl.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0


def test_drawing_touches_no_state_of_pyplot(tmp_path):
    code = (
        "import sys; sys.path[:0] = ['tests']; import test_report as t; from pathlib import Path;"
        "t.write_figures(t.ONE, Path(sys.argv[1])); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "one")]
    assert subprocess.run(run, cwd=CHECKOUT, check=False).returncode == 0


# ------------------------------------------------------------------ nothing over anything else


def overlaps(sheet) -> list[tuple[str, str]]:
    """Pairs of texts that cover one another, and texts that reach past the sheet."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(sheet.figure)
    renderer = canvas.get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in sheet.figure.findobj(Text)
    ]
    page_box = sheet.figure.bbox
    slack = 0.8  # pixels: a box is rounded outwards
    found = [
        (a, b)
        for (a, one), (b, two) in combinations(boxes, 2)
        if min(one.x1, two.x1) - max(one.x0, two.x0) > slack
        and min(one.y1, two.y1) - max(one.y0, two.y0) > slack
    ]
    return found + [
        (text, "the edge")
        for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > page_box.x1 or box.y1 > page_box.y1
    ]


@pytest.mark.parametrize("plan", [DLMS, ONE, LONG], ids=["2x10", "1x1", "long labels"])
@pytest.mark.parametrize("empty", [False, True], ids=["estimates", "nobody"])
def test_no_text_covers_another_in_the_forest_plot(plan, empty):
    with drawing.own_style():
        assert overlaps(forest.draw(document(plan, empty), plan)) == []


def of_many_factors(n: int) -> Plan:
    """Names of all lengths, two and three levels, every factor judged by the rule."""
    words = "Perineural or intravascular invasion at the deepest margin of the specimen"
    factors = tuple(
        Factor(f"f{i}", words[: 4 + 5 * i % len(words)], ("a", "bb", "none")[i % 2 :], "none", True)
        for i in range(n)
    )
    return Plan("many", (HORIZON,), OUTCOMES, factors)


@pytest.mark.parametrize("n", [1, 2, 8, 40])
def test_no_text_covers_another_at_any_number_of_factors(n):
    plan = of_many_factors(n)
    with drawing.own_style():
        assert overlaps(forest.draw(document(plan), plan)) == []
        sheet = stability.draw(document(plan), plan)
        assert overlaps(sheet) == []
    assert len([t for t in texts_of(sheet) if t.endswith("71 %")]) == len(document(plan)["rule"])


@pytest.mark.parametrize("plan", [DLMS, ONE, LONG], ids=["2x10", "1x1", "long labels"])
@pytest.mark.parametrize("empty", [False, True], ids=["estimates", "nobody"])
def test_no_text_covers_another_in_the_stability_strip(plan, empty):
    with drawing.own_style():
        assert overlaps(stability.draw(document(plan, empty), plan)) == []
        assert overlaps(stability.draw(document(plan) | {"rule": []}, plan)) == []


@pytest.mark.parametrize("plan", [DLMS, ONE, LONG], ids=["2", "1", "long labels"])
@pytest.mark.parametrize("scale", [1, 10_000_000], ids=["hundreds", "billions"])
def test_no_text_covers_another_in_the_curves(plan, scale):
    with drawing.own_style():
        rows = curve(plan, scale=scale)
        assert overlaps(curves.draw(rows, plan)) == []
        nobody_died = [row | {"competing_risk": 0.0} for row in rows]
        assert overlaps(curves.draw(nobody_died, plan)) == []
        assert overlaps(curves.draw([], plan)) == []


def test_no_text_covers_another_in_the_cohort_flow():
    long = [row | {"label": f"{row['label']}, " * 6} for row in ATTRITION]
    millions = [
        row | {name: row[name] * 10**6 for name in ("n_in", "n_excluded", "n_out")}
        for row in ATTRITION
    ]
    with drawing.own_style():
        for rows in (ATTRITION, long, millions, ATTRITION[2:], ATTRITION[:1], []):
            assert overlaps(cohort.draw(rows, TITLE * 2)) == []


def test_wrapped_lines_keep_to_their_width_and_lose_no_letter():
    text = LONG.factors[0].label
    for width in (30, 90, 180):
        lines = drawing.wrapped(text, width, bold=True)
        assert all(drawing.width_of(line, bold=True) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


# ------------------------------------------------------------------ what the figures say


def texts_of(sheet) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in sheet.figure.findobj(Text) if text.get_text()]


def test_the_forest_plot_prints_every_group_with_the_recommended_interval():
    given = document(DLMS)
    with drawing.own_style():
        texts = texts_of(forest.draw(given, DLMS))
    for risk in given["risks"]:
        low, high = (100 * risk[f"recommended_{end}"] for end in ("lower", "upper"))
        assert f"{100 * risk['estimate']:.1f} ({low:.1f}–{high:.1f})" in texts
        assert f"{risk['events']} / {risk['n']}" in texts
    for contrast in given["contrasts"]:
        numbers = [100 * contrast[name] for name in
                   ("risk_difference", "recommended_lower", "recommended_upper")]  # fmt: skip
        d, low, high = (f"{round(n, 1) + 0.0:.1f}".replace("-", "−") for n in numbers)
        assert f"{d} ({low} to {high})" in texts
    assert texts.count("reference") == len(DLMS.outcomes) * len(DLMS.factors)
    assert "threshold 5" in texts
    assert "threshold 10" in texts


def test_the_strip_reaches_as_far_as_the_share_and_differs_without_colour():
    from matplotlib.patches import Polygon

    given = document(ONE)
    reaches, lines = {}, {}
    for share, high in ((0.25, True), (0.75, True), (0.75, False)):
        given["rule"][0] |= {"bootstrap_share": share, "high_risk": high}
        with drawing.own_style():
            sheet = stability.draw(given, ONE)
        boxes = [p.get_xy()[:, 0] for p in sheet.figure.findobj(Polygon) if p.get_zorder() == 3]
        reaches[share, high] = max(boxes[0]) - min(boxes[0])
        lines[share, high] = len(sheet.figure.findobj(lambda a: a.get_zorder() == 3.5))
    assert reaches[0.75, True] == pytest.approx(3 * reaches[0.25, True])
    assert reaches[0.75, True] == reaches[0.75, False] == pytest.approx(0.75 * 240)
    assert lines[0.75, True] == 0 < lines[0.75, False]


def luminance(colour: str) -> float:
    """Relative luminance from 0 to 1, as WCAG 2 defines it: what is left in black and white."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, two: str) -> float:
    dark, light = sorted(map(luminance, (one, two)))
    return (light + 0.05) / (dark + 0.05)


def test_every_text_and_area_can_be_told_apart_in_black_and_white():
    from matplotlib.patches import Polygon
    from matplotlib.text import Text

    with drawing.own_style():
        curve_sheet = curves.draw(curve(DLMS), DLMS)
        sheets = [forest.draw(document(DLMS), DLMS), stability.draw(document(DLMS), DLMS),
                  cohort.draw(ATTRITION, TITLE), curve_sheet]  # fmt: skip
    for sheet in sheets:
        for text in sheet.figure.findobj(Text):
            assert contrast(text.get_color(), drawing.BAND) >= 4.5, text.get_text()
    areas = {p.get_facecolor() for p in curve_sheet.figure.findobj(Polygon)} | {(1, 1, 1, 1)}
    outcome, death, paper = sorted(areas, key=luminance)
    assert contrast(outcome, death) >= 3
    assert contrast(death, paper) >= 1.2  # and a dark line between them


def test_the_middle_of_the_strip_is_seen_on_filled_and_on_empty():
    from matplotlib.lines import Line2D

    with drawing.own_style():
        sheet = stability.draw(document(ONE), ONE)
    lines = [
        line for line in sheet.figure.findobj(Line2D)
        if len(set(line.get_xdata())) == 1 and line.get_zorder() > 3.5
    ]  # fmt: skip
    under, dashes = sorted(lines, key=lambda line: line.get_zorder())
    assert under.get_xdata()[0] == dashes.get_xdata()[0]
    assert (under.get_color(), dashes.get_color()) == ("white", drawing.INK)
    assert under.get_linewidth() > dashes.get_linewidth()


def test_the_print_figure_is_pdf_with_its_fonts_and_without_a_date(tmp_path):
    write_figures(ONE, tmp_path / "one")
    for path in (tmp_path / "one").glob("*.svg"):
        content = path.with_suffix(".pdf").read_bytes()
        assert content.startswith(b"%PDF")
        assert b"FontFile2" in content  # TrueType, embedded
        assert b"CreationDate" not in content
        assert b"atplotlib" not in content


def test_the_page_shows_p_values_ratios_time_lost_and_the_schedule():
    given = document(DLMS)
    results = " ".join(Reader(page(document=given)).text["results"].split())
    for words in ("0.031", "2.50", "1.06 to 5.75", "0.006", "Restricted mean time lost", "41.2",
                  "22.6 to 59.9", "Follow-up schedule", "2,717", "1,409"):  # fmt: skip
        assert words in results, words
    # Each row has its own figures, and the test of its own factor and outcome.
    for row in given["contrasts"]:
        factor = next(f for f in FACTORS if f.name == row["factor"])
        outcome = next(o for o in OUTCOMES if o.name == row["outcome"])
        gray = next(
            g["p_value"] for g in given["gray_test"]
            if (g["outcome"], g["factor"]) == (row["outcome"], row["factor"])
        )  # fmt: skip
        d = f"{round(100 * row['risk_difference'], 1) + 0.0:.1f}".replace("-", "−")
        assert (
            f"{factor.label}: {row['level']} against {row['reference']} {outcome.label}, 5 years "
            f"{d} {row['p_value']:.3f} {row['risk_ratio']:#.3g} "
            f"{row['ratio_lower']:#.3g} to {row['ratio_upper']:#.3g} {gray:.3f} "
        ) in f"{results} "
    for row in given["time_lost"]:
        assert f"{row['days_lost']:,.1f} {row['lower']:,.1f} to {row['upper']:,.1f}" in results
    for row in given["yearly"]:
        outcome = next(o for o in OUTCOMES if o.name == row["outcome"])
        assert f"{row['year']} {outcome.label} {row['at_risk']} {row['events']} " in f"{results} "
    assert "Imaging at high risk 1 2 yes 2 1 yes 3 1 no 4 1 no" in results


def test_few_events_are_marked_in_the_figure_and_five_are_not():
    for events, marked in ((4, True), (5, False)):
        given = document(ONE)
        for risk in given["risks"]:
            if risk["level"] == "yes":
                risk["events"] = events
        with drawing.own_style():
            texts = texts_of(forest.draw(given, ONE))
        assert ("*" in texts) == marked
        assert any("fewer than 5 events" in text for text in texts) == marked


def test_what_cannot_be_estimated_is_a_dash_and_never_a_zero():
    given = document(DLMS, empty=True)
    with drawing.own_style():
        texts = texts_of(forest.draw(given, DLMS))
    assert "–" in texts
    assert not any("0.0" in text for text in texts)
    results = Reader(page(document=given)).text["results"]
    assert "0.0" not in results
    assert "nobody in this group" in results
    assert "no answer" in results


def test_an_interval_of_a_handful_does_not_press_the_others_together():
    usual = _drawn(0.05, 0.0, 0.1)
    wide = _drawn(0.2, -0.4, 0.95)
    ticks = forest._axis([usual, wide], 0.05)
    assert ticks[0] <= 0
    assert 0.2 <= ticks[-1] < 0.3
    assert forest._axis([wide], 0.05)[-1] >= 0.95


def _drawn(*ends: float) -> forest._Cells:
    return forest._Cells("", "", "", "", "", "", _span(*ends), is_weak=False)


def _span(difference: float, low: float, high: float) -> dict:
    return {"risk_difference": difference, "lower": low, "upper": high,
            "recommended_lower": low, "recommended_upper": high}  # fmt: skip


def test_at_risk_is_counted_before_a_day_and_events_up_to_and_including_it():
    rows = [
        {"days": 0, "n_at_risk": 10, "n_events": 0, "n_competing": 0, "n_censored": 0},
        {"days": 100, "n_at_risk": 10, "n_events": 1, "n_competing": 2, "n_censored": 0},
        {"days": 200, "n_at_risk": 7, "n_events": 1, "n_competing": 0, "n_censored": 3},
    ]
    assert curves._counts_at(rows, 0) == (10, 0, 0)
    assert curves._counts_at(rows, 99) == (10, 0, 0)
    assert curves._counts_at(rows, 100) == (10, 1, 2)
    assert curves._counts_at(rows, 101) == (7, 1, 2)
    assert curves._counts_at(rows, 200) == (7, 2, 2)
    assert curves._counts_at(rows, 365) == (3, 2, 2)


def test_the_curve_ends_where_nobody_is_followed_any_more():
    from matplotlib.lines import Line2D

    ends = []
    for last in (900, 3000):
        rows = [row for row in curve(DLMS) if row["days"] <= last]
        with drawing.own_style():
            sheet = curves.draw(rows, DLMS)
        widest = max(
            line.get_xdata()[-1] - line.get_xdata()[0]
            for line in sheet.figure.findobj(Line2D)
            if len(line.get_xdata()) > 2
        )
        ends.append(widest / curves.PLOT_WIDTH)
    assert ends[0] == pytest.approx(896 / HORIZON)
    assert ends[1] == pytest.approx(1)


# ------------------------------------------------------------------ the flow


def test_the_flow_line_names_every_loss_and_closes():
    assert report.flow_line(ATTRITION) == (
        "Cohort flow: 620 candidate persons − 14 only metastases, no primary tumour on the skin "
        "− 61 slides not reviewable − 120 not dermal leiomyosarcoma on review "
        "− 22 diagnosed before 1980 or after 2022 "
        "− 15 found at autopsy: dead on or before the index date − 7 followed for less than a day "
        "→ 381 included"
    )


def test_the_flow_line_does_not_depend_on_the_order_of_rows():
    assert report.flow_line(ATTRITION[::-1]) == report.flow_line(ATTRITION)


def test_a_flow_that_begins_with_a_loss_and_one_without_steps_have_a_line_too():
    rows = [_step(1, "WHO class unknown", "persons", 9, 2)]
    assert report.flow_line(rows) == "Cohort flow: 9 persons − 2 WHO class unknown → 7 included"
    assert report.flow_line([]) == "Cohort flow: no steps"


def test_the_flow_picture_shows_every_count_also_of_those_where_nobody_left():
    with drawing.own_style():
        texts = texts_of(cohort.draw(ATTRITION, TITLE))
    for number in ("1,274", "620", "606", "545", "425", "388", "381", "14", "61", "22", "0", "7"):
        assert number in texts
    assert texts.count("14") == 2
    assert "persons included" in texts
    assert "1,260 requisitions" in " ".join(texts)


# ------------------------------------------------------------------ the page


def test_whatever_comes_in_is_escaped():
    bad = '<script>alert("x")</script><img src=x onerror=y> & \'"><b>'
    outcome = Outcome("o", bad, 0.05, from_day=7)
    factor = Factor("f", bad, (bad, "no"), "no", True)
    plan = Plan(bad, (HORIZON,), (outcome,), (factor,))
    given = document(plan) | {"notes": [bad], "methods": {bad: bad, "level": 0.95}}
    for risk in given["risks"]:
        risk["note"] = bad

    def spoiled(rows: list[dict]) -> list[dict]:
        # The stage is our own word, and the sums go by it.
        return [
            {k: bad if isinstance(v, str) and k != "stage" else v for k, v in row.items()}
            for row in rows
        ]

    text = page(
        document=given, plan=plan, title=bad, question=bad,
        attrition=spoiled(ATTRITION), linkage_flow=spoiled(FLOW), checks=spoiled(CHECKS),
        files=spoiled(FILES), evidence=EVIDENCE | {
            "release_id": bad, "keys": {bad: bad, "gate": bad}, "contracts": {bad: bad},
            "deliveries": spoiled(EVIDENCE["deliveries"]),
        },
    )  # fmt: skip
    read = Reader(text)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in read.tags}
    assert not any("onerror" in attributes for _, attributes in read.tags)
    assert text.count("<script") == 1
    assert read.unbalanced == []
    assert sum(part.count('<script>alert("x")</script>') for part in read.text.values()) > 30


def test_an_address_of_a_file_cannot_lead_elsewhere():
    names = ["javascript:alert(1)", "//evil/x", "a b?c#d.json"]
    tags = Reader(page(files=[{"path": name, "bytes": 1} for name in names])).tags
    hrefs = {attributes.get("href") for tag, attributes in tags if tag == "a"}
    assert {"./javascript%3Aalert%281%29", "./evil/x", "./a%20b%3Fc%23d.json"} <= hrefs


def test_the_page_can_be_read_by_keyboard_and_by_ear():
    read = Reader(page(catalogue=registers.catalogue().values()))
    assert read.unbalanced == []
    assert read.tags[0] == ("html", {"lang": "en"})
    listed = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    ids = set(listed)
    assert len(ids) == len(listed)
    for tag, attributes in read.tags:
        if tag == "th":
            assert "scope" in attributes
        if attributes.get("role") == "img":
            assert attributes["aria-label"]
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert attributes.get(name, "results") in ids
        if attributes.get("role") == "region":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids
    n = {tag: sum(t == tag for t, _ in read.tags) for tag in ("table", "caption")}
    assert n["table"] == n["caption"] > 8
    headings = [tag for tag, _ in read.tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,]*(?:\.\d+)?", text))


def test_every_number_among_the_results_comes_from_the_document():
    given = document(DLMS)
    allowed = {"95", "5", "10"}  # the level, and the bounds of the marks
    allowed |= _numbers(" ".join(f"{f.label} {' '.join(f.levels)}" for f in FACTORS))
    allowed |= _numbers(f"{HORIZON:,} {given['cohort_size']:,} {given['median_age']:g}")
    allowed.add(f"{100 * given['share_male']:.1f}")
    for part in ("risks", "contrasts", "rule", "missing", "prevalent", "gray_test", "time_lost",
                 "follow_up", "yearly", "schedule"):  # fmt: skip
        for row in given[part]:
            for value in row.values():
                if isinstance(value, float):
                    forms = (
                        f"{100 * value:.1f}", f"{100 * value:.2f}", f"{100 * value:.0f}",
                        f"{value:.3f}", f"{value:#.3g}", f"{value:,.1f}",
                    )  # fmt: skip
                    allowed |= {form.removeprefix("-") for form in forms}
                    allowed.add(f"{100 * value:g}")
                elif isinstance(value, int):
                    allowed.add(f"{value:,}")
    shown = Reader(page(document=given)).text["results"]
    assert _numbers(shown) <= allowed

    for risk in given["risks"]:
        for end in ("", "recommended_"):
            low, high = (f"{100 * risk[f'{end}{side}']:.1f}" for side in ("lower", "upper"))
            assert f" {low}–{high} " in f"{shown} ".replace("-0.0", "0.0")
    for row in given["missing"]:
        assert row["n"] == 0 or f" {row['n']} " in f"{shown} "


def test_the_cohort_is_told_by_group_with_what_is_missing():
    shown = Reader(page()).text["cohort"]
    assert "Baseline characteristics by necrosis" in shown
    assert "all (n = 40)" in shown
    assert "missing (n = 0)" in shown
    assert "39 (100.0)" in shown, "percent of those known"
    assert "66.2 (50.0–77.5)" in shown
    assert "none: the cohort" in shown


def test_every_code_is_told_with_its_era_its_source_and_its_use():
    shown = re.sub(r"\s+", " ", Reader(page()).text["codes"])
    for words in ("M8896", "myxoid leiomyosarcoma", "1970-01-01", "ICD-O-3 8896", "1,234"):
        assert words in shown
    assert "56 requisitions carry a code outside its era" in shown


def test_a_study_without_groups_has_the_whole_cohort_alone():
    shown = Reader(page(baseline=baseline(DLMS, None), baseline_by=None)).text["cohort"]
    assert "Baseline characteristics" in shown
    assert "Baseline characteristics by" not in shown
    assert "all (n = 40)" in shown
    assert "missing (n =" not in shown


def test_the_page_follows_the_document():
    given = document(ONE)
    given["rule"][0] |= {"high_risk": False, "bootstrap_share": 0.4321, "bootstrap_samples": 1234}
    given["risks"][0]["events"] = 8642
    shown = Reader(page(document=given, plan=ONE)).text["results"]
    assert "8,642" in shown
    assert "43 % of 1,234" in shown
    assert "no factor is high-risk by the rule" in shown


def test_a_study_without_a_rule_shows_no_verdict_and_no_threshold():
    plan = Plan(
        "no_rule",
        (HORIZON,),
        (Outcome("metastasis", "Metastasis", None),),
        (Factor("sex", "Sex", ("male", "female"), "female", False),),
    )
    given = document(plan) | {"rule": [], "schedule": []}
    shown = Reader(page(document=given, plan=plan))
    assert "female" in shown.text["results"]
    for part in ("results", "reading"):
        assert "rule" not in shown.text[part].lower()
    with drawing.own_style():
        texts = texts_of(forest.draw(given, plan))
    assert not any("threshold" in text for text in texts)
    assert "Outcomes by year of follow-up" in shown.text["results"]
    assert "Imaging" not in shown.text["results"]
    with drawing.own_style():
        texts = texts_of(stability.draw(given, plan))
    assert not any("above 0" in text for text in texts)
    assert "no factor is judged by a rule" in texts


def test_the_words_of_a_study_come_from_the_study():
    other = Reader(page(document=document(ONE), plan=ONE, title="T", question="Q",
                        attrition=[], linkage_flow=[], checks=[], intersections=[],
                        codes=[]))  # fmt: skip
    words = " ".join(other.text.values()).lower()
    for word in ("leiomyosarcoma", "aismn", "local recurrence", "guarantee", "denmark", "skin"):
        assert word not in words
    reading = Reader(page(document=document(DLMS) | {"notes": ["No AISMN row."]})).text["reading"]
    assert "No AISMN row." in reading
    assert "Local recurrence cannot occur before day 90, while deaths can" in reading
    assert "Metastasis cannot occur" not in reading


def test_both_intervals_are_named_and_rare_events_warned_of():
    read = Reader(page())
    assert "Recommended" in read.text["results"]
    assert "As published" in read.text["results"]
    assert "fewer than 5 events" in read.text["results"]
    assert "Under 5 events" in read.text["reading"]


def test_a_check_that_could_not_fail_is_not_counted_as_passed():
    shown = re.sub(r"\s+", " ", Reader(page()).text["checks"])
    assert "3 checks that could fail: 1 pass, 1 pass with findings, 1 fail" in shown
    assert "1 not applicable, 0 not run: neither counts as a pass" in shown
    assert shown.index("Died after birth") < shown.index("k4") < shown.index("Each key once")


def test_the_linkage_table_shows_where_every_row_went():
    shown = Reader(page()).text["linkage-sums"]
    for words in ("5,120", "11", "5,109", "5,102", "99.86", "number malformed", "number unknown"):
        assert words in shown


def test_the_evidence_names_every_key_and_every_delivered_file():
    shown = Reader(page()).text["evidence"]
    for value in ("d" * 64, "e" * 64, "f" * 64, "amber", "a" * 64, "b" * 64, "1.2.0", "4,711",
                  "0123456789ab", "2023-06-30", "cpr/2024-06-01/t_person.csv"):  # fmt: skip
        assert value in shown


def test_ticks_cover_what_they_must_in_round_steps():
    from etl.report.numbers import nice_ticks

    for low, high in ((-0.06, 0.69), (0, 0.04), (-0.1234, 0.0501), (0, 1), (-1, 1), (0, 0.003)):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low + 1e-9
        assert ticks[-1] >= high - 1e-9
        assert 3 <= len(ticks) <= 7


def test_the_flow_as_a_table_has_every_step_and_a_reason_where_somebody_left():
    rows = [
        {"step": 0, "label": "Requisitions; excluded: nobody's", "unit": "requisitions",
         "n_in": 1200, "n_excluded": 200, "n_out": 1000},
        {"step": 1, "label": "Candidates", "unit": "persons",
         "n_in": 900, "n_excluded": 0, "n_out": 900},
        {"step": 2, "label": "Abroad", "unit": "persons", "n_in": 900, "n_excluded": 0,
         "n_out": 900},
        {"step": 3, "label": "Dead", "unit": "persons", "n_in": 900, "n_excluded": 31,
         "n_out": 869},
    ]  # fmt: skip
    assert report.flow_table(rows).splitlines() == [
        "step     in  left     on  unit          left because",
        "   0  1,200   200  1,000  requisitions  nobody's",
        "   1    900     0    900  persons",
        "   2    900     0    900  persons       Abroad",
        "   3    900    31    869  persons       Dead",
    ]
