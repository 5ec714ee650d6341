"""`phrasemill simulate` as people ask it."""

import json

import pytest
from typer.testing import CliRunner

from phrasemill.cli.program import app
from phrasemill.errors import PhrasemillError

BASE = ["simulate", "--target", "2M phrases", "--gpus", "2"]


def ask(*options):
    result = CliRunner().invoke(app, [*options], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(*options):
    return json.loads(ask(*BASE, *options, "--json").stdout)


def test_it_tells_time_settings_and_what_it_stands_on():
    told = ask(*BASE).stdout
    assert "2,000,000 phrases of qwen2.5-1.5b on 2 x 80gb-hopper" in told
    assert "engines busy" in told
    assert "measured" in told
    assert "assumed" in told
    assert "Shards of 25,000 are written in " in told


def test_json_has_the_question_the_outcome_and_the_advice():
    told = as_json("--slots", "1", "--shard-phrases", "10000")
    now, then = told["now"], told["advised"]
    assert now["question"]["shard_phrases"] == 10_000
    assert now["question"]["slots"] == 1
    assert now["outcome"]["phrases"] == then["outcome"]["phrases"] == 2_000_000
    assert "commits" not in now["outcome"]
    assert then["outcome"]["seconds"] < now["outcome"]["seconds"]
    assert {change["name"] for change in told["changes"]}
    assert told["bottleneck"] in {change["name"] for change in told["changes"]}


def test_the_same_seed_gives_the_same_answer_and_failures_cost_time():
    failing = ("--failures-per-hour", "60", "--crashes-per-gpu-hour", "5")
    assert as_json(*failing, "--seed", "4") == as_json(*failing, "--seed", "4")
    assert as_json(*failing)["now"]["outcome"]["seconds"] > as_json()["now"]["outcome"]["seconds"]


def test_workers_that_are_missed_sooner_cost_less():
    failing = ("--failures-per-hour", "60", "--seed", "4")
    patient, quick = as_json(*failing), as_json(*failing, "--heartbeat-timeout", "20")
    assert quick["now"]["outcome"]["seconds"] < patient["now"]["outcome"]["seconds"]


def test_a_corpus_gives_its_own_sizes():
    told = json.loads(ask("simulate", "hyperphrases_en", "--gpus", "2", "--assume-nothing-measured", "--json").stdout)
    assert told["now"]["question"]["shard_phrases"] == 25_000
    assert told["now"]["outcome"]["phrases"] == 10_500_000
    assert told["now"]["outcome"]["runs"] == 5


def test_plots_are_drawn(tmp_path):
    once, again = tmp_path / "once.svg", tmp_path / "again.svg"
    ask(*BASE, "--plot", str(once))
    ask(*BASE, "--plot", str(again))
    assert once.read_bytes() == again.read_bytes()
    assert "all engines full" in once.read_text()


def test_a_sweep_has_a_line_for_each_fleet(tmp_path, monkeypatch):
    monkeypatch.setattr("phrasemill.simulation.sweep.FLEETS", (1, 4))
    picture = tmp_path / "fleets.png"
    told = ask("simulate", "--target", "2M phrases", "--sweep", "--plot", str(picture)).stdout
    assert "bold: to be changed" in told
    assert picture.read_bytes().startswith(b"\x89PNG")
    fleets = json.loads(ask("simulate", "--target", "2M phrases", "--sweep", "--json").stdout)["fleets"]
    assert [fleet["gpus"] for fleet in fleets] == [1, 4]
    assert fleets[1]["question"]["engines"] == 16


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "what for? Give a CORPUS, or --target"),
        (("--target", "ten"), "is not an amount of text"),
        (("--target", "1M phrases", "--executor", "cron"), "--executor cron: must be one of local, celery, kubernetes"),
        (("--target", "1M phrases", "--workers", "3"), "leave --workers out, or take --executor celery"),
        (("--target", "1M phrases", "--gpu", "hosted"), "only engines of your own are simulated"),
        (("--target", "1M phrases", "--sweep", "--gpus", "4"), "leave --gpus out"),
        (("--target", "1M phrases", "--shard-phrases", "1"), "make shards of 10 or more"),
        (("--target", "1M phrases", "--model", "gpt-9"), "the book has no rates of the model gpt-9"),
        (("--target", "1M phrases", "--plot", "x.pdf"), "let its name end in .png or .svg"),
        (("no_such_corpus",), "there is no corpus 'no_such_corpus'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options, says):
    with pytest.raises(PhrasemillError) as raised:
        ask("simulate", *options)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
