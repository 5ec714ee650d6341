"""Numbers and texts as people read them. Generated text is spelled out where it could deceive."""

import datetime as dt
import math

from phrasemill.rules import BROKEN

MAX_SHOWN_CHARS = 1000  # a 10 kB word tells no more than its head
DASH, NO_BREAK = "–", "\u00a0"
UNITS = ("kB", "MB", "GB", "TB")
FORMULA_SIGNS = ("=", "+", "-", "@")


def visible(text: str, chars: int | None = None) -> str:
    """Text with invisible and direction-changing characters spelled out, and cut if it is very long.

    One that a spreadsheet would take for a formula when the page is pasted into it stands in quotation marks.

    Args:
        text: generated or not.
        chars: how many characters it had before somebody cut it.
    """
    shown = BROKEN.sub(lambda match: f"[U+{ord(match.group()):04X}]", text[:MAX_SHOWN_CHARS])
    whole = chars or len(text)
    if whole > MAX_SHOWN_CHARS:
        shown = f"{shown}… ({whole:,} characters)"
    return f"“{shown}”" if shown.lstrip().startswith(FORMULA_SIGNS) else shown


def spell_out(json_text: str) -> str:
    r"""JSON with <, >, & and every invisible character of its strings written as \u escapes: the same values."""
    for sign in "<>&":
        json_text = json_text.replace(sign, f"\\u{ord(sign):04x}")
    return BROKEN.sub(lambda match: _escaped(match.group()), json_text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def decimal(value: float | None) -> str:
    """Two significant digits, more where the number is large."""
    if value is None:
        return DASH
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def share(value: float | None) -> str:
    """Per cent, rounded down: 99.97 % is not yet 100 %."""
    if value is None:
        return DASH
    if 0 < value < 0.001:
        return f"under 0.1{NO_BREAK}%"
    return f"{math.floor(round(value * 1000, 6)) / 10:g}{NO_BREAK}%"


def size(value: int) -> str:
    """Bytes, in powers of 1000."""
    if value < 1000:
        return f"{value} bytes"
    power = min(len(UNITS), int(math.log10(value)) // 3)
    scaled = value / 1000**power
    return f"{scaled:.0f} {UNITS[power - 1]}" if scaled >= 100 else f"{scaled:.1f} {UNITS[power - 1]}"


def money(value: float) -> str:
    """An amount; small ones keep two significant digits."""
    return f"{value:,.2f}" if value >= 0.1 or not value else f"{value:.2g}"


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    if not seconds:
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(value: dt.datetime | None) -> str:
    """A time in UTC, to the minute."""
    if value is None:
        return DASH
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
