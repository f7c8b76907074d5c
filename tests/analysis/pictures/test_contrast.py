"""Every text of a figure can be read: a contrast of 4.5 or more with what is behind it (WCAG 2.2, level AA)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.agreement.csv_table import read as read_table
from analysis.agreement.figure import dots
from analysis.agreement.ranking import table as ranking
from analysis.infomin_grid.figure import FRAMED, draw_heatmap
from analysis.infomin_grid.table import ACCURACY, ESTIMATE, HEATMAPS, Heatmap
from analysis.style import DARKEST, LEGIBLE, LIGHTEST, PAPER, contrast, ink_on
from analysis.tables.made_of import made_of
from analysis.what_holds import PRINTED
from tests.committed import plan_of


def grid(heatmap: Heatmap, values: list[float], n_seeds: int = 1, asked: int = 1) -> pd.DataFrame:
    """A heatmap's table with one row of the given values."""
    rows = [
        {
            "task": "color", "pairing": f"p{place}", "arch": "a", "value": value, "spread": 0.1, "spread_is": "sd",
            "n_seeds": n_seeds, "n_seeds_asked": asked, "class_entropy_bits": 1.0,
        }
        for place, value in enumerate(values)
    ]  # fmt: skip
    certificate = {"statement": "0.90–1.00 ✓, nominal 0.8 below", "certified": True} if heatmap is ESTIMATE else {}
    return pd.DataFrame([row | certificate for row in rows])


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21) == contrast("#ffffff", "#000000")
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("heatmap", HEATMAPS)
def test_the_ink_is_legible_on_the_whole_colour_map(heatmap: Heatmap) -> None:
    shades = LinearSegmentedColormap.from_list("", heatmap.shades)
    inks = [(ink_on(shade), contrast(ink_on(shade), shade)) for shade in shades(np.linspace(0, 1, 1001))]
    assert min(reached for _, reached in inks) >= LEGIBLE and {ink for ink, _ in inks} == {DARKEST, LIGHTEST}


def test_the_ink_is_legible_on_every_grey_and_the_other_one_is_not_on_all() -> None:
    greys = [(level / 255,) * 3 for level in range(256)]
    assert min(contrast(ink_on(grey), grey) for grey in greys) >= LEGIBLE
    assert max(min(contrast(ink, grey) for grey in greys) for ink in (DARKEST, LIGHTEST)) < LEGIBLE


@pytest.mark.parametrize("heatmap", HEATMAPS)
@pytest.mark.parametrize(("n_seeds", "asked"), [(1, 1), (1, 2)])
def test_every_text_in_a_cell_is_legible_on_the_cells_colour(heatmap: Heatmap, n_seeds: int, asked: int) -> None:
    figure = draw_heatmap(heatmap, grid(heatmap, list(np.linspace(0, 1, 33)), n_seeds, asked))
    axes = figure.axes[0]
    colours = {round(patch.get_x() + 0.47): patch.get_facecolor() for patch in axes.patches if patch.get_fill()}
    assert len(colours) == 33 and len(axes.texts) >= 66
    for text in axes.texts:
        assert text.get_alpha() in (None, 1)
        ground = colours[round(text.get_position()[0])]
        assert contrast(text.get_color(), ground) >= LEGIBLE, (text.get_text(), ground)
        box = text.get_bbox_patch()
        assert (box is not None) == (n_seeds < asked), "hatching never runs through a text"
        assert box is None or box.get_facecolor() == ground


def test_every_text_on_paper_is_legible() -> None:
    tidy = ranking(read_table(PRINTED), ["SimCLR"])
    figures = [dots(tidy, "preset smoke"), draw_heatmap(ACCURACY, grid(ACCURACY, [0.5]), "preset smoke")]
    for figure in figures:
        on_paper = [text for text in texts(figure) if text.axes is None or text not in text.axes.texts]
        assert len(on_paper) > 5
        assert min(contrast(text.get_color(), PAPER) for text in on_paper) >= LEGIBLE


def test_a_caption_says_preset_reading_and_k_est_and_explains_the_frame() -> None:
    plan = plan_of(k_est=(128, 256))
    assert made_of(plan) == "estimates: nominal reading (Eq. 4), K_est = 128, 256"
    assert made_of(plan, ["evaluation"]) == ""
    told = [text.get_text() for text in texts(draw_heatmap(ESTIMATE, grid(ESTIMATE, [1.0] * 4), made_of(plan)))]
    assert FRAMED in told and made_of(plan) in told
    assert FRAMED in [text.get_text() for text in texts(draw_heatmap(ACCURACY, grid(ACCURACY, [1.0] * 4)))]
