"""Parts of the report that are reckoned: speed over time, cost, trends, laws of words, likeness."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from phrasemill.facts import Facts
from phrasemill.price_settings import Price
from phrasemill.report.corpus_sample import heaps_fit, mtld, sample_figures, self_bleu, zipf_fit
from phrasemill.report.summary import NightSummary
from phrasemill.report.trend import earlier_points
from phrasemill.report.work import cost_of
from tests.specs import make_spec
from tests.tables import sentences
from tests.test_report import NOW, START, Night


@pytest.fixture(scope="module")
def night() -> Night:
    return Night(make_spec())


class TestSpeedOverTime:
    def rates(self, night: Night, *paces: list[tuple[float, float, int]]) -> list[tuple[float, float]]:
        manifests = [
            manifest.model_copy(update={"facts": manifest.facts.model_copy(update={"pace": pace})})
            for manifest, pace in zip(night.manifests, paces, strict=False)
        ]
        lines = night.summary(manifests=manifests).work.rates
        return [(line.start.timestamp() - START.timestamp(), line.phrases_per_second) for line in lines]

    def test_a_block_s_phrases_are_spread_over_the_time_since_the_save_before(self, night: Night) -> None:
        at = START.timestamp()
        rates = self.rates(night, [(at + 10, 10, 100), (at + 20, 10, 300)], [(at + 20, 10, 50)])
        assert [rate for _, rate in rates] == pytest.approx([10.0] * 10 + [35.0] * 10)

    def test_they_add_up_to_all_phrases(self, night: Night) -> None:
        at = START.timestamp()
        lines = self.rates(night, [(at + 333.3, 321.0, 777), (at + 9000, 4000, 23)])
        width = lines[1][0] - lines[0][0]
        assert sum(rate * width for _, rate in lines) == pytest.approx(800, rel=1e-3)
        assert len(lines) <= 120

    def test_manifests_without_blocks_times_count_as_one_stretch(self, night: Night) -> None:
        rates = self.rates(night, [])
        assert [rate for _, rate in rates] == pytest.approx([1.0] * 60)

    def test_blocks_leave_their_times_when_they_are_added_up(self) -> None:
        blocks = [Facts(accepted=20, seconds=5, finished_at=START + dt.timedelta(seconds=s)) for s in (10, 5)]
        pace = Facts.total(blocks).pace
        assert pace == [(START.timestamp() + 5, 5, 20), (START.timestamp() + 10, 5, 20)]
        assert Facts.total([Facts.total(blocks)]).pace == pace


class TestCost:
    def test_by_the_gpu_hour(self, night: Night) -> None:
        work = night.summary().work.model_copy(update={"seconds": 1800.0})
        cost = cost_of(Price(per_gpu_hour=2.5, gpus=4), work=work, phrases=100_000, target=10_000_000)
        assert cost is not None
        assert (cost.amount, cost.per_million_phrases, cost.whole_target) == pytest.approx((5.0, 50.0, 500.0))
        assert cost.basis == "4 GPUs for 0.50 hours of generating committed shards, at 2.5 EUR an hour each"

    def test_by_the_token(self, night: Night) -> None:
        work = night.summary().work.model_copy(update={"prompt_tokens": 3_000_000, "completion_tokens": 500_000})
        price = Price(currency="USD", per_million_prompt_tokens=0.1, per_million_completion_tokens=0.4)
        cost = cost_of(price, work=work, phrases=1_000_000, target=2_000_000)
        assert cost is not None
        assert (cost.amount, cost.whole_target) == pytest.approx((0.5, 1.0))

    def test_without_a_price_or_without_phrases_there_is_none(self, night: Night) -> None:
        assert night.summary().cost is None
        assert cost_of(Price(per_gpu_hour=1), work=night.summary().work, phrases=0, target=10) is None

    @pytest.mark.parametrize("price", [{}, {"gpus": 2}, {"per_gpu_hour": 1, "per_million_prompt_tokens": 1}])
    def test_a_price_is_of_one_kind(self, price: dict[str, float]) -> None:
        with pytest.raises(ValidationError, match="per_gpu_hour"):
            make_spec(price=price)


class TestNightsAreCompared:
    def summary(self, night: Night, date: str, days: int) -> NightSummary:
        at = NOW + dt.timedelta(days=days)
        shards = [line.model_copy(update={"committed_at": at}) for line in night.summary().shards]
        return night.summary().model_copy(update={"date": date, "shards": tuple(shards)})

    def test_in_order_and_only_those_before(self, night: Night) -> None:
        summaries = [self.summary(night, "third", 3), self.summary(night, "first", 1), self.summary(night, "second", 2)]
        before = NOW + dt.timedelta(days=3)
        assert [point.date for point in earlier_points(summaries, before=before)] == ["first", "second"]
        assert len(earlier_points(summaries, before=None)) == 3

    def test_a_night_stands_last_with_the_figures_of_its_summary(self, night: Night) -> None:
        (earlier,) = earlier_points([self.summary(night, "before", -1)], before=NOW)
        trend = night.summary(earlier=[earlier]).trend
        assert [point.date for point in trend] == ["before", "2026-11-01"]
        mine, theirs = (point.model_dump(exclude={"date", "figures"}) for point in trend)
        assert mine == pytest.approx(theirs)
        assert trend[0].figures == trend[1].figures


class TestLaws:
    def test_heaps_finds_the_exponent_it_was_given(self) -> None:
        # A new word whenever the vocabulary of law 5 n**0.6 asks for one, else an old one.
        codes, known = [], 0
        for read in range(1, 50_001):
            fresh = known < 5 * read**0.6
            known += fresh
            codes.append(known - 1 if fresh else 0)
        fit = heaps_fit(np.array(codes))
        assert (fit.k, fit.beta) == pytest.approx((5, 0.6), rel=0.05)
        assert fit.r2 > 0.999
        assert fit.points[-1] == (50_000, known)

    def test_zipf_finds_the_exponent_it_was_given(self) -> None:
        counts = np.round(100_000 / np.arange(1, 2001) ** 1.1).astype(int)
        fit = zipf_fit(np.random.default_rng(0).permutation(counts))
        assert (fit.c, fit.s) == pytest.approx((100_000, 1.1), rel=0.02)
        assert fit.points[0] == (1, 100_000)


class TestMtld:
    def test_one_word_over_and_over_is_a_factor_every_two_words(self) -> None:
        assert mtld([7] * 100) == 2

    def test_all_different_words_have_none(self) -> None:
        assert mtld(list(range(100))) is None
        assert mtld([]) is None

    def test_a_part_of_a_factor_counts_in_part(self) -> None:
        # 4 different of 5 words is a ratio of 0.8: (1 - 0.8) / (1 - 0.72) of a factor, both ways.
        assert mtld([1, 2, 3, 4, 1]) == pytest.approx(5 / (0.2 / 0.28))

    def test_a_wider_vocabulary_scores_higher(self) -> None:
        draw = np.random.default_rng(1)
        narrow, wide = (draw.integers(0, size, 5000).tolist() for size in (50, 2000))
        assert (mtld(narrow) or 0) < (mtld(wide) or math.inf)


class TestLikeness:
    def test_self_bleu_is_1_for_one_phrase_said_twice_and_low_for_different_ones(self) -> None:
        assert self_bleu(["The baker found a brass key on the pier."] * 2) == pytest.approx(1)
        assert self_bleu(sentences(20)) < 0.3
        assert self_bleu(["Alone."]) is None

    def test_duplicates_over_shards_are_counted(self) -> None:
        one, other = sentences(300), sentences(300, seed=1)
        other[0] = one[0]
        other[1] = f"{one[1][:-1]} again."
        hashes = [np.array([hash(text) & (2**63 - 1) for text in texts], dtype=np.uint64) for texts in (one, other)]
        figures = sample_figures([pa.array(one), pa.array(other)], hashes, seed=1)
        assert (figures.sampled.shards, figures.sampled.phrases) == (2, 600)
        assert figures.sampled.words == sum(len(text.split()) for text in one + other)
        assert figures.duplicates.exact == 1
        assert figures.duplicates.near == 2
        assert {one[1], other[1]} in [set(pair) for pair in figures.duplicates.examples]

    def test_a_tiny_sample_has_no_laws(self) -> None:
        figures = sample_figures([pa.array(sentences(3))], [np.arange(3, dtype=np.uint64)], seed=1)
        assert (figures.heaps, figures.zipf) == (None, None)
