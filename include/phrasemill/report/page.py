"""The report page: a NightSummary as one HTML file that needs nothing from outside and runs nothing.

Everything in it may come from a model, so all of it is escaped, invisible characters are spelled out, and the
page's own policy forbids scripts, frames, forms and every request.
"""

import base64
import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import count
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from phrasemill.facts import ENGINE_REASONS
from phrasemill.planning import format_shards
from phrasemill.report.summary import NightSummary
from phrasemill.rules import BROKEN, REASONS

MAX_SHOWN_CHARS = 1000  # a 10 kB word tells no more than its head
MAX_BARS = 40
DASH, NO_BREAK = "–", "\u00a0"
UNITS = ("kB", "MB", "GB", "TB")
MEANINGS = REASONS | ENGINE_REASONS


class Figure(NamedTuple):
    """A metric in words."""

    name: str
    meaning: str


METRICS = {
    "distinct_1": Figure("Distinct words", "different words of all words, in 500 phrases"),
    "distinct_2": Figure("Distinct word pairs", "different neighbouring pairs of all pairs, in 500 phrases"),
    "distinct_3": Figure("Distinct word triples", "different runs of three of all runs, in 500 phrases"),
    "top_opening_share": Figure("Most common opening", "phrases that begin with the same three words"),
    "template_coverage": Figure("Template coverage", "of each template's planned phrases, the least"),
}


class Histogram(NamedTuple):
    """Bars of `width` characters from `low` to `high`; heights are per cent of the highest."""

    low: int
    high: int
    width: int
    bars: list[float]
    ticks: list[int]
    peak: str
    highest: int


def render_report(summary: NightSummary, *, sample: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML.

    Args:
        summary: the night.
        sample: rows to show: mappings with text, template, scene and phrase_id.
    """
    css = resources.files("phrasemill.report").joinpath("templates/night.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        _environment()
        .get_template("night.html.j2")
        .render(
            s=summary,
            sample=sample,
            metrics=METRICS,
            histogram=_histogram(summary.lengths.histogram) if summary.lengths else None,
            css=css,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("phrasemill.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "after_colon": lambda state: state.partition(": ")[2],
        "decimal": _decimal,
        "duration": _duration,
        "meaning": lambda reason: MEANINGS.get(reason, ""),
        "moment": _moment,
        "share": _share,
        "shards": lambda numbers: format_shards(list(numbers)),
        "size": _size,
        "visible": _visible,
        "whole": lambda value: f"{value:,}",
        "words": lambda name: _visible(name.replace("_", " ")),
    }
    return environment


def _visible(text: str) -> str:
    """Text with invisible and direction-changing characters spelled out, and cut if it is very long."""
    shown = BROKEN.sub(lambda match: f"[U+{ord(match.group()):04X}]", text[:MAX_SHOWN_CHARS])
    return shown if len(text) <= MAX_SHOWN_CHARS else f"{shown}… ({len(text):,} characters)"


def _decimal(value: float | None) -> str:
    if value is None:
        return DASH
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _share(value: float | None) -> str:
    """Per cent, rounded down: 99.97 % is not yet 100 %."""
    if value is None:
        return DASH
    if 0 < value < 0.001:
        return f"under 0.1{NO_BREAK}%"
    return f"{math.floor(round(value * 1000, 6)) / 10:g}{NO_BREAK}%"


def _size(value: int) -> str:
    if value < 1000:
        return f"{value} bytes"
    power = min(len(UNITS), int(math.log10(value)) // 3)
    size = value / 1000**power
    return f"{size:.0f} {UNITS[power - 1]}" if size >= 100 else f"{size:.1f} {UNITS[power - 1]}"


def _duration(seconds: float) -> str:
    if not seconds:
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _moment(value: dt.datetime | None) -> str:
    if value is None:
        return DASH
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _histogram(counts: Mapping[int, int]) -> Histogram:
    """Bars of a round width, so many that they still show a shape."""
    low, high = min(counts), max(counts)
    widths = (step * 10**power for power in count() for step in (1, 2, 5))
    width = next(width for width in widths if high // width - low // width < MAX_BARS)
    start = low // width * width
    bars = [0] * (high // width - low // width + 1)
    for length, phrases in counts.items():
        bars[(length - start) // width] += phrases
    highest = max(bars)
    peak = start + bars.index(highest) * width
    end = start + len(bars) * width
    return Histogram(
        low=low,
        high=high,
        width=width,
        bars=[100 * bar / highest for bar in bars],
        ticks=[start + (end - start) * k // 4 for k in range(5)] if len(bars) >= 4 else [start],
        peak=f"{peak}" if width == 1 else f"{peak} to {peak + width - 1}",
        highest=highest,
    )
