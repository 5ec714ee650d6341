"""The drawing of a corpus's rate over time: what it counts, what it cuts out, and how large it may get."""

import itertools
import re

import pytest

from phrasemill.web.rate_chart import HEIGHT, STEPS, WIDTH, Span, rate_chart

BEGIN = 1_795_000_000.0
NIGHT_S, DAY_S = 6 * 3600.0, 86_400.0


def steps(line):
    """Ends and heights (as a share of the box) of the steps of a line, stretch by stretch."""
    stretches = []
    for stretch in line.removeprefix("M").split("M"):
        first, *rest = re.split(r"[HV ]", stretch)
        heights = [1 - float(value) / HEIGHT for value in rest[0::2]]
        stretches.append((float(first), [float(value) for value in rest[1::2]], heights))
    return stretches


def phrases_in(chart, seconds):
    """The area under the line, in phrases; `seconds` is the time that the axis stands for."""
    total, top = 0.0, float(chart.top.replace(",", ""))
    for start, ends, heights in steps(chart.line):
        for left, right, height in zip([start, *ends], ends, heights, strict=False):
            total += (right - left) / WIDTH * seconds * height * top
    return total


class TestTheLine:
    def test_encloses_all_phrases(self):
        spans = [Span(BEGIN + 100 * k, BEGIN + 100 * k + 300, 1000) for k in range(40)]
        chart = rate_chart(spans)
        assert phrases_in(chart, 100 * 39 + 300) == pytest.approx(40_000, rel=0.01)

    def test_adds_up_shards_that_are_written_at_once(self):
        one = [Span(BEGIN, BEGIN + 1000, 10_000)]
        assert "10.0 on average, 10.0 at most" in rate_chart(one).description
        assert "30.0 on average, 30.0 at most" in rate_chart(one * 3).description

    def test_ends_where_the_box_does(self):
        spans = [Span(BEGIN + n * DAY_S, BEGIN + n * DAY_S + 5000 + 37 * n, 500) for n in range(9)]
        assert steps(rate_chart(spans).line)[-1][1][-1] == pytest.approx(WIDTH, abs=0.1)


class TestPauses:
    def test_longer_than_half_an_hour_are_cut_out(self):
        spans = [Span(BEGIN + n * DAY_S, BEGIN + n * DAY_S + NIGHT_S, 100_000) for n in range(3)]
        chart = rate_chart(spans)
        assert len(steps(chart.line)) == 3
        assert chart.breaks.count("M") == 2
        assert "in 3 stretches of work" in chart.description

    def test_shorter_ones_are_shown(self):
        spans = [Span(BEGIN, BEGIN + 1000, 1000), Span(BEGIN + 2000, BEGIN + 3000, 1000)]
        ((_, _, heights),) = steps(rate_chart(spans).line)
        assert min(heights) == pytest.approx(0)


class TestItsSize:
    def test_is_bounded_however_many_shards_there_are(self):
        spans = [Span(BEGIN + 60 * k, BEGIN + 60 * k + 100, 25_000) for k in range(10_000)]
        ((_, ends, _),) = steps(rate_chart(spans).line)
        assert len(ends) <= STEPS

    def test_days_are_named_where_there_is_room(self):
        spans = [Span(BEGIN + n * DAY_S, BEGIN + n * DAY_S + NIGHT_S, 100) for n in range(100)]
        places = [mark.at for mark in rate_chart(spans).marks]
        assert places[0] == 0
        assert all(later - earlier > 16 for earlier, later in itertools.pairwise(places))

    def test_without_timed_work_there_is_none(self):
        assert rate_chart([]) is None
        assert rate_chart([Span(BEGIN, BEGIN, 100), Span(BEGIN, BEGIN + 9, 0)]) is None
