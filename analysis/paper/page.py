"""The page "what holds and what does not": sections of markdown, each with the command that prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.agreement.columns import ALIGNMENT, I_SIMCLR, MINUS, TOLERANCE
from analysis.agreement.ranking import table
from analysis.paper.bound import balanced_bits, ceiling_lines, least_k, sampled_bits
from analysis.paper.tables import GEOMETRY, gap_to_tolerance, in_another_table, repeated_rows
from analysis.verdict import Verdict
from mi_ray.theory.channel import LabelChannel

CLASSES, K = 64, 256
"""Of Fig. 4: CDP's colour, digit and position, K_est."""

BATCHES = 2000
IMAGENET_CLASSES = 1000
SIZES = (256, 512, 1024, 4096, 8192)
OUTLIERS = ("Jigsaw", "RotNet")
"""The two encoders of Table VI far below the others in accuracy."""

OUTLIER_TABLE = "VI"


def bound_section() -> str:
    """Eq. 4 can exceed the mutual information."""
    channel = LabelChannel.uniform(CLASSES)
    sampled = sampled_bits(CLASSES, K, BATCHES)
    rows = [
        ("mutual information of a perfect encoder, H(C)", f"{channel.information_bits:.3f}"),
        (f"Eq. 4, expectation over batches of {K} independent pairs", f"{channel.nominal_ceiling_bits(K):.4f}"),
        (
            f"the same, mean of {BATCHES:,} batches of mi-ray's sampler",
            f"{sampled.mean_bits:.4f} ± {sampled.standard_error_bits:.4f} (standard error)",
        ),
        (f"Eq. 4 on a batch with {K // CLASSES} pairs of every class", f"{balanced_bits(CLASSES, K):.2f}"),
        ("cross-view estimate, log2 K, of the same encoder: never above", f"{channel.strict_ceiling_bits(K):.3f}"),
    ]
    return _section(
        "Eq. 4 is not a lower bound",
        f"A critic that knows the classes of {CLASSES} equally likely ones reads, with K = {K}, in bits:",
        _grid(("", "bits"), rows),
        "The negatives of Eq. 4 come in pairs (x_j, y_j) of one class, so that Prop. II.1's step from the expectation "
        "to the mean over negatives is an approximation. The excess is small for independent pairs, and a fifth of a "
        "bit where batches are balanced over classes: a reading that equals H(C) does not prove that it was reached. "
        "mi-ray draws independent pairs and certifies from the cross-view estimate only.",
    )


def ceilings_section(encoders: pd.DataFrame) -> str:
    """No encoder of ImageNet-1k reads its mutual information at K = 256."""
    channel = LabelChannel.uniform(IMAGENET_CLASSES)
    rows = [(f"{k:,}", *(f"{value:.2f}" for value in values)) for k, *values in ceiling_lines(IMAGENET_CLASSES, SIZES)]
    best = encoders.loc[encoders[I_SIMCLR.name].idxmax()]
    least = least_k(best[I_SIMCLR.name])
    return _section(
        f"At K = {K} no encoder of ImageNet-1k can read its mutual information",
        f"H(C) of {IMAGENET_CLASSES:,} equally likely classes is {channel.entropy_bits:.2f} bits. The most that each "
        "estimate reaches, for a perfect encoder, in bits:",
        _grid(("K", "bound of Eq. 4, log2(2K - 1)", "Eq. 4, same-class pairs", "cross-view, same-class pairs"), rows),
        f"The paper states K = {K} for Fig. 4 and none for its tables. Table {best['table']} prints "
        f"{best[I_SIMCLR.name]:.3f} bits under SimCLR's pairing for {best['model']}, above the bound at {K}: its K is "
        f"at least {least}. K is an axis of every study here, and each figure states it.",
    )


def duplicate_section(encoders: pd.DataFrame) -> str:
    """Alignment and tolerance are one measurement."""
    gap = gap_to_tolerance(encoders)
    rows = []
    for name, of_table in encoders.groupby("table", sort=False):
        r = float(of_table[ALIGNMENT.name].corr(of_table[TOLERANCE.name]))
        rows.append((str(name), len(of_table), f"{gap[name]:.3f}", f"{r:.4f}".replace("-", MINUS)))
    return _section(
        "Alignment and tolerance are one measurement",
        "On the unit sphere, E ||x - y||^2 = 2 - 2 E x'y. Over same-class pairs the left side is alignment and the "
        "right one 2 - 2 tolerance. In the printed rows:",
        _grid(("Table", "encoders", "alignment - (2 - 2 tolerance), at most", "correlation"), rows),
        "Two columns of agreement with accuracy are therefore one result, and not two.",
    )


def copied_section(encoders: pd.DataFrame) -> str:
    """A row of a printed table has the numbers of another."""
    parts = []
    for name, one, other in repeated_rows(encoders):
        columns = ["table", "model", *GEOMETRY]
        both = pd.concat([in_another_table(encoders, model, name) for model in (one, other)])
        rows = [tuple(str(row[column]).replace("-", MINUS) for column in columns) for _, row in both.iterrows()]
        parts.append(
            f"In Table {name}, {one} and {other} have the same alignment, uniformity and tolerance to the last "
            "digit:\n\n" + _grid(("Table", "Encoder", "alignment", "uniformity", "tolerance"), rows)
        )
    return _section(
        "One row has the numbers of another",
        *(parts or ["No two encoders of a table have the same alignment, uniformity and tolerance."]),
        "The encoders are the same in both data sets' tables. MoCo's numbers hardly differ between them, those of the "
        "supervised encoder do: its row holds MoCo's."
        if parts
        else "",
    )


def outliers_section(encoders: pd.DataFrame) -> str:
    """What two encoders do to the correlations of Table VI."""
    agreement = table(encoders[encoders["table"] == OUTLIER_TABLE], OUTLIERS)
    rows = []
    for label, of_measure in agreement.groupby("label", sort=False):
        cells = []
        for _, row in of_measure.iterrows():
            cells += [f"{row['pearson']:z.2f}", _span(row, "pearson"), _span(row, "pearson_less_one")]
        rows.append((str(label), *(cell.replace("-", MINUS) for cell in cells)))
    count = int(agreement["encoders"].max())
    heads = (f"r, all {count}", "95 %", "less one", f"r, without {' and '.join(OUTLIERS)}", "95 %", "less one")
    return _section(
        f"Two encoders make Table {OUTLIER_TABLE}'s order of measures",
        "Pearson's r with accuracy (+1 is full agreement), with 95 % bootstrap intervals over encoders, and its range "
        "when any one encoder is left out:",
        _grid(("Measure", *heads), rows),
        f"With {' and '.join(OUTLIERS)}, far below the others in accuracy, {MINUS}alignment and tolerance seem to "
        "agree with nothing. Without them both agree. The estimate of same-class pairs leads in both cases.",
    )


def verdict_section(verdicts: Iterable[Verdict], store: str) -> str:
    """The verdicts of the studies whose figures a store holds."""
    rows = [(verdict.study, _word(verdict.holds), verdict.claim, verdict.sentence) for verdict in verdicts]
    if not rows:
        return ""
    text = f"From the figures in `{store}`, which the sweeps of the same names have computed:"
    return _section("The paper's claims in runs of mi-ray", text, _grid(("Study", "Verdict", "Claim", "Result"), rows))


def page(encoders: pd.DataFrame, verdicts: Iterable[Verdict], store: str, made_by: str) -> str:
    """The whole page; ``made_by``: the command that makes it."""
    sections = [
        verdict_section(verdicts, store),
        bound_section(),
        ceilings_section(encoders),
        duplicate_section(encoders),
        copied_section(encoders),
        outliers_section(encoders),
    ]
    head = f"# What holds and what does not\n\nThis page is made by `{made_by}`, in less than a minute.\n"
    return "\n".join([head, *filter(None, sections)])


def _word(holds: bool | None) -> str:
    return {True: "holds", False: "does not hold", None: "cannot be judged"}[holds]


def _span(row: pd.Series, name: str) -> str:
    return f"{row[f'{name}_low']:z.2f} to {row[f'{name}_high']:z.2f}"


def _section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *filter(None, parts)]) + "\n"


def _grid(head: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *body]
    texts = [[str(value).replace("|", "\\|") for value in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)
