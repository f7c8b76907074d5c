"""The report shows all that a store has drawn on one page of its own; no text from a run becomes markup."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.page.collect import ROWS, collect, source_of, table_of
from analysis.page.html import Html, tag
from analysis.page.page import page
from analysis.report import main
from analysis.verdict import Verdict, publish
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from tests.committed import DIGEST, WHY, commit_all, plan_of

HOSTILE = "<script>alert('\"&1')</script>"
PNG = b"\x89PNG\r\n\x1a\n and so on"
PLAN, OTHER = plan_of(), plan_of(pairing=("color", "digit"))
FIRST = next(iter(PLAN.cells))
GIVEN = Verdict("infomin_grid", "a claim", True, "It holds.", {"lowest share": 0.912345, "certified": "3 of 4"})


def drawn(
    root: Path, study: str, preset: str, plan: Plan, verdict: Verdict | None = GIVEN, name: str = "a-figure"
) -> Path:
    """A folder of figures such as an analysis leaves: a png with its csv, the cells, a verdict."""
    out = root / "figures" / study / preset
    out.mkdir(parents=True)
    (out / f"{name}.png").write_bytes(PNG)
    rows = [["task", "value", "certified", "not_certified"], ["color", "1.5", "True", ""], ["all", "2", "False", WHY]]
    save(out / f"{name}.csv", rows)
    publish(plan, out, [], verdict or GIVEN)
    if verdict is None:
        (out / "verdict.json").unlink()
    return out


def save(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A store whose cells of one plan are committed, drawn once."""
    commit_all(PLAN.cells.values(), Store(tmp_path))
    drawn(tmp_path, "infomin_grid", "smoke", PLAN)
    yield tmp_path


class Reader(HTMLParser):
    """Collects the elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("img", "meta"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(text)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]

    def words(self) -> str:
        return " ".join(self.text)


def read(root: Path) -> Reader:
    return Reader(page(collect(root)))


def test_the_page_shows_claim_verdict_numbers_figure_table_and_certificates(root: Path) -> None:
    shown = read(root)
    words = shown.words()
    for text in ("infomin_grid", "smoke", "a claim", "holds", "It holds.", "0.9123", "3 of 4", "a-figure.csv, 2 rows"):
        assert text in words
    assert "1 of 2 certified" in words and all(reason in words for reason in WHY.split("; "))
    assert "Figs. 6 and 7: does it harm" in words
    (image,) = shown.all("img")
    assert image["src"] == f"data:image/png;base64,{b64encode(PNG).decode()}" and "a-figure" in str(image["alt"])


def test_reasons_stand_below_the_cell_that_they_are_of(root: Path) -> None:
    figures = root / "figures" / "infomin_grid" / "smoke"
    header = ["task", "pairing", "value", "spread_is", "certified", "not_certified"]
    rows = [["color", "all", "1.5", "sd", "True", ""], ["all", "color", "2", "sd", "False", "too wide; overfitted"],
            ["all", "all", "3", "sd", "False", ""]]  # fmt: skip
    save(figures / "a-figure.csv", [header, *rows])
    table = table_of(figures / "a-figure.csv")
    assert table.reasons == (
        ("task all, pairing color", ("too wide", "overfitted")),
        ("task all, pairing all", ("no reason given",)),
    )
    text = page(collect(root))
    assert "<li><b>task all, pairing color</b><ul><li>too wide</li><li>overfitted</li></ul></li>" in text
    assert "Why others are not, 2 cells" in text and "task color, pairing all</b>" not in text


def test_cells_of_an_encoder_that_did_not_learn_stand_below_its_reason(root: Path) -> None:
    listed = root / "figures" / "infomin_grid" / "smoke" / "cells.csv"
    keys = list(PLAN.cells)
    rows = [[key, "training", f"cell {place}", "collapsed" if place < 2 else ""] for place, key in enumerate(keys)]
    save(listed, [["key", "kind", "name", "not_learned"], *rows])
    assert "<li><b>collapsed</b><ul><li>cell 0</li><li>cell 1</li></ul></li>" in page(collect(root))


def test_the_page_says_where_its_numbers_come_from(root: Path) -> None:
    words = read(root).words()
    for cell in PLAN.cells.values():
        assert cell.key in words and PLAN.name(cell) in words
    held, seconds = f"{len(PLAN.cells)} of {len(PLAN.cells)}", f"{1.5 * len(PLAN.cells)} s"
    for text in (DIGEST, "0123456789ab", "a machine", "torch 2", "float32", held, seconds, "training 0", "2023-"):
        assert text in words
    assert "training 1" in words, "the protocol"


def test_the_page_needs_no_network_and_no_script(root: Path) -> None:
    shown = read(root)
    assert not shown.all("script") and not shown.all("link") and not shown.open
    assert all(str(image["src"]).startswith("data:") for image in shown.all("img"))
    targets = {f"#{attributes['id']}" for _, attributes in shown.elements if "id" in attributes}
    files = {link["href"] for link in shown.all("a")} - targets
    assert files and all(str(file).startswith("figures/") and (root / str(file)).is_file() for file in files)
    assert "url(" not in page(collect(root)) and "@import" not in page(collect(root))


def test_every_image_has_words_and_every_table_a_header_and_a_box(root: Path) -> None:
    shown = read(root)
    assert all(image["alt"] for image in shown.all("img"))
    assert len(shown.all("table")) == len([box for box in shown.all("div") if box.get("class") == "box"])
    assert all(head["scope"] == "col" for head in shown.all("th"))
    assert shown.all("html")[0]["lang"] == "en"


@pytest.mark.fault("F28", "markup in every name, value and file name of a report")
def test_text_from_runs_never_becomes_markup(root: Path) -> None:
    name = HOSTILE.replace("/", "\N{DIVISION SLASH}")
    out = drawn(root, name, name, PLAN, Verdict("s", HOSTILE, False, HOSTILE, {HOSTILE: HOSTILE}), name)
    header = [HOSTILE, "certified", "not_certified"]
    save(out / f"{name}.csv", [header, [HOSTILE, "False", HOSTILE], [HOSTILE, HOSTILE, HOSTILE]])
    save(out / f"{name}2.csv", [[HOSTILE], [HOSTILE]])
    save(
        out / "cells.csv",
        [["key", "kind", "name"], [HOSTILE, HOSTILE, HOSTILE], [FIRST, HOSTILE, HOSTILE]],
    )
    manifest = root / "cells" / FIRST / "manifest.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(
        json.dumps(
            {key: HOSTILE for key in record if key not in ("format", "seal", "sizes")}
            | {"files": {}, HOSTILE: HOSTILE, "version_" + HOSTILE: HOSTILE}
        )
    )
    text = page(collect(root, HOSTILE))
    shown = Reader(text)
    assert "<script" not in text and not shown.all("script") and not shown.open
    assert text.count("alert(") >= 15
    names = {name for _, attributes in shown.elements for name in attributes}
    assert names <= {
        "lang", "charset", "http-equiv", "content", "name", "id", "class", "href", "src", "alt", "open", "scope",
        "tabindex", "role", "aria-label", "title",
    }  # fmt: skip


def test_what_is_not_html_is_escaped_in_text_and_attributes() -> None:
    assert tag("a", "<b>", Html("<i>"), href='"><') == '<a href="&quot;&gt;&lt;">&lt;b&gt;<i></a>'


@pytest.mark.parametrize(("holds", "words"), [(True, "holds"), (False, "does not hold"), (None, "cannot be judged")])
def test_a_verdict_is_marked_in_colour_and_in_words(tmp_path: Path, holds: bool | None, words: str) -> None:
    drawn(tmp_path, "a_study", "smoke", PLAN, Verdict("a_study", "c", holds, "s"))
    shown = read(tmp_path)
    marks = [str(mark["class"]) for mark in shown.all("span")]
    assert len(marks) == 2 and len(set(marks)) == 1 and words in shown.words()


def test_a_folder_without_verdict_or_list_of_cells_is_shown_without(tmp_path: Path) -> None:
    (drawn(tmp_path, "a_study", "smoke", PLAN, None) / "cells.csv").unlink()
    words = read(tmp_path).words()
    assert "no verdict" in words and "a-figure" in words and "not listed" in words


@pytest.mark.parametrize("text", ["{", "[]", '{"holds": 1}', "\x00"])
def test_a_torn_verdict_is_told_in_one_line_and_the_rest_is_shown(root: Path, text: str) -> None:
    (root / "figures" / "infomin_grid" / "smoke" / "verdict.json").write_text(text)
    assert "cannot be read as a verdict" in read(root).words() and "a-figure" in read(root).words()


@pytest.mark.parametrize("content", [b"", b'a,b\n"open', b"\xff\xfe\x00", b"a,a\n1\n1,2,3\n", b"certified\n\n"])
def test_a_table_of_any_bytes_leaves_the_page_whole(root: Path, content: bytes) -> None:
    (root / "figures" / "infomin_grid" / "smoke" / "a-figure.csv").write_bytes(content)
    assert not read(root).open


@pytest.mark.parametrize("name", ["manifest.json", "declaration.json"])
@pytest.mark.parametrize("text", ["{", "[]", "3", "\x00", '{"seconds": "long", "committed_at": null}'])
def test_a_torn_cell_leaves_the_page_whole(root: Path, name: str, text: str) -> None:
    (root / "cells" / FIRST / name).write_text(text)
    assert not read(root).open


@pytest.mark.parametrize("key", ["../figures", "/etc", "..", ".", "a\x00b"])
def test_a_listed_key_never_leads_out_of_the_store(root: Path, key: str) -> None:
    save(root / "figures" / "infomin_grid" / "smoke" / "cells.csv", [["key", "kind", "name"], [key, "training", "x"]])
    (shown,) = collect(root).shown
    assert not shown.provenance.cells


def test_trainings_shared_between_studies_are_counted_once_for_each_that_saved_one(root: Path) -> None:
    assert (collect(root).shared, collect(root).saved) == (0, 0)
    drawn(root, "infomin_grid", "laptop", PLAN)
    assert collect(root).saved == 0, "presets of one study"
    drawn(root, "another", "smoke", OTHER)
    drawn(root, "a_third", "smoke", PLAN)
    collection = collect(root)
    assert (collection.shared, collection.saved) == (2, 3)
    assert "2 trainings shared between studies, 3 trainings saved." in read(root).words()


def test_cells_that_the_store_lacks_are_told_missing(root: Path) -> None:
    drawn(root, "another", "smoke", OTHER)
    (another, _) = collect(root).shown
    assert len(another.provenance.committed) < len(another.provenance.cells) == len(OTHER.cells)
    assert "missing" in read(root).words()


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    out = drawn(tmp_path, "a_study", "smoke", PLAN)
    save(out / "a-figure.csv", [["value"], *([str(row)] for row in range(ROWS + 7))])
    assert table_of(out / "a-figure.csv").n_rows == ROWS + 7
    assert "7 more rows in a-figure.csv" in read(tmp_path).words()


def test_the_command_writes_the_same_page_again_and_prints_where(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--store", str(root)]) == 0
    first = (root / "report.html").read_bytes()
    assert main(["--store", str(root), "--out", str(root / "new" / "page.html")]) == 0
    assert (root / "new" / "page.html").read_bytes() == first
    assert capsys.readouterr().out.splitlines() == [str(root / "report.html"), str(root / "new" / "page.html")]


def test_a_store_without_figures_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "figures" / "a_study" / "smoke").mkdir(parents=True)
    assert main(["--store", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds no figures" in line and not (tmp_path / "report.html").exists()
    with pytest.raises(Refused):
        collect(tmp_path / "no\nwhere")


def test_a_page_that_cannot_be_written_is_refused_in_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(root), "--out", str(root)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://me:secret@host:5000/x", "https://host:5000/x"),
        ("sqlite:////runs/mlflow.db", "sqlite:////runs/mlflow.db"),
        ("https://host", "https://host"),
    ],
)
def test_the_page_never_tells_a_password(uri: str, source: str) -> None:
    assert source_of(uri) == source
