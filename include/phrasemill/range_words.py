"""Ranges as people read them: 'ETA 12 min (11 to 14)'."""

from phrasemill.ranges import Range

MINUTE_S, HOUR_S, DAY_S, YEAR_S = 60.0, 3600.0, 86_400.0, 365.25 * 86_400
UNITS = ((90.0, 1.0, "s"), (90 * MINUTE_S, MINUTE_S, "min"), (48 * HOUR_S, HOUR_S, "h"), (YEAR_S, DAY_S, "days"))
"""Up to which likely time (s) which unit is used, what it is in seconds, and its name."""


def time_in_words(seconds: Range, *, digits: int = 2) -> str:
    """A time in the unit that fits its likely value, such as '12 min (11 to 14)'; '40 s' where it is known."""
    unit_s, name = time_unit(seconds.likely)
    return range_in_words(seconds.times(1 / unit_s), unit=name, digits=digits)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit that fits a time: what it is in seconds, and its name."""
    return next(((unit_s, name) for below, unit_s, name in UNITS if seconds < below), (YEAR_S, "years"))


def range_in_words(value: Range, *, unit: str = "", digits: int = 2) -> str:
    """A range in so many digits before the unit, more where it is large: '1.3 h (1.2 to 1.5)'.

    Without the bracket where both its ends read as the likely value does.
    """
    return with_suffix(value, f" {unit}" if unit else "", digits=digits)


def with_suffix(value: Range, suffix: str, *, digits: int) -> str:
    """The same with whatever follows the likely value as it is: '250 million (240 to 270)'."""
    low, likely, high = (short(number, digits) for number in (value.low, value.likely, value.high))
    return f"{likely}{suffix}" + ("" if low == likely == high else f" ({low} to {high})")


def short(number: float, digits: int) -> str:
    """So many digits, or more before the point; with three: 3.96, 0.0125, 1,934."""
    return f"{number:,.0f}" if number >= 10 ** (digits - 1) - 0.05 else f"{number:.{digits}g}"
