"""The Forecast page: its figures are the forecast's, its URL is its state, and what is wrong is said by the field."""

import html
import itertools
import re

import pytest

from phrasemill.forecast.model import forecast
from phrasemill.forecast.question import Evidence, Measured, Question, Target
from phrasemill.forecast.scenarios import scenarios, tell
from phrasemill.forecast.words import time_words
from phrasemill.price_settings import Price
from phrasemill.ranges import Range
from tests.airflow.harbours import add_dag, commit, new_harbour, settled
from tests.hostile import HOSTILE

pytestmark = pytest.mark.usefixtures("airflow_database")

PAGE = "/phrasemill/forecast"
ANSWER = f"{PAGE}/answer"


def plain(text):
    """A page's text without its tags."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


def said(text):
    """The one line of an answer that is read out."""
    return html.unescape(re.search(r'data-said="([^"]*)"', text)[1])


def field(text, name):
    """The value of a field of the form; None where it is not set."""
    markup = re.search(rf'<(?:input type="number"|select) id="{name}".*?(?:>\s*</div>|</select>)', text, re.DOTALL)[0]
    found = re.search(r' value="([^"]*)" selected' if "<select" in markup else r' value="([^"]*)" inputmode', markup)
    return found[1] if found else None


class TestTheAnswer:
    def test_is_the_forecasts(self, reader):
        answer = forecast(
            Question(target=Target(phrases=1e7), hours_a_night=8, price=Price(currency="EUR", per_gpu_hour=2.5))
        )
        text = reader.get(PAGE).text
        assert said(text).startswith(f"{time_words(answer.elapsed_s)}, ")
        words = plain(text)
        assert f"What matters most: {answer.matters_most.words}" in words
        for premise in answer.assumptions:
            assert premise.words in words
            assert premise.source in words
        for told in map(tell, scenarios()):
            for one in (told.forecast, *told.corrected, *told.measured):
                assert time_words(one.elapsed_s) in words

    def test_follows_every_field(self, reader):
        query = {
            "target": "1",
            "unit": "gigabytes",
            "language": "ru",
            "model": "qwen2.5-7b",
            "gpu": "96gb-blackwell",
            "gpus": "2",
            "engines": "3",
            "hours": "6",
            "price": "1.5",
            "accept": "70",
            "chars": "90",
            "prompt": "80",
            "written": "40",
            "cached": "50",
            "oversample": "5",
            "n": "4",
            "lora": "yes",
            "quantisation": "fp8",
            "currency": "USD",
        }
        question = Question(
            target=Target(text_bytes=1e9),
            language="ru",
            model="qwen2.5-7b",
            gpu="96gb-blackwell",
            gpus=2,
            engines_per_gpu=3,
            hours_a_night=6,
            price=Price(currency="USD", per_gpu_hour=1.5),
            accept_share=0.7,
            phrase_chars=90,
            prompt_tokens=80,
            completion_tokens=40,
            prefix_cache_share=0.5,
            oversample=0.05,
            n=4,
            lora=True,
            quantisation="fp8",
        )
        text = reader.get(PAGE, params=query).text
        assert said(text).startswith(f"{time_words(forecast(question).elapsed_s)}, ")
        assert "USD" in said(text)
        assert {name: field(text, name) for name in query} == query

    def test_of_a_hosted_api_is_by_streams_and_tokens(self, reader):
        query = {"gpu": "hosted", "rate": "3", "streams": "10", "per_written": "2", "per_prompt": "1"}
        price = Price(per_million_prompt_tokens=1, per_million_completion_tokens=2)
        question = Question(
            target=Target(phrases=1e7),
            gpu="hosted",
            streams=10,
            tokens_per_s_per_stream=3,
            hours_a_night=8,
            price=price,
        )
        text = reader.get(PAGE, params=query).text
        assert said(text).startswith(f"{time_words(forecast(question).elapsed_s)}, ")
        assert "Time against engines" not in text
        assert "GPU hours" not in plain(text.partition("<dl")[2].partition("</dl>")[0])

    def test_without_a_price_says_nothing_of_money(self, reader):
        answer = reader.get(ANSWER, params={"price": ""}).text
        assert "to pay" not in answer
        assert "EUR" not in answer


class TestTheState:
    def test_is_the_query_alone(self, reader):
        query = {"target": "3", "model": "qwen2.5-7b", "accept": "55.5"}
        page, part = reader.get(PAGE, params=query), reader.get(ANSWER, params=query)
        assert part.text.strip() in page.text
        assert reader.get(PAGE, params=query).text == page.text
        assert "<html" not in part.text

    def test_that_is_known_already_is_not_sent_again(self, reader):
        for path in (PAGE, ANSWER):
            first = reader.get(path, params={"gpus": "2"})
            known = {"If-None-Match": first.headers["etag"]}
            assert reader.get(path, params={"gpus": "2"}, headers=known).status_code == 304
            assert reader.get(path, params={"gpus": "3"}, headers=known).status_code == 200

    def test_has_the_last_of_a_name_and_leaves_what_it_does_not_know(self, reader):
        assert field(reader.get(f"{PAGE}?gpus=2&gpus=5&utm=1").text, "gpus") == "5"

    def test_leaves_an_emptied_field_to_the_book(self, reader):
        text = reader.get(PAGE, params={"engines": "", "accept": ""}).text
        assert (field(text, "engines"), field(text, "accept")) == (None, None)
        assert '<data data-used="accept" value="85">' in text
        assert '<data data-used="engines" value="4">' in text


WRONG = [
    ({"gpus": "0"}, "GPUs must be a number from 1 to 64"),
    ({"gpus": "1.5"}, "GPUs must be a whole number from 1 to 64"),
    ({"target": "nan"}, "Target must be a number from 0.0001 to 1000"),
    ({"target": "inf"}, "Target must be a number"),
    ({"target": ""}, "Target must be a number"),
    ({"target": "9" * 400}, "Target must be a number"),
    ({"hours": "25"}, "Hours a night must be a number from 0.5 to 24"),
    ({"unit": "parsecs"}, "of what must be one of: phrases, gigabytes, gigachars"),
    ({"model": "gpt-0"}, "Model must be one of: qwen2.5-0.5b,"),
    ({"gpu": "hosted"}, "Streams needs “Tokens/s of a stream”"),
    ({"streams": "3"}, "Streams needs “Tokens/s of a stream”"),
    ({"gpu": "cpu"}, "no shipped profile is for qwen2.5-1.5b on cpu; give “Engines a GPU”"),
    ({"corpus": "nobody"}, "There is no corpus 'nobody' that you may read"),
]


class TestWhatIsWrong:
    @pytest.mark.parametrize("path", [PAGE, ANSWER])
    @pytest.mark.parametrize(("query", "words"), WRONG)
    def test_is_said_beside_the_form(self, reader, path, query, words):
        answer = reader.get(path, params=query)
        assert answer.status_code == 400
        assert words in plain(answer.text)
        assert "There is no forecast for this" in answer.text

    def test_is_marked_in_its_field(self, reader):
        text = reader.get(PAGE, params={"gpus": "0", "hours": "x"}).text
        assert re.findall(r'id="(\w+)"[^>]* aria-invalid="true"', text) == ["gpus", "hours"]
        for name in ("gpus", "hours"):
            assert re.search(rf'aria-describedby="[^"]*{name}-wrong"', text)
            assert f'id="{name}-wrong"' in text

    @pytest.mark.parametrize("text", HOSTILE)
    def test_is_never_run(self, reader, text):
        for name in ("target", "model", "unit", "currency", "corpus"):
            answer = reader.get(PAGE, params={name: text})
            assert answer.status_code == 400
            assert not re.search(r"<(script>|img|svg onload|h1>Mine)", answer.text)

    def test_in_a_scenario_file_leaves_the_forecast_as_it_is(self, reader, tmp_path, monkeypatch):
        (tmp_path / "mine.yaml").write_text("title: Mine\nquestion: {target: a lot}\n", encoding="utf-8")
        monkeypatch.setenv("PHRASEMILL_SCENARIOS", str(tmp_path))
        answer = reader.get(PAGE)
        assert answer.status_code == 200
        assert "is not an amount of text" in plain(answer.text)
        assert str(tmp_path) not in answer.text
        assert re.search(r"data-said=\"[\d.]+ h", answer.text)


class TestFromACorpus:
    @pytest.fixture
    def harbour(self, reader, corpora, s3_server, connect_s3):
        store = new_harbour(corpora, s3_server, target_phrases=960)
        commit(store, 0, 1)
        settled(reader, f"/phrasemill/dags/{add_dag(store)}/corpus")
        return store.spec.name

    def test_its_figures_stand_in_for_assumptions(self, reader, harbour):
        text = reader.get(PAGE, params={"corpus": harbour}).text
        words = plain(text)
        assert "2 shards committed since" in words
        assert (field(text, "target"), field(text, "price")) == ("0.00096", None)
        # The book does not know its model.
        assert "tiny-model; qwen2.5-1.5b stands in for it" in words
        assert f'<input type="hidden" name="corpus" value="{harbour}">' in text

    def test_not_those_of_another_language_or_model(self, reader, harbour):
        measured = {
            "language": ("characters of a phrase", {"language": "ru"}),
            "model": ("outputs that become phrases", {"model": "qwen2.5-7b"}),
            "gpu": ("accepted phrases a second of", {"gpu": "24gb"}),
        }
        as_it_is = premises(reader.get(ANSWER, params={"corpus": harbour}).text)
        for name, changes in measured.values():
            assert sources(as_it_is, name) == ["2 shards"]
            changed = premises(reader.get(ANSWER, params={"corpus": harbour} | changes).text)
            assert sources(changed, name) != ["2 shards"]

    def test_is_offered_to_those_who_may_read_it(self, reader, harbour):
        assert f'{PAGE}?corpus={harbour}"' in reader.get(PAGE).text


def premises(text):
    """Words and source of each assumption."""
    rows = re.findall(r'<th role="rowheader" scope="row">(.*?)</th>.*?<bdi>(.*?)</bdi>', text)
    return [(html.unescape(words), html.unescape(source)) for words, source in rows]


def sources(premises, name):
    """The first two words of the source of what is named so."""
    return [" ".join(source.split()[:2]) for words, source in premises if words.startswith(name)]


class TestTheForm:
    """Pure: texts and questions."""

    def test_asks_what_a_corpus_asks(self):
        from phrasemill.web.forecast_form import Start, asked, texts_from

        question = Question(
            target=Target(phrases=123_456_789_000),
            language="ru",
            model="qwen2.5-7b",
            lora=True,
            n=32,
            oversample=0.125,
            shards=400,
            phrase_chars=Range(low=85, likely=100, high=115),
            price=Price(currency="CHF", per_gpu_hour=250),
        )
        start = Start(question=question, evidence=Evidence())
        found = asked(texts_from(question), start=start)
        assert found.wrong == {}
        # Hours are the form's own: a night without a pause has no place on a slider.
        assert found.question == question.model_copy(update={"hours_a_night": 8.0})
        changed = asked(texts_from(question) | {"chars": "90", "target": "2"}, start=start).question
        assert changed.phrase_chars == Range.exactly(90)
        assert changed.target == Target(phrases=2e6)
        assert (changed.shards, changed.price) == (400, question.price)

    def test_takes_evidence_as_far_as_it_goes(self):
        from phrasemill.web.forecast_form import Start, evidence_for

        measured = Measured(value=Range.exactly(2.0), source="a night")
        names = [name for name in Evidence.model_fields if name != "engines"]
        evidence = Evidence.model_validate(dict.fromkeys(names, measured) | {"engines": 4})
        question = Question(target=Target(phrases=1e6))
        start = Start(question=question, evidence=evidence)

        def known(**changes):
            found = evidence_for(question.model_copy(update=changes), start)
            return {name for name in Evidence.model_fields if getattr(found, name) is not None}

        assert known() == known(gpus=4, engines_per_gpu=2) == {*names, "engines"}
        of_text = {"chars_per_phrase", "bytes_per_char"}
        of_model = of_text | {"accept_share", "prompt_tokens_per_output", "completion_tokens_per_output"}
        assert known(gpu="24gb") == known(lora=True) == known(quantisation="fp8") == of_model
        assert known(model="qwen2.5-7b") == of_text
        assert known(language="ru") == set()

    def test_has_a_slider_that_grows_by_ratios(self):
        from phrasemill.web.forecast_fields import FIELDS, STEPS

        target = FIELDS["target"]
        assert (target.position(target.least), target.position(target.most)) == (0, STEPS)
        assert target.position((target.least * target.most) ** 0.5) == STEPS / 2


class TestTheChart:
    @pytest.fixture
    def lines(self):
        from phrasemill.web.forecast_chart import curves

        return curves(Question(target=Target(phrases=1e7)), Evidence())

    def test_has_a_line_for_each_model_and_the_choice_marked(self, lines):
        from phrasemill.web.forecast_chart import draw

        answer = forecast(Question(target=Target(phrases=1e7), engines_per_gpu=3))
        chart = draw(lines, chosen="qwen2.5-1.5b", mark=(3, answer.elapsed_s), width=640, height=340)
        assert [line.model for line in chart.lines if line.chosen] == ["qwen2.5-1.5b"]
        assert {line.model for line in chart.lines} == {line.model for line in lines}
        (ours,) = [line for line in chart.lines if line.chosen]
        assert chart.mark in ours.points
        # More engines are never slower, and higher is longer.
        for line in chart.lines:
            heights = [height for _, height in line.points]
            assert heights == sorted(heights)
            assert all(chart.bottom >= height >= 0 and 0 <= across <= chart.right for across, height in line.points)
        assert [height for height, _ in chart.times] == sorted((height for height, _ in chart.times), reverse=True)

    @pytest.mark.parametrize("height", [340, 140])
    def test_keeps_names_apart(self, lines, height):
        from phrasemill.web.forecast_chart import LINE_HEIGHT, draw

        mark = (1, Range.exactly(7000.0))
        chart = draw(lines, chosen="qwen2.5-7b", mark=mark, width=340, height=height)
        names = sorted(line.label_y for line in chart.lines)
        assert min(later - earlier for earlier, later in itertools.pairwise(names)) >= LINE_HEIGHT - 0.2
        assert names[-1] <= chart.bottom

    def test_is_written_out_as_a_table_too(self, reader, lines):
        words = plain(reader.get(ANSWER, params={"hours": "24"}).text)
        for line in lines:
            assert f"{line.model} {time_words(line.points[0][1])}" in words
