"""The table of a comparison in words: a figure a row, a side a column, or the other way round."""

from collections.abc import Callable, Iterable

from phrasemill.comparison.figures import Comparison, SideFigures
from phrasemill.range_words import range_in_words
from phrasemill.ranges import Range
from phrasemill.report import words
from phrasemill.visible import visible

REASONS_SHOWN = 3
DASH = words.DASH


def _percent(value: float | Range | None) -> str:
    if value is None:
        return DASH
    if isinstance(value, Range):
        return range_in_words(value.times(100), unit="%")
    return f"{100 * value:.1f} %"


def _rate(side: SideFigures) -> str:
    return range_in_words(side.phrases_per_s) if side.phrases_per_s else side.state


def _rejects(side: SideFigures) -> str:
    """The most frequent reject reasons, each with its share of all outputs."""
    shown = list(side.rejects.items())[:REASONS_SHOWN]
    return ", ".join(f"{reason} {_percent(count / side.judged)}" for reason, count in shown) or DASH


def _tokens(side: SideFigures) -> str:
    prompt, completion = side.prompt_tokens_a_phrase, side.completion_tokens_a_phrase
    return DASH if prompt is None and completion is None else f"{words.decimal(prompt)} + {words.decimal(completion)}"


def _cost(side: SideFigures) -> str:
    return f"{words.money(side.cost.per_million_phrases)} {side.cost.currency}" if side.cost else DASH


def _opening(side: SideFigures) -> str:
    return f"{_percent(side.text.top_opening_share)} ({side.text.top_opening})" if side.text else DASH


FIGURES: dict[str, Callable[[SideFigures], str]] = {
    "phrases/s": _rate,
    "tokens/s": lambda side: words.decimal(side.tokens_per_s),
    "client CPU, s": lambda side: words.decimal(side.client_cpu_s),
    "accepted": lambda side: _percent(side.accept_share),
    "rejected most": _rejects,
    "mean characters": lambda side: words.decimal(side.text.mean_chars if side.text else None),
    "distinct-2": lambda side: f"{side.text.distinct_2:.3f}" if side.text else DASH,
    "top opening": _opening,
    "compression": lambda side: f"{side.text.compression_ratio:.2f}" if side.text else DASH,
    "near-duplicates": lambda side: _percent(side.text.near_duplicate_share if side.text else None),
    "tokens a phrase": _tokens,
    "a million phrases": _cost,
    "asked as": lambda side: side.backend or DASH,
}
"""By the name of a row, the words of a side's cell. What a model or a server wrote is not escaped yet."""

MEANINGS = {
    "phrases/s": "accepted phrases a second",
    "tokens/s": "completion tokens a second, rejected outputs' too",
    "client CPU, s": "CPU seconds of the mill's own process",
    "accepted": "outputs that passed the rules, of all judged",
    "rejected most": "the most frequent reject reasons, of all outputs judged",
    "mean characters": "of accepted phrases",
    "distinct-2": "different neighbouring pairs of words, of all pairs, every 500 phrases apart; higher is more varied",
    "top opening": "phrases that begin with the same three words",
    "compression": "how many times smaller zstd makes them, every 500 phrases apart; higher repeats itself more",
    "near-duplicates": "phrases that share 70 % of their words with an earlier one",
    "tokens a phrase": "prompt and completion tokens an accepted phrase took, rejected outputs included",
    "a million phrases": "at the price in the corpus file or on the side, at the rate of this run",
    "asked as": "vllm: lists of prompts, the fast path; chat: one prompt a request",
}


def markdown(comparison: Comparison) -> str:
    """The table as Markdown, a side a row, with its notes below."""
    lines = ["| side | " + " | ".join(FIGURES) + " |", "|" + " --- |" * (len(FIGURES) + 1)]
    for side in comparison.sides:
        cells = [_cell(side.name), *(_cell(told(side)) for told in FIGURES.values())]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"{comparison.phrases} phrases a side, {comparison.made_at:%Y-%m-%d}."]
    lines += ["", *(f"- {_cell(note)}" for note in (*comparison.notes, *troubles(comparison), *asked(comparison)))]
    return "\n".join(lines) + "\n"


def troubles(comparison: Comparison) -> list[str]:
    """Why sides are not measured, or not with all their engines; told once for sides with the same trouble."""
    return _gathered((side.name, side.trouble) for side in comparison.sides)


def asked(comparison: Comparison) -> list[str]:
    """How the engines of each side were asked; told once for sides that were asked alike."""
    return _gathered((side.name, side.asked) for side in comparison.sides)


def _gathered(told: Iterable[tuple[str, str]]) -> list[str]:
    """Each line once, behind the names of all sides that have it."""
    by_line: dict[str, list[str]] = {}
    for name, line in told:
        if line:
            by_line.setdefault(line, []).append(name)
    return [f"{'; '.join(names)}: {line}" for line, names in by_line.items()]


def _cell(text: str) -> str:
    """Text that Markdown shows as it is."""
    shown = visible(text, most=400)
    for sign in "\\`*_<>|[]":
        shown = shown.replace(sign, f"\\{sign}")
    return shown
