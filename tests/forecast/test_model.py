import itertools
import math

import pytest
from pydantic import ValidationError

from phrasemill.forecast.answer import Forecast
from phrasemill.forecast.book import BookError, shipped_book
from phrasemill.forecast.combining import combined, product, quotient
from phrasemill.forecast.model import NightTooShort, forecast
from phrasemill.forecast.question import Evidence, Measured, Question, Target
from phrasemill.ranges import Range

TEN_MILLION = Target(phrases=1e7)
PLAIN = {"accept_share": 1, "failures": 0, "overhead_share": 0, "start_s": 0, "phrase_chars": 100}
AS_MEASURED = {"prompt_tokens": 62, "prefix_cache_share": 0.5, "completion_tokens": 25}
HOUR, DAY, YEAR = 3600, 86_400, 365.25 * 86_400


def streams(count: int, tokens_per_s: float | dict[str, float], **changes: object) -> Question:
    asked = {"target": TEN_MILLION, "gpu": "hosted", "streams": count, "tokens_per_s_per_stream": tokens_per_s}
    return Question(**{**asked, "completion_tokens": 25, **PLAIN, **changes})


def measured(value: float | Range) -> Measured:
    return Measured(value=value, source="a test that measured it")


class TestTheFirstEstimateCorrected:
    def test_a_throttled_api_takes_four_years(self):
        """25 tokens at 2 a second are 12.5 s a phrase, so 125,000,000 s, which was called 2.5 years."""
        answer = forecast(streams(1, 2))
        assert answer.elapsed_s.likely == pytest.approx(125_000_000)
        assert answer.elapsed_s.likely / YEAR == pytest.approx(3.96, abs=0.005)

    def test_one_local_stream_takes_58_to_116_days(self):
        answer = forecast(streams(1, {"low": 25, "likely": 35, "high": 50}))
        assert answer.elapsed_s.low / DAY == pytest.approx(57.9, abs=0.1)
        assert answer.elapsed_s.high / DAY == pytest.approx(115.7, abs=0.1)

    def test_ten_streams_take_a_tenth_of_one(self):
        one, ten = forecast(streams(1, 25)), forecast(streams(10, 25))
        assert ten.elapsed_s.likely == pytest.approx(one.elapsed_s.likely / 10)

    def test_ten_million_russian_phrases_are_1_8_gb(self):
        answer = forecast(Question(target=TEN_MILLION, language="ru", phrase_chars=100))
        assert answer.chars.likely == 1e9
        assert answer.text_bytes.likely == pytest.approx(1.8e9, rel=0.02)

    def test_one_gb_of_russian_is_5_6_million_phrases_and_of_english_ten(self):
        asked = {"target": Target(text_bytes=1e9), "phrase_chars": 100}
        assert forecast(Question(language="ru", **asked)).phrases.likely == pytest.approx(5.6e6, rel=0.02)
        assert forecast(Question(language="en", **asked)).phrases.likely == pytest.approx(1e7, rel=0.01)

    def test_a_hundred_russian_characters_are_40_tokens_not_25(self):
        answer = forecast(Question(target=Target(phrases=1), language="ru", **PLAIN))
        assert answer.completion_tokens.low > 35
        assert forecast(
            Question(target=Target(phrases=1), language="en", **PLAIN)
        ).completion_tokens.likely == pytest.approx(100 / 4.29 * 1.1 + 1)

    def test_an_h100_generates_ten_million_in_1_4_hours(self):
        answer = forecast(Question(target=TEN_MILLION, **PLAIN, **AS_MEASURED))
        assert answer.phrases_per_s.likely == pytest.approx(1950, rel=0.01)
        assert answer.elapsed_s.likely / HOUR == pytest.approx(1.42, abs=0.02)
        assert answer.engines == 4


class TestTheWholeChain:
    """100,000 phrases of 100 characters at 2,000 outputs a second, half accepted, two GPUs of 500 W."""

    question = Question(
        target=Target(phrases=100_000),
        **{**PLAIN, "accept_share": 0.5, "failures": 0.1, "overhead_share": 0.2, "start_s": 100},
        gpu="80gb-hopper",
        gpus=2,
        streams=100,
        tokens_per_s_per_stream=500,
        completion_tokens=25,
        bytes_per_char=1.5,
        prompt_tokens=60,
        n=2,
        oversample=0.5,
        watts_per_gpu=500,
        price={"currency": "USD", "per_gpu_hour": 3.0},
    )

    def test_by_hand(self):
        """150,000 phrases, 165,000 with those done again, at 1,000 a second; 165 s and 33 s and 100 s."""
        answer = forecast(self.question)
        figures = {
            "phrases": 150_000,
            "chars": 15_000_000,
            "text_bytes": 22_500_000,
            "outputs": 330_000,
            "prompt_tokens": 330_000 * 30,
            "completion_tokens": 330_000 * 25,
            "phrases_per_s": 1000,
            "busy_s": 165,
            "useful_s": 198,
            "night_start_s": 100,
            "worked_s": 298,
            "elapsed_s": 298,
            "gpu_hours": 2 * 298 / 3600,
            "money": 3 * 2 * 298 / 3600,
            "kwh": 2 * 298 / 3600 * 0.5,
        }
        for name, figure in figures.items():
            found = getattr(answer, name)
            assert (found.low, found.likely, found.high) == pytest.approx((figure,) * 3), name
        assert answer.currency == "USD" and answer.nights is None

    def test_nights_have_pauses_between_them(self):
        """100 s of each night of 140 s are its start, so 198 s of work take 4.95 nights: 693 s of four whole ones."""
        answer = forecast(self.question.model_copy(update={"hours_a_night": 140 / 3600}))
        assert answer.nights == Range.exactly(5)
        assert answer.worked_s.likely == pytest.approx(198 + 4.95 * 100)
        assert answer.elapsed_s.likely == pytest.approx(4 * DAY + 693 - 4 * 140)

    def test_a_night_of_24_hours_has_no_pause(self):
        long = streams(1, 2, hours_a_night=24)
        assert forecast(long).elapsed_s.likely == pytest.approx(125_000_000)

    def test_a_night_that_ends_before_it_begins_is_told(self):
        with pytest.raises(NightTooShort, match=r"take up to 210 s; give more hours_a_night"):
            forecast(Question(target=TEN_MILLION, hours_a_night=0.05))

    def test_a_price_of_tokens_is_paid_for_rejects_too(self):
        price = {"per_million_prompt_tokens": 1.0, "per_million_completion_tokens": 4.0}
        answer = forecast(streams(10, 25, prompt_tokens=60, accept_share=0.5, price=price))
        assert answer.money and answer.money.likely == pytest.approx(20 * 60 + 4 * 20 * 25)
        assert (answer.gpu_hours, answer.kwh, answer.currency) == (None, None, "EUR")

    def test_small_shards_wait_for_airflow(self):
        """1,000 shards are 3,000 task instances, at 1.7 a second half an hour, however fast the engines are."""
        few, many = (
            forecast(Question(target=Target(phrases=100_000), shards=shards)).useful_s.likely for shards in (4, 1000)
        )
        assert many == pytest.approx(3000 / 1.7)
        assert few < 200

    def test_n_saves_prompt_tokens_and_some_time(self):
        """H100, four engines: 2,269 phrases/s at n=32 against 1,934; prompts are then a small part."""
        one, many = (forecast(Question(target=TEN_MILLION, n=n, **PLAIN, **AS_MEASURED)) for n in (1, 32))
        assert many.prompt_tokens.likely == pytest.approx(one.prompt_tokens.likely / 32)
        assert many.phrases_per_s.likely / one.phrases_per_s.likely == pytest.approx(2269 / 1934, rel=0.02)

    def test_a_few_phrases_in_flight_leave_engines_idle(self):
        def rate(in_flight: int | None) -> float:
            return forecast(Question(target=TEN_MILLION, in_flight=in_flight, **PLAIN, **AS_MEASURED)).busy_s.likely

        assert rate(4) > 50 * rate(None)
        assert rate(2048) == pytest.approx(rate(None))
        waits = [rate(in_flight) for in_flight in (1, 8, 64, 512, 2048, 8192)]
        assert waits == sorted(waits, reverse=True)


class TestMoreIsNeverWorse:
    base = Question(target=TEN_MILLION, hours_a_night=6)

    def elapsed(self, **changes: object) -> Range:
        return forecast(Question(**{**self.base.model_dump(exclude_none=True), **changes})).elapsed_s

    @pytest.mark.parametrize("model", ["qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b", "mistral-7b"])
    @pytest.mark.parametrize("gpu", ["24gb", "80gb-hopper"])
    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("gpus", [1, 2, 3, 4, 8, 16]),
            ("engines_per_gpu", [1, 2, 3, 4, 5, 6, 8]),
            ("accept_share", [0.05, 0.2, 0.5, 0.8, 1.0]),
            ("hours_a_night", [0.5, 1, 4, 9, 24]),
            ("n", [1, 2, 8, 32]),
            ("prefix_cache_share", [0, 0.3, 0.9]),
        ],
    )
    def test_more_of_what_helps_is_never_slower(self, model: str, gpu: str, field: str, values: list[float]):
        times = [self.elapsed(model=model, gpu=gpu, **{field: value}) for value in values]
        for before, after in itertools.pairwise(times):
            assert after.likely <= before.likely * (1 + 1e-9)
            assert after.high <= before.high * (1 + 1e-9)

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("target", [{"phrases": count} for count in (1, 1e3, 1e6, 1e9)]),
            ("failures", [0, 0.1, 0.5]),
            ("phrase_chars", [40, 100, 160]),
            ("prompt_tokens", [10, 100, 500]),
            ("oversample", [0, 0.05, 1]),
            ("shards", [1, 400, 2000]),
            ("start_s", [0, 100, 1000]),
            ("overhead_share", [0, 0.1, 1]),
        ],
    )
    def test_more_of_what_costs_is_never_faster(self, field: str, values: list[object]):
        times = [self.elapsed(**{field: value}) for value in values]
        for before, after in itertools.pairwise(times):
            assert after.likely >= before.likely * (1 - 1e-9)
            assert after.high >= before.high * (1 - 1e-9)

    def test_russian_takes_longer_for_as_many_phrases(self):
        assert self.elapsed(language="ru").likely > self.elapsed(language="en").likely

    def test_an_adapter_costs_what_was_measured(self):
        with_adapter = forecast(Question(target=TEN_MILLION, lora=True)).phrases_per_s.likely
        assert with_adapter == pytest.approx(0.73 * forecast(Question(target=TEN_MILLION)).phrases_per_s.likely)


class TestRanges:
    def answer(self) -> Forecast:
        return forecast(Question(target=TEN_MILLION, gpu="24gb", gpus=2, lora=True, language="ru"))

    def test_ends_lie_within_the_corner_of_all_extremes(self):
        answer = self.answer()
        width = math.log(answer.worked_s.high / answer.worked_s.low)
        swings = [math.log(one.swing) for one in answer.assumptions]
        assert max(swings) < width < sum(swings)

    def test_independent_swings_add_as_squares(self):
        found = combined(100, [(100 / math.exp(3), 100 * math.exp(3)), (100 * math.exp(4), 100 / math.exp(4))])
        assert math.log(found.high / 100) == pytest.approx(5)
        assert math.log(100 / found.low) == pytest.approx(5)
        assert combined(7, []) == Range.exactly(7)
        assert combined(0, [(0, 3)]) == Range(low=0, likely=0, high=3)

    def test_one_uncertain_factor_keeps_its_own_ends(self):
        two, known = Range(low=1, likely=2, high=6), Range.exactly(4)
        assert product(two, known).high == pytest.approx(24)
        assert quotient(known, two).low == pytest.approx(4 / 6)

    def test_what_matters_most_is_first_and_its_swing_is_that_of_the_time(self):
        answer = self.answer()
        assert answer.matters_most.name == "rate" == answer.assumptions[0].name
        swings = [one.swing for one in answer.assumptions]
        assert swings == sorted(swings, reverse=True)
        rate = answer.matters_most.value
        assert answer.matters_most.swing == pytest.approx(rate.high / rate.low, rel=0.05)

    def test_a_known_figure_has_no_swing(self):
        known = forecast(Question(target=TEN_MILLION, accept_share=0.7))
        (share,) = [one for one in known.assumptions if one.name == "accept_share"]
        assert (share.kind, share.swing, share.value) == ("given", 1.0, Range.exactly(0.7))

    def test_every_assumption_has_a_source_and_its_kind(self):
        kinds = {one.name: one.kind for one in self.answer().assumptions}
        assert kinds["rate"] == "derived" and kinds["lora_factor"] == "measured" and kinds["failures"] == "assumed"
        assert all(one.source and one.unit and one.words for one in self.answer().assumptions)


class TestEvidence:
    question = Question(target=Target(phrases=2000), model="smollm2-135m", gpu="cpu", overhead_share=0, start_s=0)

    def test_a_measured_rate_replaces_the_books(self):
        answer = forecast(self.question, evidence=Evidence(phrases_per_s=measured(4.0), engines=1))
        (rate,) = [one for one in answer.assumptions if one.name == "rate"]
        assert (rate.kind, rate.source, rate.unit) == ("measured", "a test that measured it", "phrases/s")
        assert answer.phrases_per_s == Range.exactly(4.0)
        assert answer.busy_s.likely == pytest.approx(500 * 1.005)

    def test_accept_share_and_length_are_in_it_already(self):
        rate = measured(4.0)
        alone = forecast(self.question, evidence=Evidence(phrases_per_s=rate))
        more = Evidence(phrases_per_s=rate, accept_share=measured(0.3), completion_tokens_per_output=measured(90))
        assert forecast(self.question, evidence=more).busy_s == alone.busy_s
        assert forecast(self.question, evidence=more).outputs.likely == pytest.approx(2000 * 1.005 / 0.3)

    def test_another_accept_share_or_length_that_is_given_counts_in_proportion(self):
        evidence = Evidence(
            phrases_per_s=measured(4.0), accept_share=measured(0.5), completion_tokens_per_output=measured(40)
        )
        given = self.question.model_copy(
            update={"accept_share": Range.exactly(0.25), "completion_tokens": Range.exactly(20)}
        )
        assert forecast(given, evidence=evidence).phrases_per_s.likely == pytest.approx(4.0 / 2 * 2)

    def test_another_number_of_engines_follows_the_books_curve(self):
        asked = Question(target=TEN_MILLION, engines_per_gpu=4)
        answer = forecast(asked, evidence=Evidence(phrases_per_s=measured(500.0), engines=1))
        assert answer.phrases_per_s.likely == pytest.approx(500 * 1952 / 747)
        assert answer.phrases_per_s.low < answer.phrases_per_s.likely < answer.phrases_per_s.high
        (rate,) = [one for one in answer.assumptions if one.name == "rate"]
        assert rate.kind == "derived" and "for 4 engines instead of 1" in rate.source

    def test_fewer_engines_on_a_gpu_than_were_measured_follow_it_too(self):
        asked = Question(target=TEN_MILLION, engines_per_gpu=1)
        answer = forecast(asked, evidence=Evidence(phrases_per_s=measured(500.0), engines=4))
        assert answer.phrases_per_s.likely == pytest.approx(500 * 747 / 1952)

    def test_measured_text_and_overhead_replace_theirs(self):
        evidence = Evidence(
            chars_per_phrase=measured(94.0),
            bytes_per_char=measured(1.5),
            prompt_tokens_per_output=measured(66.0),
            completion_tokens_per_output=measured(44.0),
            accept_share=measured(0.5),
            overhead_share=measured(0.25),
        )
        answer = forecast(Question(target=Target(phrases=1000), failures=0, n=4), evidence=evidence)
        assert answer.text_bytes.likely == pytest.approx(1000 * 94 * 1.5)
        assert answer.prompt_tokens.likely == pytest.approx(2000 * 66)
        assert answer.completion_tokens.likely == pytest.approx(2000 * 44)
        assert answer.useful_s.likely == pytest.approx(1.25 * answer.busy_s.likely)

    def test_what_the_question_gives_goes_before_it(self):
        answer = forecast(
            Question(target=Target(phrases=1000), phrase_chars=50), evidence=Evidence(chars_per_phrase=measured(94.0))
        )
        assert answer.chars.likely == 50_000


class TestQuestionsThatMakeNoSense:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"target": {}}, "exactly one of"),
            ({"target": {"phrases": 1, "chars": 1}}, "exactly one of"),
            ({"accept_share": 0}, "above 0"),
            ({"accept_share": 1.2}, "share from 0 to 1"),
            ({"accept_share": {"low": 0.5, "likely": 0.4, "high": 0.6}}, "must rise"),
            ({"prompt_tokens": -1}, "below 0"),
            ({"prompt_tokens": 1e10}, "at most 1e"),
            ({"phrase_chars": 10**400}, "at most 1e"),
            ({"phrase_chars": 1e-10}, "from 1e-09 to 1e"),
            ({"target": {"phrases": 1e19}}, "less than or equal to"),
            ({"gpus": 10**400}, "less than or equal to"),
            ({"price": {"per_gpu_hour": 1e300}}, "at most 1e"),
            ({"gpu": "hosted"}, "must be given for a hosted API"),
            ({"streams": 3}, "needs tokens_per_s_per_stream"),
            ({"tokens_per_s_per_stream": 3}, "needs streams"),
            ({"price": {"per_gpu_hour": 2, "gpus": 3}}, "is for 3 GPUs and the question for 1"),
            (
                {"gpu": "hosted", "streams": 1, "tokens_per_s_per_stream": 2, "price": {"per_gpu_hour": 2}},
                "by the token",
            ),
        ],
    )
    def test_each_is_told_at_its_field(self, changes: dict[str, object], told: str):
        with pytest.raises(ValidationError, match=told):
            Question(**{"target": {"phrases": 1}, **changes})

    def test_the_largest_and_smallest_that_make_sense_have_finite_answers(self):
        large = {"target": {"text_bytes": 1e18}, "phrase_chars": 1e-9, "accept_share": 1e-9, "oversample": 1e9}
        answer = forecast(Question(**large, gpus=10**9, prompt_tokens=1e9, price={"per_gpu_hour": 1e9}))
        assert answer.money is not None and math.isfinite(answer.money.high)
        few = forecast(Question(target={"phrases": 1e-9}, start_s=0, price={"per_gpu_hour": 0}))
        assert few.worked_s.likely > 0 and few.money == Range.exactly(0)

    def test_a_billion_gpus_of_measured_engines_are_counted_not_listed(self):
        asked = Question(target=TEN_MILLION, gpus=10**9)
        answer = forecast(asked, evidence=Evidence(phrases_per_s=measured(500.0), engines=4))
        assert answer.phrases_per_s.likely == pytest.approx(500 * (1 + 0.97 * (10**9 - 1)))

    def test_an_unknown_model_and_one_without_a_profile_are_told(self):
        with pytest.raises(BookError, match=r"no rates of the model saiga"):
            forecast(Question(target=TEN_MILLION, model="saiga"))
        with pytest.raises(BookError, match=r"no shipped profile is for qwen2.5-7b on cpu"):
            forecast(Question(target=TEN_MILLION, model="qwen2.5-7b", gpu="cpu"))


FIRST_AND_SECOND_MACHINE = [  # model, engines, n, phrases/s in docs/benchmarks.md
    *[("qwen2.5-1.5b", 2, 1, rate) for rate in (1606, 1490)],
    *[("qwen2.5-1.5b", 4, 1, rate) for rate in (1920, 1934, 1952, 1965, 2032)],
    *[("qwen2.5-1.5b", 3, 1, rate) for rate in (1889,)],
    *[("qwen2.5-1.5b", 6, 1, rate) for rate in (1942,)],
    *[("qwen2.5-1.5b", 4, 32, rate) for rate in (2269, 2293, 2311)],
    *[("qwen2.5-1.5b", 6, 32, rate) for rate in (2303,)],
    *[("qwen2.5-7b", 1, 1, rate) for rate in (643, 642)],
    *[("qwen2.5-7b", 2, 1, rate) for rate in (653, 656)],
]


class TestOneTablePredictsOtherMachines:
    """The rates of the yardstick's table alone, against runs on other days and machines. No rate is fitted.

    Of the constants only prompt_token_cost saw the runs with n=32; the table's own pair gives 0.14 where it has 0.15.
    """

    @pytest.mark.parametrize(("model", "engines", "n", "actual"), FIRST_AND_SECOND_MACHINE)
    def test_within_a_fifth(self, model: str, engines: int, n: int, actual: float):
        book = shipped_book().without({"first", "second"})
        asked = Question(target=TEN_MILLION, model=model, engines_per_gpu=engines, n=n, **PLAIN, **AS_MEASURED)
        predicted = forecast(asked, book=book).phrases_per_s
        assert predicted.likely == pytest.approx(actual, rel=0.2)

    def test_full_gpus_within_a_tenth(self):
        book = shipped_book().without({"first", "second"})
        for model, engines, n, actual in FIRST_AND_SECOND_MACHINE:
            if engines >= 4:
                asked = Question(target=TEN_MILLION, model=model, engines_per_gpu=engines, n=n, **PLAIN, **AS_MEASURED)
                assert forecast(asked, book=book).phrases_per_s.likely == pytest.approx(actual, rel=0.1)
