# SPDX-License-Identifier: GPL-2.0-only
"""The report in a real browser, without a window and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lab.bisect.point import Point
from lab.bisect.told import Seen
from lab.report.site.serve import ReportRequest, served
from lab.results import Store
from tests.report.bisected import bisected, breaks_off, hostile, report_beside, shows
from tests.report.browser import launch
from tests.report.recorded import HOSTILE, OOPS

pytestmark = pytest.mark.browser

#: What axe need not look at: rows like those before them, a second a dozen.
REST_ALIKE = {"exclude": [[".tests tbody tr:nth-child(n+6)"], [".chart svg g:nth-of-type(n+4)"]]}

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, site: Path) -> Iterator[Opened]:
    """Opens a page of the report from its folder; an error of a script fails the test."""
    contexts = []
    errors: list[str] = []

    def open_page(name: str = "index.html", width: int = 1280, **more: object) -> Page:
        viewport = {"width": width, "height": 812}
        context = browser.new_context(viewport=viewport, **more)  # type: ignore[arg-type]
        # Of a busy host a click may take longer than Playwright's 30 s.
        context.set_default_timeout(180_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def test_the_first_screen_says_what_changed(opened: Opened) -> None:
    page = opened()
    assert page.locator("h1").inner_text().endswith("5 of 449 not as expected")
    for selector in ("h1", "#changes h2", ".rows .regressed >> nth=0", "#h-matrix"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 812, selector


def test_from_a_red_cell_to_its_console_line(opened: Opened) -> None:
    page = opened()
    page.locator(".matrix a:has(.crash.odd)").first.click()
    expect(page.locator("details[open] .said").first).to_be_visible()
    page.locator("details[open] .excerpt .hot a").first.click()
    line = page.locator("span:target")
    assert OOPS[0] in line.inner_text()
    box = line.bounding_box()
    assert box is not None
    assert 0 < box["y"] < 812


def test_a_link_to_one_result_opens_it(opened: Opened, site: Path) -> None:
    page = opened("results/01-6.1+reintroduce-bug.ext4-dax.mlock.html")
    page.goto(page.url + "#mlock.shared-ro.4k")
    expect(page.locator('[id="mlock.shared-ro.4k"]')).to_be_visible()
    assert page.locator("details[open]").count() == 1


def test_the_filter(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("/")
    page.keyboard.type("mlock-part 2m")
    assert page.locator("#shown").inner_text() == "4 of 82 tests"
    assert page.locator("tr.t:visible").count() == 4
    page.reload()
    assert page.locator("tr.t:visible").count() == 4
    page.locator("#filter").press("Escape")
    page.get_by_role("button", name="surprises").click()
    assert page.locator("#shown").inner_text() == "3 of 82 tests"


def test_keys_move_in_the_tables(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.textContent")
    assert first == "6.1"
    for key in ("l", "ArrowDown"):
        page.keyboard.press(key)
    title = page.evaluate("document.activeElement.title")
    assert title == "32 tests, 18 not passed, as expected"
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.closest('.bad, .odd') !== null")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def luminance(page: Page) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(",")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes(opened: Opened, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    assert (luminance(page) > 380) == (scheme == "light")
    presses = 2 if scheme == "light" else 1
    for _ in range(presses):
        page.keyboard.press("t")
    assert (luminance(page) > 380) == (scheme == "dark")


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "results/00-6.1.xfs-dax.mlock.html",
        "tests/populate.populate.shared-ro.2m.html",
        "kernels/6.1.html",
        "series/dax-populate.html",
        "plots.html",
        "logs/00-6.1.console.html",
    ],
)
def test_a_phone_and_axe(opened: Opened, name: str) -> None:
    page = opened(name, width=375, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
    # The second theme differs in its colours alone.
    rules: dict[str, dict[str, object]] = {"dark": {}, "light": {"runOnly": ["color-contrast"]}}
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        # Without preload: it would fetch the style sheet, which a folder's page may not.
        options = {"preload": False, **rules[scheme]}
        found = Axe().run(page, REST_ALIKE, options).response["violations"]
        serious = [v for v in found if v["impact"] in {"serious", "critical"}]
        nodes = [(v["id"], v["nodes"][0]["html"][:200]) for v in serious]
        assert nodes == [], scheme


def serious(page: Page) -> list[object]:
    """What axe has against a page."""
    found = Axe().run(page, REST_ALIKE, {"preload": False}).response["violations"]
    bad = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in bad]


@pytest.mark.parametrize("show", [shows, hostile, breaks_off])
def test_a_bisection_on_a_phone(
    browser: Browser, tmp_path: Path, show: Callable[[Point, int], Seen]
) -> None:
    name = bisected(tmp_path, show)
    folder = report_beside(tmp_path)
    context = browser.new_context(viewport={"width": 375, "height": 812})
    context.set_default_timeout(180_000)
    page = context.new_page()
    for file in (f"bisections/{name}.html", "bisections.html", "index.html", "runs/16-1.html"):
        page.goto((folder / file).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 375, file
        assert page.title() != "owned"
        assert serious(page) == [], file
    context.close()


def test_a_table_shows_that_it_goes_on(opened: Opened) -> None:
    def said(page: Page) -> list[str]:
        script = """[...document.querySelectorAll("#matrix .scroll")].map(
            (box) => getComputedStyle(box, "::before").content)"""
        page.locator("#matrix .scroll:is(.wide, .end)").wait_for()
        found: list[str] = page.evaluate(script)
        return found

    page = opened(width=375)
    assert said(page) == ['"scrolls sideways →"']
    box = page.locator("#matrix .scroll")
    box.focus()
    while not page.locator("#matrix .scroll.end").count():
        page.keyboard.press("ArrowRight")
    assert said(page) == ['"← scrolls sideways"']
    assert said(opened(width=1280)) == ["none"]


def test_hostile_text_does_not_run(opened: Opened) -> None:
    for name in ("index.html", "results/00-6.1.ext4-dax.populate.html", "logs/00-6.1.console.html"):
        page = opened(name)
        assert page.title() != "owned"
        assert HOSTILE in page.locator("body").inner_text()


def test_without_a_script_all_can_be_read(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    assert not page.locator("#filter").is_visible()
    assert not page.locator("#theme").is_visible()
    page.locator(".matrix a:has(.crash.odd)").first.click()
    expect(page.locator(".excerpt .hot").first).to_be_visible()


def test_served_pages_hear_of_the_run(browser: Browser, site: Path) -> None:
    results = site.parents[1]
    with Store.open(results / "lab.db") as store, served(store, ReportRequest(results)) as address:
        page = browser.new_page()
        with page.expect_request(f"{address}live"):
            page.goto(address)
        assert page.locator("h1").inner_text().endswith("5 of 449 not as expected")
        page.close()
