"""A dry run in lines, the same for terminals and task logs."""

import math
from collections.abc import Iterator

from phrasemill.dry_run.figures import DryRun, Origins
from phrasemill.forecast.words import count_words, money_words, range_words, short, time_words
from phrasemill.planning import format_shards
from phrasemill.ranges import Range
from phrasemill.visible import visible


def dry_run_lines(found: DryRun) -> list[str]:
    """What the shards take, a figure a line, each as likely (low to high)."""
    if not found.shards:
        return [f"dry run of {found.corpus}: all of these shards are committed, nothing would be asked"]
    return [_title(found), *(f"{name:<18} {words}" for name, words in _figures(found))]


def _title(found: DryRun) -> str:
    staged = f", {found.staged:,} are staged already" if found.staged else ""
    return (
        f"dry run of {found.corpus}, shards {format_shards(list(found.shards))}: {found.amounts.phrases:,} phrases "
        f"from {visible(found.model)}{staged}"
    )


def _figures(found: DryRun) -> Iterator[tuple[str, str]]:
    amounts, size = found.amounts, found.asking.list_size
    one = "one prompt each" if found.asking.takes_n else "one answer each"
    yield (
        "requests",
        f"{count_words(_whole(amounts.requests))}, {one if size == 1 else f'lists of up to {size} answers'}",
    )
    yield "prompt tokens", count_words(amounts.prompt_tokens)
    rejects = range_words(amounts.reject_share.times(100), " %")
    yield "completion tokens", f"{count_words(amounts.completion_tokens)}; {rejects} go into rejected answers"
    yield from _times(found)
    yield from _money(found)
    yield "estimated from", _origins(found.origins)


def _times(found: DryRun) -> Iterator[tuple[str, str]]:
    amounts, origins = found.amounts, found.origins
    if amounts.at_limits_s:
        assumed = f" at {origins.stream}" if amounts.bound == "concurrent" else ""
        yield "at the limits", f"{time_words(amounts.at_limits_s)}; {amounts.bound} bounds{assumed}"
    if amounts.at_pace_s:
        yield "at measured pace", f"{time_words(amounts.at_pace_s)}, by {origins.pace}"
    elif not amounts.at_limits_s:
        yield "time", "no rate is limited or measured; `phrasemill forecast` or `phrasemill calibrate` can tell"


def _money(found: DryRun) -> Iterator[tuple[str, str]]:
    currency, budget, rest = visible(found.currency or ""), found.budget, found.rest
    if found.amounts.money:
        yield "money", money_words(found.amounts.money, currency)
    if budget:
        ends = f"{budget.ends:%Y-%m-%d %H:%M %Z}"
        left = f"{short(budget.left)} left of {short(budget.budget)} {currency} until {ends}"
        enough = found.amounts.money and _enough(found.amounts.money, budget.left)
        yield "budget", f"{left}; {enough}" if enough else left
    if rest.money:
        whole = f"{money_words(rest.money, currency)} for the {rest.phrases:,} phrases that it lacks"
        if nights := rest.nights_by_budget:
            unit = " night" if nights.likely == 1 else " nights"
            whole += f": {range_words(nights, unit)} at this budget, {rest.nights_by_schedule} by the schedule"
        yield "whole corpus", whole


def _whole(count: Range) -> Range:
    return Range(low=math.ceil(count.low), likely=math.ceil(count.likely), high=math.ceil(count.high))


def _enough(money: Range, left: float) -> str:
    if money.high <= left:
        return "enough"
    return "perhaps not enough: a later night goes on" if money.low <= left else "not enough: a later night goes on"


def _origins(origins: Origins) -> str:
    parts: dict[str, list[str]] = {}
    for name in ("rejects", "prompt_tokens", "completion_tokens"):
        parts.setdefault(getattr(origins, name), []).append(name.replace("_", " "))
    if len(parts) == 1:
        return next(iter(parts))
    return "; ".join(f"{' and '.join(names)}: {source}" for source, names in parts.items())
