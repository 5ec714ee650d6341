from importlib.resources import files

import pytest
import yaml

from phrasemill.forecast.book import Book, BookError, Constant, Sourced, parse_book, shipped_book
from phrasemill.forecast.pace import pace, pace_ratio
from phrasemill.forecast.question import GPU_CLASSES

FOLDER = files("phrasemill.forecast")
CONSTANTS = FOLDER.joinpath("constants.yaml").read_text(encoding="utf-8")
RATES = FOLDER.joinpath("rates.yaml").read_text(encoding="utf-8")
H100 = "80gb-hopper"


class TestEveryFigureHasASource:
    @pytest.mark.parametrize("name", sorted(yaml.safe_load(CONSTANTS)))
    def test_a_constant_without_its_source_is_refused(self, name: str):
        constants = yaml.safe_load(CONSTANTS)
        del constants[name]["source"]
        with pytest.raises(BookError, match=rf"constants\.{name}\.source"):
            parse_book(yaml.safe_dump(constants), RATES)

    def test_so_is_a_source_that_says_nothing(self):
        constants = yaml.safe_load(CONSTANTS)
        constants["failures"]["source"] = "  experience"
        with pytest.raises(BookError, match="failures"):
            parse_book(yaml.safe_dump(constants), RATES)

    @pytest.mark.parametrize("bound", ["engine_bound", "gpu_bound"])
    def test_so_is_a_bound_of_a_model_without_one(self, bound: str):
        rates = yaml.safe_load(RATES)
        del rates["models"]["qwen2.5-0.5b"][bound]["source"]
        with pytest.raises(BookError, match=rf"qwen2.5-0.5b\.{bound}\.source"):
            parse_book(CONSTANTS, yaml.safe_dump(rates))

    def test_so_is_a_rate_of_a_machine_that_is_written_down_nowhere(self):
        rates = yaml.safe_load(RATES)
        del rates["machines"]["second"]
        with pytest.raises(BookError, match="has no source: second"):
            parse_book(CONSTANTS, yaml.safe_dump(rates))

    def test_every_unit_kind_and_wording_is_told(self):
        for name, constant in shipped_book().constants.items():
            assert constant.unit and constant.words and constant.kind in {"measured", "derived", "assumed"}, name
        assert set(Sourced.model_fields) < set(Constant.model_fields)

    def test_no_yaml_is_told(self):
        with pytest.raises(BookError, match="not YAML"):
            parse_book("a: [", RATES)
        with pytest.raises(BookError):
            parse_book(CONSTANTS, "")


class TestLookingUp:
    def test_the_most_specific_constant_counts(self, book: Book):
        assert book.constant("accept_share", "smollm2-135m").value.likely == 0.51
        assert book.constant("accept_share", "qwen2.5-7b") == book.constants["accept_share"]
        assert book.constant("night_start_s", "hosted") == book.constants["night_start_s.hosted"]

    def test_an_unknown_one_is_told(self, book: Book):
        with pytest.raises(BookError, match=r"no bytes_per_char\.de"):
            book.constant("bytes_per_char", "de")

    def test_a_model_is_known_by_its_name_on_the_hub_too(self, book: Book):
        assert book.model_name("Qwen/Qwen2.5-1.5B-Instruct") == "qwen2.5-1.5b"
        with pytest.raises(BookError, match=r"it knows: qwen2.5-0.5b, "):
            book.model("gpt-2")

    def test_every_tokenizer_and_gpu_has_its_constants(self, book: Book):
        for model in book.models.values():
            for language in ("en", "ru"):
                for name in ("chars_per_token", "prompt_tokens"):
                    assert f"{name}.{model.tokenizer}.{language}" in book.constants
        for gpu in set(GPU_CLASSES) - {"cpu", "hosted"}:
            assert f"h100_share.{gpu}" in book.constants
        for gpu in set(GPU_CLASSES) - {"hosted"}:
            assert f"watts.{gpu}" in book.constants


class TestMeasuredRates:
    def test_all_machines_and_both_clients_make_the_range(self, book: Book):
        one = book.observed("qwen2.5-1.5b", H100)[0]
        assert (one.engines, one.runs, one.kind) == (1, 13, "measured")
        assert (one.value.low, one.value.likely, one.value.high) == (654, 747, 984)

    def test_a_single_run_is_widened_by_the_drift(self, book: Book):
        six = book.observed("qwen2.5-1.5b", H100)[-1]
        drift = book.constant("machine_drift").value
        assert (six.engines, six.runs) == (6, 1)
        assert six.value.low == pytest.approx(1942 * drift.low)
        assert six.value.high == pytest.approx(1942 * drift.high)

    def test_another_shape_is_brought_to_the_reference(self, book: Book):
        """1,438 outputs of 35.6 tokens and 67 x 0.5 computed prompt tokens, each at 0.15 of a written one."""
        (smol,) = book.observed("smollm2-135m", H100)
        by_hand = 1438 * (35.6 + 0.15 * 33.5) / (25 + 0.15 * 31)
        assert smol.value.likely == pytest.approx(by_hand)

    def test_the_book_before_a_machine_lacks_its_runs(self, book: Book):
        assert book.without({"first", "second"}).observed("qwen2.5-1.5b", H100)[0].runs == 1
        assert book.observed("qwen2.5-1.5b", H100)[0].runs == 13


class TestTheCurveOfEngines:
    @pytest.mark.parametrize("model", list(shipped_book().models))
    @pytest.mark.parametrize("gpu", ["24gb", "48gb", H100, "96gb-blackwell"])
    def test_more_engines_are_never_slower(self, book: Book, model: str, gpu: str):
        paces = [pace(book, model, gpu, engines=engines).value for engines in range(1, 13)]
        for end in ("low", "likely", "high"):
            figures = [getattr(one, end) for one in paces]
            assert figures == sorted(figures)

    def test_a_count_between_two_measured_ones_lies_between_them(self, book: Book):
        four, five, six = (pace(book, "qwen2.5-1.5b", H100, engines=engines) for engines in (4, 5, 6))
        assert four.value.likely <= five.value.likely <= six.value.likely
        assert four.measured and not five.measured

    def test_a_python_bound_engine_loses_less_on_a_slow_gpu_than_a_full_one(self, book: Book):
        share = {
            engines: pace(book, "qwen2.5-1.5b", "96gb-blackwell", engines=engines).value.likely
            / pace(book, "qwen2.5-1.5b", H100, engines=engines).value.likely
            for engines in (1, 4)
        }
        assert share[1] > 0.9
        assert share[4] == pytest.approx(0.52, abs=0.02)

    def test_cores_that_are_busy_give_no_more_to_a_second_engine(self, book: Book):
        one, two = (pace(book, "smollm2-135m", "cpu", engines=engines).value for engines in (1, 2))
        assert one == two

    def test_a_model_without_a_rate_on_the_cpu_is_told(self, book: Book):
        with pytest.raises(BookError, match=r"no rate of qwen2.5-7b on cpu; it has: qwen2.5-0.5b, smollm2-135m"):
            pace(book, "qwen2.5-7b", "cpu", engines=1)

    def test_a_rate_of_one_engine_is_carried_to_four(self, book: Book):
        ratio = pace_ratio(book, "qwen2.5-1.5b", H100, measured=1, measured_per_gpu=4, asked=4, asked_per_gpu=4)
        assert ratio.likely == pytest.approx(1952 / 747)
        assert ratio.low < ratio.likely < ratio.high

    def test_a_second_gpu_adds_nearly_what_the_first_gave(self, book: Book):
        ratio = pace_ratio(book, "qwen2.5-1.5b", H100, measured=4, measured_per_gpu=4, asked=8, asked_per_gpu=4)
        assert ratio.likely == pytest.approx(1.97)


@pytest.fixture
def book() -> Book:
    return shipped_book()
