"""Text of people and of models in Markdown: shown as it is written, and never read as markup.

After CommonMark 0.31, sections 2.4 (backslash escapes) and 4.5 (fenced code blocks), and GitHub's tables.
"""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from phrasemill.report import words
from phrasemill.visible import visible

SPECIAL = re.compile(r"[\\`*_\[\]<>#|~$&]")
AT_LINE_START = re.compile(r"(?:[-+=]|(\d{1,9})(?=[.)](?: |$)))")
"""Of a list entry, a rule or an underline; text may stand at the start of a line of the card."""
MOST_SHOWN = 100_000  # characters; a prompt of this length is no prompt for a phrase


def inline(text: str) -> Markup:
    """Text within a line, a heading or a cell of a table, on one line."""
    shown = SPECIAL.sub(r"\\\g<0>", visible(text.strip(), most=MOST_SHOWN))
    if start := AT_LINE_START.match(shown):
        after = start.end() if start[1] else 0
        shown = f"{shown[:after]}\\{shown[after:]}"
    return Markup(shown)  # noqa: S704 - every character that means something in Markdown is escaped


def fenced(text: str, info: str = "text") -> Markup:
    """Text as a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(visible(line, most=MOST_SHOWN) for line in text.split("\n"))
    return Markup(f"{fence}{info}\n{lines}\n{fence}")  # noqa: S704 - no line of it closes the fence


def environment() -> Environment:
    """The templates of a release: what they print is escaped by `inline` unless a filter has made it Markdown."""
    made = Environment(
        loader=PackageLoader("phrasemill.release", "templates"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else inline(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "duration": words.duration,
        "fenced": fenced,
        "moment": words.moment,
        "share": lambda value: words.share(value).replace(words.NO_BREAK, " "),
        "size": words.size,
        "whole": lambda value: f"{value:,}",
    }
    return made
