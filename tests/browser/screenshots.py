"""Screenshots for the docs: MLflow's table and parallel coordinates of a study, and its report, as Chromium shows them.

mi-ray run infomin_grid --preset smoke --on here --store runs
mi-ray ui --store runs                                              # in another terminal
python -m tests.browser.screenshots --store runs --out docs
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from analysis.report import main as write_report
from mi_ray.running.recording import LOCAL
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.views import saved
from tests.browser.conftest import QUIET

VIEW = {"width": 1900, "height": 960}
"""Pixels of the window; MLflow's assistant takes those right of `SEEN`."""

SEEN = {"x": 0, "y": 0, "width": 1412, "height": 960}
COLOURS, LARGEST = 64, 200_000
"""Colours of a screenshot, and its most bytes."""

STUDY, PRESET, QUESTIONS = "infomin_grid", "smoke", "estimations"


def kept(png: bytes, path: Path) -> Path:
    """A screenshot in few colours; ValueError if it has more than `LARGEST` bytes."""
    image = Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; allowed: at most {LARGEST}")
    return path


def of_mlflow(browser: Browser, store: Path, base: str, out: Path) -> list[Path]:
    """The table and the chart that the saved links of the study open on the server at ``base``."""
    written, links = [], dict(saved(sqlite_uri(store.resolve() / "mlflow.db"), base))
    title = f"{STUDY}/{PRESET}: {QUESTIONS}"
    waited = {title: ".ag-center-cols-container .ag-row", f"{title}, chart": "canvas.foreground"}
    for (link, selector), name in zip(waited.items(), ("mlflow-table", "mlflow-chart"), strict=True):
        page = browser.new_context(viewport=VIEW).new_page()
        page.goto(links[link], timeout=120_000)
        page.locator(selector).first.wait_for(timeout=120_000)
        page.wait_for_timeout(4000)
        written.append(kept(page.screenshot(clip=SEEN), out / f"{name}.png"))
        page.context.close()
    return written


def of_report(browser: Browser, store: Path, out: Path) -> list[Path]:
    """The top of the report, and what every study has further below."""
    write_report(["--store", str(store)])
    page = browser.new_context(viewport={"width": 1000, "height": 1100}).new_page()
    page.goto((store / "report.html").resolve().as_uri())
    written = [kept(page.screenshot(), out / "report.png")]
    page.locator("h3", has_text="training-curves").first.scroll_into_view_if_needed()
    page.evaluate("[...document.querySelectorAll('h3')].find(e => e.textContent == 'training-curves').scrollIntoView()")
    written.append(kept(page.screenshot(), out / "report-pictures.png"))
    page.context.close()
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Make the screenshots and print their paths."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--store", type=Path, default=Path("runs"), help="a store with the study (%(default)s)")
    flags.add_argument("--out", type=Path, default=Path("docs"), help="folder of the screenshots (%(default)s)")
    flags.add_argument("--mlflow", default=LOCAL, help="the address of mi-ray ui on that store (%(default)s)")
    given = flags.parse_args(argv)
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(QUIET))
        written = of_report(browser, given.store, given.out)
        written += of_mlflow(browser, given.store, given.mlflow, given.out)
        browser.close()
    pairs = given.store / "figures" / STUDY / PRESET / "positive-pairs.png"
    written.append(Path(shutil.copy(pairs, given.out / pairs.name)))
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
