import pytest

from phrasemill.forecast.amounts import AmountError, parse_target
from phrasemill.forecast.question import Target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10M phrases", Target(phrases=10_000_000)),
        ("10,000,000 phrases", Target(phrases=10_000_000)),
        ("1_000 phrases", Target(phrases=1000)),
        ("1 phrase", Target(phrases=1)),
        ("1 GB", Target(text_bytes=1e9)),
        ("1.8gb", Target(text_bytes=1.8e9)),
        ("500 kB", Target(text_bytes=500_000)),
        ("2 TB", Target(text_bytes=2e12)),
        ("7 bytes", Target(text_bytes=7)),
        ("1e9 chars", Target(chars=1e9)),
        ("1e+9 characters", Target(chars=1e9)),
        (" 2 G chars ", Target(chars=2e9)),
    ],
)
def test_an_amount_of_text(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ten phrases", "is not an amount of text"),
        ("10", "is not an amount of text"),
        ("", "is not an amount of text"),
        ("-5 GB", "is not an amount of text"),
        ("1 GiB", "has no unit known here, but 'GiB'"),
        ("10M", "has no unit known here, but 'M'"),
        ("3 nights", "has no unit known here, but 'nights'"),
        ("0 phrases", "must be above 0"),
        ("1e999 B", "must be above 0 and at most 1e+18"),
        ("2e18 chars", "must be above 0 and at most 1e+18"),
    ],
)
def test_what_is_none_is_told_in_one_line_with_examples(text: str, says: str) -> None:
    with pytest.raises(AmountError) as raised:
        parse_target(text)
    line = str(raised.value)
    assert says in line
    assert "write such as '10M phrases', '1.8 GB' or '1e9 chars'" in line
    assert "\n" not in line
