"""How well a rate is known: the formula of phrasemill.rate_range, reckoned by hand and tried on chance itself."""

import math
import random

import pytest

from phrasemill.range_words import range_in_words, time_in_words
from phrasemill.ranges import Range
from phrasemill.rate_range import mean_range, rate_range


class TestRate:
    def test_the_likely_rate_is_all_that_was_counted_over_all_the_time(self) -> None:
        rate = rate_range([(10, 100), (30, 500)], usual=0.1)
        assert rate is not None
        assert rate.likely == 15
        assert rate.low < 15 < rate.high
        assert rate.low * rate.high == pytest.approx(15**2)

    def test_a_single_stretch_has_the_spread_that_is_usual(self) -> None:
        rate = rate_range([(10, 1e6)], usual=0.1)
        assert rate is not None
        assert rate.high / rate.likely == pytest.approx(1.2)

    def test_stretches_that_are_alike_narrow_it_and_the_least_error_stays(self) -> None:
        def width(count: int, least: float = 0.0) -> float:
            rate = rate_range([(10.0, 1e6)] * count, usual=0.1, least=least)
            assert rate is not None
            return rate.high / rate.likely - 1

        assert width(4) == pytest.approx(2 * 0.1 / 4)  # s = 0.1 / 2, over the root of 4
        assert width(100) == pytest.approx(2 * 0.1 / 100)
        assert width(100, least=0.03) == pytest.approx(0.06)

    def test_few_phrases_are_an_error_of_counting(self) -> None:
        rate = rate_range([(10, 4)] * 4, usual=0.01)
        assert rate is not None
        assert rate.high / rate.likely == pytest.approx(1 + 2 / math.sqrt(16))

    def test_stretches_that_differ_widen_it_by_their_deviation(self) -> None:
        rate = rate_range([(1, 9e6), (1, 11e6)] * 3, usual=0.0)
        assert rate is not None
        assert rate.high / rate.likely == pytest.approx(1 + 2 * math.sqrt(0.01 / 6))

    def test_nothing_counted_is_no_rate(self) -> None:
        assert rate_range([], usual=0.1) is None
        assert rate_range([(10, 0)], usual=0.1) is None
        assert rate_range([(0, 10)], usual=0.1) is None

    def test_nine_times_in_ten_at_least_the_true_rate_lies_in_it(self) -> None:
        chance = random.Random(7)
        held = 0
        for _ in range(400):
            stretches = [(10.0, max(0.0, chance.gauss(400, 80))) for _ in range(6)]
            rate = rate_range(stretches, usual=0.2)
            assert rate is not None
            held += rate.low <= 40 <= rate.high
        assert held >= 360


class TestMean:
    def test_of_weighted_values(self) -> None:
        mean = mean_range([(0.5, 1), (0.8, 2)], usual=0.05)
        assert mean is not None
        assert mean.likely == pytest.approx(0.7)
        assert mean.low < 0.7 < mean.high

    def test_nothing_to_take_the_mean_of(self) -> None:
        assert mean_range([], usual=0.1) is None
        assert mean_range([(3.0, 0.0)], usual=0.1) is None


class TestWords:
    @pytest.mark.parametrize(
        ("low", "likely", "high", "words"),
        [
            (660, 720, 840, "12 min (11 to 14)"),
            (35, 40, 50, "40 s (35 to 50)"),
            (0, 0, 0, "0 s"),
            (4320, 4680, 5400, "78 min (72 to 90)"),
            (4320, 5580, 7200, "1.6 h (1.2 to 2)"),
            (86_400 * 10, 86_400 * 12, 86_400 * 15, "12 days (10 to 15)"),
            (3.9 * 31_557_600, 3.96 * 31_557_600, 4.2 * 31_557_600, "4 years (3.9 to 4.2)"),
            (719.9, 720, 720.1, "12 min"),
        ],
    )
    def test_the_unit_fits_the_likely_value(self, low: float, likely: float, high: float, words: str) -> None:
        assert time_in_words(Range(low=low, likely=likely, high=high)) == words

    def test_large_numbers_are_whole(self) -> None:
        assert range_in_words(Range(low=1900.4, likely=2000, high=2104.9), unit="phrases/s") == (
            "2,000 phrases/s (1,900 to 2,105)"
        )
