import pytest

from phrasemill.forecast.words import count_words, money_words, short, size_words, time_words
from phrasemill.ranges import Range


def around(likely: float) -> Range:
    return Range(low=likely / 2, likely=likely, high=likely * 2)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12.5, "12.5 s (6.25 to 25)"),
        (90, "1.5 min (0.75 to 3)"),
        (2 * 3600, "2 h (1 to 4)"),
        (10 * 86_400, "10 days (5 to 20)"),
        (125e6, "3.96 years (1.98 to 7.92)"),
    ],
)
def test_a_time_is_told_in_the_unit_of_its_likely_value(seconds: float, words: str) -> None:
    assert time_words(around(seconds)) == words


def test_what_is_known_has_no_bracket() -> None:
    assert time_words(Range.exactly(7200)) == "2 h"


def test_counts_and_sizes_are_scaled_together() -> None:
    assert count_words(around(250e6), "tokens") == "250 million tokens (125 to 500)"
    assert count_words(Range.exactly(240), "phrases") == "240 phrases"
    assert size_words(around(1.8e9)) == "1.8 GB (0.9 to 3.6)"
    assert size_words(Range.exactly(12)) == "12 bytes"


def test_money_has_its_currency() -> None:
    assert money_words(around(4.2), "EUR") == "4.2 (2.1 to 8.4) EUR"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.0125, "0.0125"), (99.96, "100"), (1934.4, "1,934"), (5, "5")]
)
def test_three_digits(number: float, text: str) -> None:
    assert short(number) == text
