r"""Regular expressions of users, bounded in time: none of them can hang the mill.

They are run by the package `regex`. It sees through nested repeats such as (a+)+ by itself, and its searches take a
time limit for the rest: a pattern such as (a|aa)+$ is refused when the corpus file is checked, and stopped if a phrase
brings out later what the check did not. RE2 would need no limit, but
its \b and \w know ASCII only, so that \bвдруг\b never matches, and it has no lookaround.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from phrasemill.errors import PhrasemillError

if TYPE_CHECKING:
    import regex

LIMIT_S = 0.25  # a sound pattern takes 1 to 5 us a phrase
TRIAL_ENDS = ("", "!", "\n")  # what comes after a long run makes a backtracking search fail, and go back
TRIAL_RUNS = ("a", "я", " ", "0", "aB ", "яБ ", "ab1, ", "a-", '"', ".")


class PatternTooSlow(PhrasemillError):
    """A pattern ran into its time limit; the message names pattern and text."""


class BoundedPattern:
    """A compiled pattern; two of the same text share the compiled one.

    Raises:
        ModuleNotFoundError: the package regex is not installed.
        ValueError: the pattern is none.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._search = _compiled(pattern).search

    def search(self, text: str) -> "regex.Match[str] | None":
        """The first match.

        Raises:
            PatternTooSlow: the search took LIMIT_S.
        """
        try:
            return self._search(text, timeout=LIMIT_S)
        except TimeoutError as error:
            shown = repr(text if len(text) <= 60 else f"{text[:60]}…")
            raise PatternTooSlow(
                f"the pattern {self.pattern} takes over {LIMIT_S} s on a text such as {shown}; "
                "rewrite what it can read in many ways, such as (a|aa)+ or (.*a){20}"
            ) from error


def pattern_mistake(pattern: str, *, chars: int) -> str | None:
    """What is wrong with a pattern: no regular expression, or too slow on some text of `chars` characters."""
    try:
        bounded = BoundedPattern(pattern)
    except ModuleNotFoundError:
        return "needs the package regex, which is not installed here; install it"
    except ValueError as error:
        return f"is no regular expression: {error}"
    for run in dict.fromkeys((*TRIAL_RUNS, *filter(str.isalnum, pattern))):
        text = (run * chars)[:chars]
        for end in TRIAL_ENDS:
            try:
                bounded.search(text + end)
            except PatternTooSlow as error:
                return str(error).replace(f"the pattern {pattern} ", "", 1)
    return None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    import regex  # noqa: PLC0415

    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(str(error)) from error
