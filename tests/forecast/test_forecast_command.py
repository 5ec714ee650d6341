"""`phrasemill forecast` as people type it."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from phrasemill.cli import forecast_tables as tables
from phrasemill.cli.forecast import forecast
from phrasemill.corpus_file import dump_corpus
from phrasemill.errors import PhrasemillError
from phrasemill.fingerprint import fingerprint
from phrasemill.forecast.answer import Forecast
from phrasemill.forecast.calibration import Calibration, keep_calibration
from phrasemill.forecast.question import Question
from phrasemill.forecast.scenarios import scenarios
from phrasemill.forecast.words import count_words, range_words, time_words
from phrasemill.ranges import Range
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.terminal import out
from tests.servers import KEYS, S3Server
from tests.specs import make_spec

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(forecast)

TARGET = ("--target", "10M phrases")
NO_BUCKET: dict[str, str | None] = {
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL")),
    **{"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"},
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 250)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=NO_BUCKET | environment)


def told(*arguments: str, **environment: str) -> dict[str, Any]:
    ran = run(*arguments, "--json", **environment)
    assert ran.exit_code == 0, ran.exception
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def refused(*arguments: str, **environment: str) -> str:
    ran = run(*arguments, **environment)
    assert isinstance(ran.exception, PhrasemillError), ran.exception
    return str(ran.exception)


def flat(output: str) -> str:
    """What a table says, without its lines and with single spaces."""
    return re.sub(r"[\s│┃|]+", " ", output)


class TestAQuestionFromOptions:
    def test_the_table_has_the_numbers_of_the_json(self) -> None:
        asked = (*TARGET, "--price", "2.5", "--hours-a-night", "0.5", "--gpus", "2")
        shown = flat(run(*asked).stdout)
        answer = Forecast.model_validate(told(*asked)["forecast"])
        assert answer.money is not None
        assert answer.gpu_hours is not None
        assert answer.kwh is not None
        assert answer.nights is not None
        for words in (
            f"phrases {count_words(answer.phrases)}",
            f"characters {count_words(answer.chars)}",
            f"text {tables.size_words(answer.text_bytes)}",
            f"prompt tokens {count_words(answer.prompt_tokens)}",
            f"tokens written {count_words(answer.completion_tokens)}",
            f"speed {range_words(answer.phrases_per_s, ' phrases/s')} on 8 engines",
            f"generating {time_words(answer.busy_s)}",
            f"calendar time {time_words(answer.elapsed_s)}, {range_words(answer.nights, ' nights')}",
            f"GPU-hours {range_words(answer.gpu_hours, '')}",
            f"money {range_words(answer.money, '')} EUR",
            f"energy {range_words(answer.kwh, ' kWh')}",
        ):
            assert words in shown

    def test_every_assumption_is_shown_with_its_source_worst_first(self) -> None:
        ran = run(*TARGET)
        answer = Forecast.model_validate(told(*TARGET)["forecast"])
        shown = [answer.assumptions[0].words, answer.assumptions[-1].words]
        assert ran.stdout.index(shown[0][:30]) < ran.stdout.index(shown[1][:30])
        for one in answer.assumptions:
            assert one.words[:20] in ran.stdout
            assert one.source[:20] in ran.stdout
        swings = [float(swing) for swing in re.findall(r"x (\d+\.\d\d)", ran.stdout)]
        assert swings == sorted(swings, reverse=True)
        assert len(swings) == len(answer.assumptions)

    def test_a_sentence_says_what_matters_most(self) -> None:
        most = told(*TARGET)["matters_most"]
        assert f"What matters most: {most['words']}" in run(*TARGET).stdout

    def test_every_option_reaches_the_question(self) -> None:
        options = (
            *("--target", "1 GB", "--language", "ru", "--model", "qwen2.5-7b", "--gpu", "96gb-blackwell"),
            *("--gpus", "2", "--engines", "3", "--streams", "4", "--stream-rate", "30", "--hours-a-night", "6"),
            *("--price", "2", "--currency", "USD", "--accept", "0.7", "--prompt-tokens", "80"),
            *("--phrase-chars", "90", "--lora", "--oversample", "0.1"),
        )
        expected = Question(
            target={"text_bytes": 1e9},
            language="ru",
            model="qwen2.5-7b",
            gpu="96gb-blackwell",
            gpus=2,
            engines_per_gpu=3,
            streams=4,
            tokens_per_s_per_stream=30,
            hours_a_night=6,
            price={"per_gpu_hour": 2, "currency": "USD"},
            accept_share=0.7,
            prompt_tokens=80,
            phrase_chars=90,
            lora=True,
            oversample=0.1,
        )
        assert Question.model_validate(told(*options)["question"]) == expected

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ((), "what for? Give a CORPUS, or --target"),
            (("--target", "much"), "the target 'much' is not an amount of text"),
            ((*TARGET, "--language", "de"), "--language: Input should be 'en' or 'ru'"),
            ((*TARGET, "--accept", "1.5"), "--accept: must be a share from 0 to 1"),
            ((*TARGET, "--gpu", "hosted"), "--stream"),
            ((*TARGET, "--price", "inf"), "--price: Input should be a finite number"),
            ((*TARGET, "--prompt-tokens", "1e300"), "--prompt-tokens: must be at most 1e+09"),
            ((*TARGET, "--by", "0001-01-01"), "--by 0001-01-01: is no"),
            ((*TARGET, "--by", "2999-01-01", "--from-hour", "22:00+05:00"), "--from-hour 22:00+05:00: has a zone"),
            ((*TARGET, "--model", "nope"), "no rates of the model nope; it knows: "),
            ((*TARGET, "--currency", "USD"), "give --price too"),
            ((*TARGET, "--from-hour", "22:00"), "give --by too"),
            ((*TARGET, "--by", "2999-01-01", "--plot", "x.svg"), "--by has no plot"),
            ((*TARGET, "--by", "2999-01-01", "--vs", "fast_7b"), "--vs and --by are different questions"),
            ((*TARGET, "--by", "Friday"), "--by Friday: is no date and time"),
            ((*TARGET, "--by", "2999-01-01", "--from-hour", "late"), "--from-hour late: is no time of day"),
            ((*TARGET, "--by", "2020-01-01 08:00"), "is not after now"),
            ((*TARGET, "--vs", "nope"), "there is no scenario 'nope'"),
            ((*TARGET, "--scenarios"), "--scenarios takes only --json and --plot"),
            ((*TARGET, "--plot", "x.pdf"), "let its name end in .png or .svg"),
            (("no_such_corpus",), "there is no corpus 'no_such_corpus'"),
        ],
    )
    def test_a_mistake_is_one_line(self, arguments: tuple[str, ...], says: str) -> None:
        line = refused(*arguments)
        assert says in line
        assert "\n" not in line

    def test_a_currency_is_text_and_no_markup(self) -> None:
        assert "[/red]" in run(*TARGET, "--price", "2", "--currency", "[/red]").stdout
        assert "[/red]" in run(*TARGET, "--price", "2", "--currency", "[/red]", "--vs", "fast_7b").stdout


class TestScenarios:
    def test_three_columns_side_by_side(self) -> None:
        shown = run("--scenarios").stdout
        for words in ("as first estimated", "corrected", "with measured rates", "2.5 years", "3.96 years"):
            assert words in shown
        for scenario in scenarios():
            assert scenario.title[:25] in shown
            for case in scenario.measured:
                assert case.title.split(", ")[1] in shown
            for reason in scenario.why:
                assert reason in shown

    def test_the_table_has_the_numbers_of_the_json(self) -> None:
        shown = flat(run("--scenarios").stdout)
        known = told("--scenarios")["scenarios"]
        assert [one["scenario"]["name"] for one in known] == ["hosted_api", "one_stream", "ten_streams", "fast_7b"]
        for one in known:
            for answer in (one["forecast"], *one["corrected"], *one["measured"]):
                assert time_words(Range(**answer["elapsed_s"])) in shown

    def test_ones_own_folder_is_shown_too(self, tmp_path: Path) -> None:
        (tmp_path / "ours.yaml").write_text("title: '[bold]Ours\\u001b'\nquestion: {target: 1 GB}\n".replace("'", '"'))
        ran = run("--scenarios", PHRASEMILL_SCENARIOS=str(tmp_path))
        assert "[bold]Ours<U+001B>" in ran.stdout

    def test_a_wrong_file_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "ours.yaml").write_text("title: Ours\nquestion: {target: 1 GB, gpus: many}\n")
        line = refused("--scenarios", PHRASEMILL_SCENARIOS=str(tmp_path))
        assert line == f"{tmp_path}/ours.yaml:2: question.gpus: 'many' must be a whole number"

    def test_they_are_drawn(self, tmp_path: Path) -> None:
        ran = run("--scenarios", "--plot", str(tmp_path / "plot.svg"))
        assert ran.exit_code == 0
        drawn = (tmp_path / "plot.svg").read_text()
        assert "as first estimated" in drawn
        assert "H100, 7B, 2 engines" in drawn


class TestTheDocumentation:
    """docs/forecast.md shows what the command prints."""

    @pytest.mark.parametrize(
        "asked",
        [
            ("--scenarios",),
            ("--target", "1 GB", "--language", "ru", "--hours-a-night", "6", "--price", "2.5"),
        ],
    )
    def test_its_tables_are_those_of_the_command(self, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]) -> None:
        monkeypatch.setattr(out, "width", 110)
        page = (Path(__file__).parents[2] / "docs" / "forecast.md").read_text()
        printed = run(*asked).stdout
        table = printed[printed.index("┏") : printed.index("┘") + 1]
        assert table in page
        if "What matters most" in printed:
            assert printed[printed.index("What matters most") :].strip() in page


class TestComparing:
    def test_a_question_beside_scenarios_and_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.yaml"
        path.write_text("title: Ours\nquestion: {target: 1 GB, gpus: 8}\n")
        asked = (*TARGET, "--vs", "fast_7b", "--vs", str(path))
        cases = told(*asked)["cases"]
        assert (cases[0]["title"], cases[-1]["title"]) == ("this question", "Ours")
        assert "H100, 7B, 2 engines" in [case["title"] for case in cases]
        shown = flat(run(*asked).stdout)
        for case in cases:
            answer = Forecast.model_validate(case["forecast"])
            assert time_words(answer.elapsed_s) in shown
            assert range_words(answer.phrases_per_s, "") in shown

    def test_it_is_drawn(self, tmp_path: Path) -> None:
        assert run(*TARGET, "--vs", "fast_7b", "--plot", str(tmp_path / "plot.svg")).exit_code == 0
        assert "this question" in (tmp_path / "plot.svg").read_text()


class TestBackwards:
    def test_what_fits_by_a_day_far_away(self) -> None:
        fits = told(*TARGET, "--by", "2999-01-01 08:00", "--hours-a-night", "6", "--gpus", "2")["fits"]
        assert {fit["verdict"] for fit in fits} == {"fits"}
        assert {"80gb-hopper-1.5b", "24gb-7b"} <= {fit["profile"] for fit in fits}

    def test_what_does_not_fit_in_ten_minutes(self) -> None:
        soon = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)).isoformat()
        fits = told(*TARGET, "--by", soon)["fits"]
        assert {fit["verdict"] for fit in fits} == {"does not fit"}

    def test_the_table_says_when_and_at_what_price(self) -> None:
        # Nights that are hours away from now: a minute that passes between two runs changes no moment.
        starts = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=9)).strftime("%H:%M")
        nights = ("--by", "2999-01-01 08:00+00:00", "--hours-a-night", "6", "--from-hour", starts)
        asked = (*TARGET, *nights, "--price", "2", "--model", "qwen2.5-7b", "--gpu", "48gb")
        (fit,) = told(*asked)["fits"]
        shown = flat(run(*asked).stdout)
        answer = Forecast.model_validate(fit["forecast"])
        assert answer.money is not None
        likely = dt.datetime.fromisoformat(fit["finishes"]["likely"])
        assert f"qwen2.5-7b 48gb-7b fits {likely:%d %b %Y %H:%M} (" in shown
        assert f"{range_words(answer.money, '')} EUR" in shown
        assert "by 2999-01-01 08:00" in shown

    def test_nights_begin_at_the_hour_given(self) -> None:
        asked = (*TARGET, "--by", "2999-01-01 08:00+00:00", "--hours-a-night", "6", "--gpu", "80gb-hopper")
        finishes = [
            {dt.datetime.fromisoformat(fit["finishes"]["likely"]).hour for fit in told(*asked, *more)["fits"]}
            for more in ((), ("--from-hour", "10:00"))
        ]
        assert finishes[0] <= {22, 23, 0, 1, 2, 3, 4}
        assert finishes[1] <= {10, 11, 12, 13, 14, 15, 16}

    def test_a_class_without_profiles(self) -> None:
        line = refused(*TARGET, "--by", "2999-01-01", "--model", "qwen2.5-7b", "--gpu", "cpu")
        assert line.startswith("no shipped profile is for qwen2.5-7b on cpu")


def calibration(fingerprint: str) -> Calibration:
    """Of two engines that had 40 accepted phrases a second together, three outputs of four accepted."""
    return Calibration(
        corpus="tiny",
        fingerprint=fingerprint,
        model="tiny",
        engines=2,
        at=dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC),
        phrasemill="0.1.0",
        vllm=None,
        list_size=64,
        in_flight=1024,
        n=1,
        window_s=60,
        parts=(),
        accepted=2400,
        judged=3200,
        rejects={"echo": 800},
        prompt_tokens=160_000,
        completion_tokens=64_000,
        faults=0,
        client_cpu=0.2,
        steady_phrases_per_s=Range(low=38, likely=40, high=42),
        shard_phrases=60,
        alone_s=(),
        alone_phrases=0,
        drain_s=None,
        phrases_per_s=Range(low=38, likely=40, high=42),
        accept_share=Range(low=0.72, likely=0.75, high=0.78),
        prompt_tokens_per_output=Range.exactly(50),
        completion_tokens_per_output=Range.exactly(20),
        text=None,
    )


class TestACorpus:
    @pytest.fixture
    def spec(self, s3_server: S3Server) -> CorpusSpec:
        bucket = S3Server.new_bucket(s3_server.endpoint)
        return make_spec(model={"name": "HuggingFaceTB/SmolLM2-135M-Instruct"}, storage={"bucket": bucket})

    @pytest.fixture
    def corpus(self, tmp_path: Path, spec: CorpusSpec) -> str:
        (tmp_path / "tiny.yaml").write_text(dump_corpus(spec))
        return str(tmp_path / "tiny.yaml")

    @pytest.fixture
    def keys(self, s3_server: S3Server, spec: CorpusSpec) -> dict[str, str]:
        """Of a bucket that holds a calibration."""
        store = CorpusStore(Bucket(S3Server.client(s3_server.endpoint), spec.storage.bucket), spec)
        keep_calibration(store, calibration(fingerprint(spec)))
        return {
            "AWS_ENDPOINT_URL": s3_server.endpoint,
            "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        }

    def test_the_question_comes_from_its_file_and_options_go_before_it(self, corpus: str) -> None:
        question = told(corpus, "--assume-nothing-measured", "--oversample", "0.2")["question"]
        assert question["target"]["phrases"] == 240
        assert (question["model"], question["oversample"]) == ("smollm2-135m", 0.2)
        assert told(corpus, "--assume-nothing-measured", "--target", "1 GB")["question"]["target"]["text_bytes"] == 1e9

    def test_what_its_bucket_has_measured_replaces_assumptions(self, corpus: str, keys: dict[str, str]) -> None:
        answer = told(corpus, "--engines", "2", **keys)["forecast"]
        assert answer["phrases_per_s"]["likely"] == pytest.approx(40)
        measured = {
            one["name"] for one in answer["assumptions"] if one["source"].startswith("calibration of 2026-11-20")
        }
        assert {"rate", "accept_share", "prompt_tokens", "completion_tokens"} <= measured

    def test_it_is_left_alone_on_request(self, corpus: str, keys: dict[str, str]) -> None:
        ran = run(corpus, "--assume-nothing-measured", **keys)
        assert "calibration of" not in ran.stdout
        assert ran.stderr == ""

    def test_other_engines_do_not_have_the_rate_that_was_measured(self, corpus: str, keys: dict[str, str]) -> None:
        ran = run(corpus, "--gpu", "80gb-hopper", **keys)
        assert "the rate measured is of the corpus's own engines" in ran.stderr
        figures = {
            one["name"]: one["source"]
            for one in told(corpus, "--gpu", "80gb-hopper", **keys)["forecast"]["assumptions"]
        }
        assert "calibration" in figures["accept_share"]
        assert "calibration" not in figures["rate"]

    def test_another_model_has_nothing_measured(self, corpus: str, keys: dict[str, str]) -> None:
        ran = run(corpus, "--model", "qwen2.5-0.5b", **keys)
        assert "another model or language" in ran.stderr
        assert "calibration of" not in ran.stdout

    def test_a_model_that_the_book_lacks_may_be_stood_in_for(self, tmp_path: Path) -> None:
        path = tmp_path / "tiny.yaml"
        path.write_text(dump_corpus(make_spec(model={"name": "nobody/Odd-1.5B"})))
        assert "the forecast knows nothing of the model nobody/Odd-1.5B" in refused(str(path))
        ran = run(str(path), "--model", "qwen2.5-1.5b")
        assert ran.exit_code == 0
        assert "What matters most" in ran.stdout

    def test_without_keys_it_says_so_and_answers_by_the_book(self, corpus: str) -> None:
        ran = run(corpus)
        assert ran.exit_code == 0
        assert "nothing that was measured is used: no keys for the bucket are set" in ran.stderr
        assert "What matters most" in ran.stdout

    def test_without_boto3_too(self, corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("phrasemill.extras._installed", lambda package: package != "boto3")
        ran = run(corpus)
        assert ran.exit_code == 0
        assert "nothing that was measured is used: phrasemill forecast needs boto3" in ran.stderr

    def test_a_bucket_that_is_not_there_too(self, corpus: str, keys: dict[str, str], tmp_path: Path) -> None:
        other = tmp_path / "other" / "tiny.yaml"
        other.parent.mkdir()
        other.write_text(dump_corpus(make_spec(model={"name": "smollm2-135m"}, storage={"bucket": "nobodys-bucket"})))
        ran = run(str(other), **keys)
        assert ran.exit_code == 0
        assert "nothing that was measured is used" in ran.stderr
        assert "nobodys-bucket" in ran.stderr
