"""The figures of a forecast as people read them: 'likely (low to high)', three digits, in a unit that fits."""

from phrasemill import range_words as ranges_in_words
from phrasemill.ranges import Range

DIGITS = 3
Scale = tuple[float, str]
"""What one of a unit is in the base unit, and its name."""

COUNTS: tuple[Scale, ...] = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1.0, ""))
SIZES: tuple[Scale, ...] = ((1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " bytes"))


def time_words(seconds: Range) -> str:
    """Seconds in the unit that fits the likely value: '3.96 years (1.98 to 3.96)', '1.4 h (1.25 to 1.62)'."""
    return ranges_in_words.time_in_words(seconds, digits=DIGITS)


def count_words(value: Range, unit: str = "") -> str:
    """A count such as '250 million (240 to 270)', in millions and billions from a million on."""
    return _scaled(value, COUNTS, f" {unit}" if unit else "")


def size_words(value: Range) -> str:
    """Bytes in powers of 1000: '1.82 GB (1.79 to 1.85)'."""
    return _scaled(value, SIZES, "")


def money_words(value: Range, currency: str) -> str:
    """An amount of money: '4.2 (3.8 to 5) EUR'."""
    return f"{range_words(value, '')} {currency}"


def range_words(value: Range, unit: str) -> str:
    """'likely (low to high)' with the unit after the likely value; without the bracket where all three read alike."""
    return ranges_in_words.with_suffix(value, unit, digits=DIGITS)


def short(number: float) -> str:
    """Three digits, or more before the point: 3.96, 0.0125, 1,934."""
    return ranges_in_words.short(number, DIGITS)


def _scaled(value: Range, scales: tuple[Scale, ...], unit: str) -> str:
    size, name = next((scale for scale in scales if value.likely >= scale[0]), scales[-1])
    return range_words(value.times(1 / size), f"{name}{unit}")
