"""The pages of a release in a real browser: a headless Chromium, where the machine has one.

`make test-browser` runs these alone. Without a Chromium they are skipped, and say so.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import pages
from etl import registers, report
from etl.report.quality import register_of
from tests import test_report
from tests.test_linkage_quality import LINKAGE

CHROMIUM = pages.chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium here: expected chromium on the path, or its path in KOBLING_CHROMIUM",
)
CHECKS = pages.checks(260, 30)
WAIVERS = [
    {"id": "w1", "suite": "landing.cpr.t_0", "check_id": "c_kode_0_has_its_form_0",
     "owner": "A. Owner", "second": "B. Second", "reason": "The keeper has been asked.",
     "granted_on": "2026-01-01", "expires_on": "2026-12-31", "status": "in force"}
]  # fmt: skip
OVERRIDES = [
    {"check": "died_after_birth", "reviewer": "C. Reviewer", "reviewed_on": "2026-02-03",
     "reason": "Seen in the chart.", "status": "void: the row has changed", "n": 2}
]  # fmt: skip
FITNESS = [
    {"mart": "cohort", "fitness": "usable", "findings": [], "estimates": ["metastasis"]},
    {"mart": "factor", "fitness": "unfit", "findings": ["size_is_known"], "estimates": []},
]
SENSITIVITY = [
    {"check": "died_after_birth", "words": "Died after birth", "outcome": "metastasis",
     "factor": "necrosis", "level": "yes", "n_affected": 3, "estimate": 0.0931,
     "estimate_without": 0.0874, "shift": -0.57}
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with pages.browser(CHROMIUM) as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A made-up page with something in every part of it."""
    folder = tmp_path_factory.mktemp("page")
    names = ["evidence.json", "estimates.json"]
    for name in names:
        (folder / name).write_text("{}")
    text = test_report.page(
        checks=CHECKS, waivers=WAIVERS, overrides=OVERRIDES, fitness=FITNESS,
        sensitivity=SENSITIVITY, linkage=LINKAGE, catalogue=registers.catalogue().values(),
        files=[{"path": name, "bytes": 2} for name in names],
    )  # fmt: skip
    (folder / "index.html").write_text(text, encoding="utf-8")
    return folder / "index.html"


class Opened:
    """A page with what went wrong on it, and what it asked for beyond the file it came from."""

    def __init__(self, chromium, path: Path, **context):
        self.context = chromium.new_context(**context)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda told: self.wrong.append(f"{told.type}: {told.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._asked)
        self.path = path
        self.page.goto(path.as_uri())

    def _asked(self, request) -> None:
        if request.url.partition("#")[0] != self.path.as_uri():
            self.wrong.append(f"asked for {request.url}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def found(self) -> str:
        return self.page.locator("#checks-found").text_content()

    def articles(self) -> int:
        return self.page.locator("article.check").count()


TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def is_as_wide_as_the_window(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture
def opened(chromium, made) -> Iterator[Opened]:
    with Opened(chromium, made, viewport={"width": 1280, "height": 900}) as shown:
        # What is out of sight is not laid out, and has no text to a reader's eye.
        shown.page.locator("#checks-shown").scroll_into_view_if_needed()
        shown.page.evaluate(TWO_FRAMES)
        yield shown
        assert shown.wrong == []


# ------------------------------------------------------------------ quiet, and whole


def test_every_page_of_a_release_opens_without_a_word_and_asks_for_nothing(chromium, small):
    live = (small[0] / "releases" / "dlms" / "current").resolve()
    names = ("index.html", report.DATA_DOCS, report.DBT_DOCS)
    for name in names:
        with Opened(chromium, live / name) as shown:
            shown.page.wait_for_timeout(500)
            assert shown.wrong == [], name
            assert len(shown.page.locator("body").text_content()) > 500, name
    with Opened(chromium, live / "index.html", viewport={"width": 320, "height": 700}) as shown:
        assert is_as_wide_as_the_window(shown.page)
        linked = links_of(shown.page)
        assert set(names[1:]) <= linked
        for target in linked:
            assert (live / target).is_file() or target.startswith("#"), target
        assert shown.page.locator("figure svg").count() == len(report.FIGURES)


def links_of(page) -> set[str]:
    """Where every link leads; a place on the page is looked for there."""
    found = page.eval_on_selector_all(
        "a[href]", "all => all.map(a => decodeURIComponent(a.getAttribute('href')))"
    )
    for target in found:
        if target.startswith("#"):
            assert page.evaluate("id => !!document.getElementById(id)", target[1:]), target
    return {target.removeprefix("./") for target in found}


def test_every_link_leads_somewhere(opened, made):
    linked = links_of(opened.page)
    assert "#quality" in linked
    assert all(t.startswith("#") or (made.parent / t).is_file() for t in linked), linked


# ------------------------------------------------------------------ filters and pages


def test_filters_leave_the_checks_that_are_so(opened):
    page, n = opened.page, len(CHECKS)
    assert opened.found() == f"{n} of {n} checks"
    assert opened.articles() == 25
    for status, many in Counter(c["status"] for c in CHECKS).items():
        page.select_option("#by-status", status)
        assert opened.found() == f"{many} of {n} checks"
        shown = page.locator("article.check").evaluate_all("all => all.map(a => a.dataset.status)")
        assert set(shown) == {status}
    page.select_option("#by-status", "fail")
    page.select_option("#by-register", "cpr")
    page.select_option("#by-severity", "fatal")
    both = [
        c
        for c in CHECKS
        if (c["status"], register_of(c), c["severity"]) == ("fail", "cpr", "fatal")
    ]
    assert 0 < len(both) < 20
    assert opened.found() == f"{len(both)} of {n} checks"
    page.fill("#by-text", "nothing is so")
    assert opened.found() == f"0 of {n} checks"
    assert "No check is so." in page.locator("#checks-shown").inner_text()
    page.click("button[type=reset]")
    page.fill("#by-text", "c_kode_7_has_its_form_47 'c_kode_7'".partition(" ")[0])
    assert opened.found() == f"1 of {n} checks"
    page.fill("#by-text", 'regexp_matches("c_kode_7",')
    of_sql = sum('regexp_matches("c_kode_7",' in c["failing_sql"] for c in CHECKS)
    assert opened.found() == f"{of_sql} of {n} checks"


def test_checks_and_failing_rows_are_turned_page_by_page(opened):
    page = opened.page
    told = page.locator("#checks-shown > .pages span")
    assert told.inner_text() == "checks 1–25 of 260"
    page.click("#checks-shown > .pages >> text=Later")
    assert told.inner_text() == "checks 26–50 of 260"
    page.click("#checks-shown > .pages >> text=Earlier")
    page.select_option("#by-status", "fail")
    many = max((c for c in CHECKS if c["status"] == "fail"), key=lambda c: c["n_failing"])
    page.fill("#by-text", many["check_id"])
    article = page.locator("article.check").first
    article.locator("summary").click()
    assert article.locator("ol li").count() == 20
    first = article.locator("ol li").first.inner_text()
    assert first == "8ae897ab81d3 3"
    article.locator("text=Later").click()
    assert article.locator("ol li").first.inner_text() == "8ae897ab81d3 63"
    shown = article.inner_text()
    for words in (many["why"], many["failing_sql"], "0.1 %", "quality.failure", "refresh 30:"):
        assert words in shown


def test_the_words_of_checks_are_in_the_language_asked_for(opened):
    page = opened.page
    first = page.locator("article.check .words").first
    assert "has the form" in first.inner_text()
    assert "har den form" not in first.inner_text()
    page.select_option("#language", "da")
    assert "har den form" in first.inner_text()
    assert "has the form" not in first.inner_text()


def test_columns_are_found_by_their_words(opened):
    page = opened.page
    page.fill("#words", "c_snomedkode")
    assert re.fullmatch(r"1 of \d+ columns", page.locator("#words-found").inner_text())
    assert page.locator("details.register:visible").count() == 1
    assert page.locator("details.register[open] tbody tr:visible").count() == 1
    page.fill("#words", "")
    assert page.locator("details.register:visible").count() == len(registers.catalogue())


# ------------------------------------------------------------------ keyboard, eye, paper


def test_it_is_used_by_keyboard_alone(opened):
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#results")
    page.focus("#by-status")
    page.keyboard.type("fail")
    assert page.locator("#by-status").input_value() == "fail"
    n = sum(c["status"] == "fail" for c in CHECKS)
    assert opened.found() == f"{n} of 260 checks"
    for _ in range(4):  # change, text, language, the button
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "reset"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    assert page.locator("article.check details[open]").count() == 1


CONTRAST = """
() => {
  const part = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number);
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b); };
  const paper = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (c !== "rgba(0, 0, 0, 0)") return c; } };
  const faint = [];
  const all = "body *:not(svg, svg *, script, noscript, :disabled)";
  for (const e of document.querySelectorAll(all)) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const pair = [light(getComputedStyle(e).color), light(paper(e))].sort((a, b) => b - a);
    if ((pair[0] + .05) / (pair[1] + .05) < 4.5) faint.push(e.outerHTML.slice(0, 90));
  }
  return faint;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_paper(chromium, made, scheme):
    with Opened(chromium, made, color_scheme=scheme) as shown:
        shown.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert shown.page.evaluate(CONTRAST) == []
        dark = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_phone_is_never_moved_sideways(chromium, made):
    with Opened(chromium, made, viewport={"width": 320, "height": 640}) as shown:
        page = shown.page
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        # Also what is laid out only when it comes near.
        page.add_style_tag(content="main > section { content-visibility: visible !important; }")
        assert is_as_wide_as_the_window(page)
        wider = page.evaluate(
            "[...document.querySelectorAll('main *:not(.scroll *, svg *)')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && "
            "!e.closest('.scroll, svg')).map(e => e.outerHTML.slice(0, 90))"
        )
        assert wider == []
        small = page.evaluate(
            "[...document.querySelectorAll('select, button, input')].filter(e => "
            "e.offsetParent && e.getBoundingClientRect().height < 32).length"
        )
        assert small == 0


def test_on_paper_stand_the_checks_to_look_at_and_nothing_to_press(opened):
    page = opened.page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown = page.locator("article.check").evaluate_all("all => all.map(a => a.dataset.status)")
    asked = Counter(c["status"] for c in CHECKS)
    assert Counter(shown) == {s: asked[s] for s in ("fail", "pass_with_findings")}
    for pressed in ("nav", ".filters", ".pages", ".search", ".skip"):
        assert page.locator(f"{pressed}:visible").count() == 0, pressed
    assert page.locator("article.check pre").first.is_visible(), "folded on paper"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.articles() == 25
    page.emulate_media(media="screen")
    assert page.pdf().startswith(b"%PDF")


def test_without_a_script_every_check_can_be_read(chromium, made):
    with Opened(chromium, made, java_script_enabled=False) as shown:
        page = shown.page
        assert page.locator("article.check:visible").count() == len(CHECKS)
        assert page.locator(".filters:visible, .search:visible").count() == 0
        page.locator("article.check summary").first.click()
        assert page.locator("article.check pre").first.is_visible()
        for words in ("A. Owner", "Seen in the chart.", "unfit", "−0.57"):
            assert page.locator("main").get_by_text(words).first.is_visible(), words


def test_a_thousand_checks_are_laid_out_a_page_at_a_time(chromium, tmp_path):
    """The small version of `make bench-pages`, which tells the times of ten thousand."""
    path = tmp_path / "index.html"
    path.write_text(pages.page(1000, 500), encoding="utf-8")
    with Opened(chromium, path) as shown:
        assert shown.found() == "1,000 of 1,000 checks"
        assert shown.articles() == 25
        shown.page.fill("#by-text", "c_kode_39")
        assert shown.found() == "25 of 1,000 checks"
        assert shown.wrong == []
