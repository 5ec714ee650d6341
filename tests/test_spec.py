import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from phrasemill.spec import CorpusSpec
from phrasemill.templates import Template, lexeme_base, lexeme_forms
from tests.specs import make_spec


def mistakes(**overrides: Any) -> dict[str, str]:
    """Place and words of each mistake."""
    with pytest.raises(ValidationError) as refused:
        make_spec(**overrides)
    return {
        ".".join(map(str, error["loc"])): error["msg"].removeprefix("Value error, ") for error in refused.value.errors()
    }


class TestSizes:
    def test_shards_and_blocks(self) -> None:
        spec = make_spec()
        assert (spec.shard_count, spec.blocks_per_shard) == (4, 3)

    @pytest.mark.parametrize(("oversample", "shards"), [(0.0, 4), (0.01, 5), (0.25, 5), (0.26, 6), (1.0, 8)])
    def test_oversampling_rounds_up_to_whole_shards(self, oversample: float, shards: int) -> None:
        assert make_spec(oversample=oversample).shard_count == shards

    def test_oversampling_does_not_round_up_by_a_floats_last_bit(self) -> None:
        assert make_spec(target_phrases=6_000, oversample=0.1).shard_count == 110
        assert make_spec(target_phrases=60_000, oversample=0.07).shard_count == 1070

    def test_a_target_below_one_shard_is_told_the_smallest(self) -> None:
        assert mistakes(target_phrases=30) == {
            "shard_phrases": "does not divide target_phrases 30; make target_phrases 60"
        }

    def test_blocks_are_told_a_size_that_divides(self) -> None:
        assert mistakes(block_phrases=59)["block_phrases"].endswith("the next smaller that does: 30")
        assert mistakes(block_phrases=7)["block_phrases"].endswith("the next smaller that does: 6")

    def test_samples_of_a_prompt_lie_in_one_block(self) -> None:
        assert make_spec(sampling={"n": 5}).sampling.n == 5
        assert list(mistakes(sampling={"n": 8})) == ["sampling.n"]
        assert make_spec(sampling={"n": 5, "phrases_per_prompt": 2}).sampling.group == 10
        assert list(mistakes(sampling={"n": 5, "phrases_per_prompt": 3})) == ["sampling.phrases_per_prompt"]

    def test_shard_numbers_have_five_digits(self) -> None:
        many = {"shard_phrases": 1, "block_phrases": 1}
        assert make_spec(target_phrases=100_000, **many).shard_count == 100_000
        assert list(mistakes(target_phrases=100_001, **many)) == ["shard_phrases"]
        assert list(mistakes(target_phrases=100_000, oversample=0.01, **many)) == ["shard_phrases"]


class TestNumbers:
    @pytest.mark.parametrize(
        ("overrides", "place"),
        [
            ({"target_phrases": True}, "target_phrases"),
            ({"oversample": False}, "oversample"),
            ({"oversample": float("inf")}, "oversample"),
            ({"oversample": float("nan")}, "oversample"),
            ({"sampling": {"top_p": 0}}, "sampling.top_p"),
            ({"sampling": {"temperature": 2.1}}, "sampling.temperature"),
            ({"rules": {"min_script_share": 1.01}}, "rules.min_script_share"),
            ({"gate": {"max_mean_chars": float("inf")}}, "gate.max_mean_chars"),
            ({"gate": {"min_mean_chars": 141}}, "gate.min_mean_chars"),
            ({"rules": {"min_words": 41}}, "rules.min_words"),
            ({"engines": {"list_size": 1025}}, "engines.list_size"),
        ],
    )
    def test_out_of_range(self, overrides: dict[str, Any], place: str) -> None:
        assert list(mistakes(**overrides)) == [place]


class TestSchedule:
    @pytest.mark.parametrize(
        "cron", ["0 22 * * *", "*/15 * * * *", "0 22 * * mon-fri", "0 0 1 1 *", "0 0 29 2 *", "0 0 l * *", None]
    )
    def test_good_crons(self, cron: str | None) -> None:
        assert make_spec(schedule={"cron": cron}).schedule.cron == cron

    @pytest.mark.parametrize(
        "cron",
        ["", "22", "@daily", "0 22 * *", "0 22 * * * *", "60 22 * * *", "0 24 * * *", "R R * * *", "h 3 * * *", "x"],
    )
    def test_bad_crons(self, cron: str) -> None:
        assert "five fields" in mistakes(schedule={"cron": cron})["schedule.cron"]

    @pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *"])
    def test_crons_that_never_fire(self, cron: str) -> None:
        assert "never comes" in mistakes(schedule={"cron": cron})["schedule.cron"]

    def test_the_zone_is_the_time_zones(self) -> None:
        assert make_spec().schedule.zone == ZoneInfo("Europe/Berlin")

    @pytest.mark.parametrize("timezone", ["Berlin", "CEST+1", "", "../UTC", "europe/berlin"])
    def test_bad_time_zones(self, timezone: str) -> None:
        assert list(mistakes(schedule={"timezone": timezone})) == ["schedule.timezone"]

    @pytest.mark.parametrize("date", ["2026-11-01", dt.date(2026, 11, 1)])
    def test_a_date_may_be_quoted(self, date: object) -> None:
        assert make_spec(schedule={"start_date": date}).schedule.start_date == dt.date(2026, 11, 1)

    @pytest.mark.parametrize("date", ["1.11.2026", "2026-02-30", 0, 20261101, dt.datetime(2026, 11, 1), None])  # noqa: DTZ001
    def test_bad_dates(self, date: object) -> None:
        assert list(mistakes(schedule={"start_date": date})) == ["schedule.start_date"]

    def test_1024_shards_are_a_nights_most(self) -> None:
        assert make_spec(schedule={"shards_per_night": 1024}).schedule.shards_per_night == 1024
        assert "Airflow" in mistakes(schedule={"shards_per_night": 1025})["schedule.shards_per_night"]


class TestNames:
    @pytest.mark.parametrize("name", ["a", "demo", "hyperphrases_en", "a1_", "x" * 64])
    def test_good(self, name: str) -> None:
        assert make_spec(name=name).name == name

    @pytest.mark.parametrize("name", ["", "Demo", "1a", "_a", "a-b", "a.b", "a b", "гавань", "x" * 65, "demo\n"])
    def test_bad(self, name: str) -> None:
        assert list(mistakes(name=name)) == ["name"]

    @pytest.mark.parametrize("bucket", ["abc", "my-corpora.2026", "a1b", "x" * 63])
    def test_good_buckets(self, bucket: str) -> None:
        assert make_spec(storage={"bucket": bucket}).storage.bucket == bucket

    @pytest.mark.parametrize("bucket", ["ab", "My", "a_b_c", "-abc", "abc-", "a..b", "s3://abc", "x" * 64, "abc\n"])
    def test_bad_buckets(self, bucket: str) -> None:
        assert list(mistakes(storage={"bucket": bucket})) == ["storage.bucket"]

    @pytest.mark.parametrize("prefix", ["", "corpora", "a/b.c/d-e_f", "2026"])
    def test_good_prefixes(self, prefix: str) -> None:
        assert make_spec(storage={"prefix": prefix}).storage.prefix == prefix

    @pytest.mark.parametrize("prefix", ["/a", "a/", "a//b", "..", "a/../b", "a b", "гавань", "a\n"])
    def test_bad_prefixes(self, prefix: str) -> None:
        assert list(mistakes(storage={"prefix": prefix})) == ["storage.prefix"]


class TestModel:
    def test_the_adapter_is_asked_for_if_there_is_one(self) -> None:
        assert make_spec().model.served == "tiny-model"
        assert make_spec(model={"adapter": "harbour"}).model.served == "harbour"


class TestTemplates:
    def test_slots_come_in_the_texts_order_without_the_scene(self) -> None:
        template = Template(name="t", text="{b} {i} {a.at} {i}")
        assert template.slots == ("b", "a.at")

    def test_a_cycle_is_the_product_of_its_lexicons(self) -> None:
        prompts = make_spec().prompts
        assert [prompts.cycle(template) for template in prompts.templates] == [40, 70]

    def test_text_is_stripped(self) -> None:
        assert Template(name="t", text="  {a}\n").text == "{a}"

    def test_too_many_combinations_are_refused(self) -> None:
        lexicons = {f"l{k}": [f"w{m}" for m in range(1000)] for k in range(7)}
        text = " ".join("{" + name + "}" for name in lexicons)
        fields = make_spec().model_dump(mode="json")
        fields["prompts"] |= {"lexicons": lexicons, "templates": [{"name": "t", "text": text}]}
        with pytest.raises(ValidationError, match=r"has over 2\*\*62 combinations"):
            CorpusSpec.model_validate(fields)

    def test_all_mistakes_of_templates_and_lexicons_are_told_at_once(self) -> None:
        found = mistakes(
            prompts={
                "templates": [
                    {"name": "seen", "text": "{objct} {place.at}"},
                    {"name": "seen", "text": "{object} {trade"},
                ],
                "lexicons": {"object": ["a bell", "A bell"], "trade": []},
            }
        )
        assert list(found) == [
            "prompts.lexicons.object.1",
            "prompts.lexicons.trade",
            "prompts.templates.0.text",
            "prompts.templates.1.name",
            "prompts.templates.1.text",
        ]


class TestLexemes:
    def test_plain_text_has_one_form(self) -> None:
        assert lexeme_forms("a bell") == ("",)
        assert lexeme_base("a bell") == "a bell"

    def test_the_first_form_stands_for_the_lexeme(self) -> None:
        lexeme = {"name": "the pier", "at": "on the pier"}
        assert lexeme_forms(lexeme) == ("name", "at")
        assert lexeme_base(lexeme) == "the pier"


class TestFrozen:
    def test_a_spec_does_not_change(self) -> None:
        with pytest.raises(ValidationError):
            make_spec().target_phrases = 1  # type: ignore[misc]
