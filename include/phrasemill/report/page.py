"""The report page: a summary as one HTML file that needs nothing from outside and runs nothing.

Everything in it may come from a model, so all of it is escaped, invisible characters are spelled out, and the
page's own policy forbids scripts, frames, forms and every request.
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

from phrasemill.report import plots, words
from phrasemill.report.environment import environment_of
from phrasemill.report.summary import CorpusSummary, NightSummary, TrendPoint
from phrasemill.report.svg import COLOURS


class Figure(NamedTuple):
    """A metric in words; `share` tells whether it is one."""

    name: str
    meaning: str
    share: bool = True


FIGURES = {
    "distinct_1": Figure("Distinct words", "different words of all words, in 500 phrases"),
    "distinct_2": Figure("Distinct word pairs", "different neighbouring pairs of all pairs, in 500 phrases"),
    "distinct_3": Figure("Distinct word triples", "different runs of three of all runs, in 500 phrases"),
    "near_duplicate_share": Figure(
        "Near duplicates", "phrases that share 70 % of their words with an earlier one of their shard"
    ),
    "compression_ratio": Figure(
        "Compression", "how many times smaller zstd makes 500 phrases; repetitive text shrinks more", share=False
    ),
    "top_opening_share": Figure("Most common opening", "phrases that begin with the same three words"),
    "language_share": Figure("Language", "of the phrases asked about, those that read as the corpus's language"),
    "template_coverage": Figure("Template coverage", "of each template's planned phrases, the least"),
    "slot_coverage": Figure("Slot coverage", "lexemes that occur, of all that the plan gives the shard"),
}
TRENDS = ("distinct_2", "near_duplicate_share", "language_share")
"""Metrics shown night by night, beside speed, rejects, length and tokens."""

LABEL_CHARS = 20  # two of them fit below a plot


class Trend(NamedTuple):
    """One figure over nights: its name, its latest value in words, and its plot."""

    name: str
    latest: str
    plot: str


def render_report(summary: NightSummary | CorpusSummary, *, data_docs: bool = False) -> str:
    """The page as HTML; `data_docs` says that the night's Data Docs lie beside it, to be linked to."""
    css = resources.files("phrasemill.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    css += "".join(f".fill-{name}{{fill:var(--{name})}}.stroke-{name}{{stroke:var(--{name})}}\n" for name in COLOURS)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        environment_of("phrasemill.report")
        .get_template("report.html.j2")
        .render(
            s=summary,
            data_docs=data_docs,
            figures=FIGURES,
            plots=_plots(summary),
            trends=_trends(summary.trend),
            css=css,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )


def _plots(summary: NightSummary | CorpusSummary) -> dict[str, str]:
    """By name, the SVG elements that this summary has figures for; the others are empty."""
    drawn = dict.fromkeys(("growth", "heaps", "lengths", "rates", "zipf"), "")
    if summary.lengths:
        drawn["lengths"] = plots.length_plot(summary.lengths)
    if isinstance(summary, CorpusSummary):
        if summary.shards:
            drawn["growth"] = plots.growth_plot(summary.shards, target=summary.progress.target_phrases)
        if summary.corpus_figures and summary.corpus_figures.heaps:
            drawn["heaps"] = plots.heaps_plot(summary.corpus_figures.heaps)
        if summary.corpus_figures and summary.corpus_figures.zipf:
            drawn["zipf"] = plots.zipf_plot(summary.corpus_figures.zipf)
    elif len(summary.work.rates) > 1:
        drawn["rates"] = plots.rate_plot(summary.work.rates)
    return drawn


def _trends(points: Sequence[TrendPoint]) -> list[Trend]:
    """What can be compared over nights: figures that at least two of them have."""
    percent = words.share
    lines: list[tuple[str, list[float | None], Any]] = [
        ("Phrases a second", [point.phrases_per_second for point in points], words.decimal),
        ("Outputs rejected", [point.reject_share for point in points], percent),
        ("Mean characters", [point.mean_chars for point in points], words.decimal),
        ("Tokens a phrase", [point.tokens_per_phrase for point in points], words.decimal),
    ]
    lines += [(FIGURES[name].name, [point.figures.get(name) for point in points], percent) for name in TRENDS]
    labels = [words.visible(point.date)[:LABEL_CHARS] for point in points]
    trends = []
    for name, values, show in lines:
        known = [value for value in values if value is not None]
        if len(known) > 1:
            trends.append(Trend(name, show(known[-1]), plots.trend_plot(name, labels, values, show)))
    return trends
