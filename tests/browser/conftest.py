"""A fresh profile of headless Chromium for each test. `make browser-test` installs what is needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

playwright = pytest.importorskip("playwright.sync_api")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Flags for a machine without a screen, a user or a way to the internet."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[playwright.Browser]:
    """The browser."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


class Watched:
    """A page in a fresh profile, with the errors that its console told."""

    def __init__(self, page: playwright.Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("response", lambda got: self.errors.append(f"{got.status} {got.url}") if got.status >= 400 else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


@pytest.fixture
def fresh(chromium: playwright.Browser) -> Iterator[Watched]:
    """A page in a fresh profile, 1600 x 1000 pixels."""
    context = chromium.new_context(viewport={"width": 1600, "height": 1000})
    yield Watched(context.new_page())
    context.close()
