"""The report in light and dark, on a phone and on paper: readable, without an error in the console."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.page.collect import collect
from analysis.page.page import page as page_of
from mi_ray.experiments.store.store import Store
from tests.analysis.test_report import PLAN, drawn
from tests.browser.conftest import Watched
from tests.committed import commit_all

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCS = Path(__file__).parents[2] / "docs"
CONTRAST = """() => {
    const parsed = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const part = value => (value /= 255) <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
        return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parsed(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const own = element => [...element.childNodes].some(node => node.nodeType == 3 && node.textContent.trim());
    return [...document.body.querySelectorAll("*")].filter(own).map(element => {
        const [a, b] = [light(parsed(getComputedStyle(element).color)), light(ground(element))];
        return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), element.tagName, element.textContent.slice(0, 40)];
    });
}"""
"""Contrast of every element with text of its own against the ground behind it (WCAG 2.2)."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with real figures."""
    root = tmp_path_factory.mktemp("runs")
    commit_all(PLAN.cells.values(), Store(root))
    for name in ("infomin-accuracy", "infomin-estimate"):
        out = drawn(root, "infomin_grid", name, PLAN, name=name)
        (out / f"{name}.png").write_bytes((DOCS / f"{name}.png").read_bytes())
        (out / "command.txt").write_text("mi-ray run infomin_grid --preset smoke\\n")
    (root / "report.html").write_text(page_of(collect(root)))
    return root / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(report: Path, fresh: Watched, scheme: str):
    page = fresh.page
    page.emulate_media(color_scheme=scheme)
    page.goto(report.as_uri())
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    found = page.evaluate(CONTRAST)
    assert len(found) > 50
    low = [entry for entry in found if entry[0] < 4.5]
    assert not low, low[:5]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert not fresh.errors


def test_it_fits_a_phone(report: Path, fresh: Watched):
    page = fresh.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    pictures = page.locator("img")
    assert pictures.count() == 2 and all(box.bounding_box()["width"] <= 390 for box in pictures.all())
    assert not fresh.errors


def test_it_prints_on_white(report: Path, fresh: Watched):
    page = fresh.page
    page.emulate_media(color_scheme="dark", media="print")
    page.goto(report.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf(format="A4")) > 10_000


def test_pictures_say_what_they_show_and_files_are_linked(report: Path, fresh: Watched):
    page = fresh.page
    page.goto(report.as_uri())
    alt = page.locator("img").first.get_attribute("alt")
    assert (
        alt == "infomin-accuracy of infomin_grid, preset infomin-accuracy:"
        " value from 1.5 (task color) to 2 (task all), 2 rows"
    )
    for link in page.locator("a[href^='figures/']").all():
        assert (report.parent / link.get_attribute("href")).is_file()
    assert page.locator("a[href^='figures/']").count() >= 2
    assert "Made by mi-ray run infomin_grid --preset smoke" in page.inner_text("body")
