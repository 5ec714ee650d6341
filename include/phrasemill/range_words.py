"""Ranges as people read them: 'ETA 12 min (11 to 14)'."""

from phrasemill.ranges import Range

MINUTE_S, HOUR_S, DAY_S, YEAR_S = 60.0, 3600.0, 86_400.0, 365.25 * 86_400
UNITS = ((90.0, 1.0, "s"), (90 * MINUTE_S, MINUTE_S, "min"), (48 * HOUR_S, HOUR_S, "h"), (YEAR_S, DAY_S, "days"))
"""Up to which likely time (s) which unit is used, what it is in seconds, and its name."""


def time_in_words(seconds: Range) -> str:
    """A time in the unit that fits its likely value, such as '12 min (11 to 14)'; '40 s' where it is known."""
    unit_s, name = time_unit(seconds.likely)
    return range_in_words(seconds.times(1 / unit_s), unit=name)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit that fits a time: what it is in seconds, and its name."""
    return next(((unit_s, name) for below, unit_s, name in UNITS if seconds < below), (YEAR_S, "years"))


def range_in_words(value: Range, *, unit: str = "") -> str:
    """A range in two digits before the unit, more where it is large: '1.3 h (1.2 to 1.5)'.

    Without the bracket where both its ends read as the likely value does.
    """
    low, likely, high = (_short(number) for number in (value.low, value.likely, value.high))
    within = "" if low == likely == high else f" ({low} to {high})"
    return f"{likely}{f' {unit}' if unit else ''}{within}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 9.95 else f"{number:.2g}"
