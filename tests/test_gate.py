import itertools
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.facts import Facts
from phrasemill.gate import Expectation, Verdict, check_shard
from phrasemill.planning import Shard, shard_of
from phrasemill.rows import SCHEMA
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec
from tests.tables import make_rows, sentences, with_column

GOOD = Facts(accepted=60, rejects={"too_short": 20}, completion_tokens=1800)


@pytest.fixture
def shard(spec: CorpusSpec) -> Shard:
    return shard_of(spec, 1)


@pytest.fixture
def rows(spec: CorpusSpec, shard: Shard) -> pa.Table:
    return make_rows(spec, shard)


def failed(verdict: Verdict) -> list[str]:
    return [expectation.name for expectation in verdict.failures]


class TestAGoodShardPasses:
    def test_every_expectation_holds(self, spec, shard, rows):
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert verdict.passed
        assert [e for e in verdict.expectations if not e.passed] == []
        assert verdict.reason() == f"all {len(verdict.expectations)} expectations hold"
        assert verdict.gx_version.startswith("1.")
        assert {e.kind for e in verdict.expectations} >= {
            "pyarrow_schema",
            "expect_table_row_count_to_equal",
            "expect_column_values_to_be_unique",
            "expect_column_mean_to_be_between",
        }

    def test_metrics_are_those_of_the_rows(self, spec, shard, rows):
        metrics = check_shard(rows, spec=spec, shard=shard, facts=GOOD).metrics
        texts = rows.column("text").to_pylist()
        words = [text.lower().rstrip(".").split() for text in texts]
        pairs = [pair for phrase in words for pair in itertools.pairwise(phrase)]
        openings = [tuple(phrase[:3]) for phrase in words]
        assert metrics["rows"] == 60
        assert metrics["chars"] == sum(map(len, texts))
        assert metrics["mean_chars"] == pytest.approx(np.mean([len(text) for text in texts]))
        assert metrics["sd_chars"] == pytest.approx(np.std([len(text) for text in texts], ddof=1))
        assert metrics["mean_words"] == pytest.approx(np.mean([len(phrase) for phrase in words]))
        assert metrics["distinct_2"] == pytest.approx(len(set(pairs)) / len(pairs))
        assert metrics["top_opening_share"] == max(map(openings.count, openings)) / 60
        assert metrics["reject_share"] == 0.25
        assert metrics["completion_tokens_per_phrase"] == 30
        assert metrics["template_coverage"] == 1

    def test_lengths_count_every_phrase(self, spec, shard, rows):
        lengths = check_shard(rows, spec=spec, shard=shard, facts=GOOD).lengths
        texts = rows.column("text").to_pylist()
        assert lengths == {size: [len(text) for text in texts].count(size) for size in set(map(len, texts))}

    def test_in_russian(self, shard):
        spec = make_spec(language="ru")
        verdict = check_shard(make_rows(spec, shard), spec=spec, shard=shard, facts=GOOD)
        assert verdict.passed, verdict.reason()
        assert verdict.metrics["text_bytes"] > 1.6 * verdict.metrics["chars"]

    def test_distinct_pairs_do_not_fall_with_the_size_of_the_shard(self):
        def distinct(size: int) -> float:
            spec = make_spec(shard_phrases=size, target_phrases=size, block_phrases=size)
            shard = shard_of(spec, 0)
            verdict = check_shard(make_rows(spec, shard), spec=spec, shard=shard, facts=Facts(accepted=size))
            return verdict.metrics["distinct_2"]

        assert distinct(4000) == pytest.approx(distinct(500), rel=0.05)

    def test_a_nightly_shard_takes_less_than_three_seconds_of_processor_time(self):
        spec = make_spec(shard_phrases=25_000, target_phrases=25_000, block_phrases=1000, gate={"min_distinct_2": 0})
        shard = shard_of(spec, 0)
        rows = make_rows(spec, shard)
        check_shard(rows.slice(0, 1), spec=spec, shard=shard, facts=GOOD)  # imports Great Expectations
        began = time.process_time()
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert time.process_time() - began < 3
        assert verdict.passed, verdict.reason()


class TestBrokenRowsFailTheRightExpectation:
    def test_a_row_is_missing(self, spec, shard, rows):
        verdict = check_shard(pa.concat_tables([rows.slice(0, 10), rows.slice(11)]), spec=spec, shard=shard, facts=GOOD)
        assert not verdict.passed
        assert failed(verdict) == ["phrases in the shard", "template coverage"]
        assert verdict.reason().startswith("phrases in the shard: 59 (limit: exactly 60); template coverage: 9")

    def test_the_last_row_is_missing(self, spec, shard, rows):
        verdict = check_shard(rows.slice(0, 59), spec=spec, shard=shard, facts=GOOD)
        assert "last phrase id: 118 (limit: exactly 119)" in verdict.reason()

    def test_no_row_at_all(self, spec, shard, rows):
        verdict = check_shard(rows.slice(0, 0), spec=spec, shard=shard, facts=GOOD)
        assert verdict.reason().startswith("phrases in the shard: 0 (limit: exactly 60); first phrase id: nothing")

    def test_rows_of_another_shard(self, spec, shard, rows):
        verdict = check_shard(rows, spec=spec, shard=shard_of(spec, 2), facts=GOOD)
        assert failed(verdict) == ["first phrase id", "last phrase id"]

    def test_an_id_comes_twice(self, spec, shard, rows):
        ids = rows.column("phrase_id").to_pylist()
        verdict = check_shard(
            with_column(rows, "phrase_id", [*ids[:5], ids[4], *ids[6:]]), spec=spec, shard=shard, facts=GOOD
        )
        assert failed(verdict) == ["phrase ids are unique"]
        assert verdict.failures[0].examples == (64,)
        assert verdict.reason() == ("phrase ids are unique: 2 of 60 repeated (limit: every id once; phrase ids 64)")

    def test_a_text_comes_twice_but_for_case_and_spaces(self, spec, shard):
        texts = sentences(60, seed=1)
        texts[7] = texts[3].upper().replace(" ", "  ", 1)
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["texts are unique in the shard"]
        assert verdict.failures[0].examples == (63, 67)
        assert verdict.failures[0].value == 2

    def test_a_hash_is_not_that_of_its_text(self, spec, shard, rows):
        hashes = rows.column("text_hash").to_pylist()
        hashes[12] ^= 1  # would be lost if hashes went through floats
        verdict = check_shard(with_column(rows, "text_hash", hashes), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["text_hash belongs to the text"]
        assert verdict.failures[0].examples == (72,)
        assert "1 of 60 wrong" in verdict.reason()

    def test_a_text_is_null(self, spec, shard, rows):
        texts = rows.column("text").to_pylist()
        verdict = check_shard(with_column(rows, "text", [None, *texts[1:]]), spec=spec, shard=shard, facts=GOOD)
        assert verdict.reason().startswith("no empty text: 1 of 60 empty (limit: a value in every row; phrase ids 60)")

    def test_slots_are_null(self, spec, shard, rows):
        slots = rows.column("slots").to_pylist()
        verdict = check_shard(with_column(rows, "slots", [*slots[:-1], None]), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["no empty slots"]
        assert verdict.failures[0].examples == (119,)

    def test_chars_is_not_the_length(self, spec, shard, rows):
        chars = rows.column("chars").to_pylist()
        verdict = check_shard(
            with_column(rows, "chars", [chars[0] + 1, *chars[1:]]), spec=spec, shard=shard, facts=GOOD
        )
        assert failed(verdict) == ["chars is the length of the text"]

    def test_a_phrase_is_too_short(self, spec, shard):
        texts = [*sentences(59), "It rains."]
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert verdict.reason() == (
            "characters of each phrase: 1 of 60 outside, such as 9 (limit: 20 to 160; phrase ids 119)"
        )

    def test_another_language(self, spec, shard, rows):
        verdict = check_shard(with_column(rows, "lang", ["de", *["en"] * 59]), spec=spec, shard=shard, facts=GOOD)
        assert verdict.reason() == "language: 1 of 60 other, such as de (limit: en in every row; phrase ids 60)"


class TestABadShardFailsTheRightExpectation:
    def test_phrases_are_too_short_on_average(self, spec, shard):
        texts = sentences(60, words=7)
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["mean characters a phrase"]
        assert verdict.failures[0].value == pytest.approx(np.mean([len(text) for text in texts]))
        assert "(limit: 60 to 140, ±" in verdict.reason()

    def test_a_template_is_missing(self, spec, shard, rows):
        verdict = check_shard(with_column(rows, "template", ["seen"] * 60), spec=spec, shard=shard, facts=GOOD)
        assert verdict.reason() == ("template coverage: 0 % (limit: at least 100 % of each template's planned phrases)")

    def test_too_much_was_rejected(self, spec, shard, rows):
        facts = Facts(accepted=60, rejects={"meta": 540})
        verdict = check_shard(rows, spec=spec, shard=shard, facts=facts)
        assert verdict.reason() == "share of outputs rejected: 90 % (limit: at most 70 %, +5.6 % for chance)"

    def test_the_text_repeats_itself(self, spec, shard):
        texts = [f"The old man walked along the pier and looked at the sea, day {n}." for n in range(60)]
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["share of the most common opening", "distinct word pairs (distinct-2)"]
        assert "100 % ('the old man') (limit: at most 30 %, +17.7 % for chance)" in verdict.reason()

    def test_columns_of_another_type_end_the_check(self, spec, shard, rows):
        wide = rows.set_column(7, "chars", rows.column("chars").cast(pa.int64())).drop(["scene"])
        verdict = check_shard(wide, spec=spec, shard=shard, facts=GOOD)
        assert not verdict.passed
        assert len(verdict.expectations) == 1
        assert verdict.failures[0].observed == "scene is missing; chars is int64 or null, not int16"

    def test_columns_in_another_order_fail(self, spec, shard, rows):
        turned = rows.select(SCHEMA.names[::-1])
        assert "their order is attempt, chars" in check_shard(turned, spec=spec, shard=shard, facts=GOOD).reason()


class TestWarningsDoNotFailAShard:
    def test_many_re_asks(self, spec, shard):
        rows = make_rows(spec, shard, attempts=[0, *[9] * 59])
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert verdict.passed
        assert [e.name for e in verdict.warnings] == ["mean re-asks a phrase"]
        assert "with a warning: mean re-asks a phrase: 8.85 (limit: at most 3, +" in verdict.reason()

    def test_more_attempts_than_the_rules_allow(self, spec, shard):
        rows = make_rows(spec, shard, attempts=[0] * 59 + [spec.rules.max_attempts])
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert [e.name for e in verdict.warnings] == ["attempts of each phrase"]

    def test_a_shard_back_from_quarantine_begins_above_zero(self, spec, shard):
        rows = make_rows(spec, shard, attempts=[17, 18] * 30)
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert verdict.warnings == ()
        assert verdict.metrics["mean_attempt"] == 0.5


class TestChanceIsAllowedFor:
    @pytest.mark.parametrize("size", [1, 2, 20])
    def test_a_tiny_good_shard_passes(self, size):
        spec = make_spec(shard_phrases=size, target_phrases=size, block_phrases=size)
        shard = shard_of(spec, 0)
        verdict = check_shard(make_rows(spec, shard), spec=spec, shard=shard, facts=Facts(accepted=size))
        assert verdict.passed, verdict.reason()

    @pytest.mark.parametrize(("outputs", "passed"), [(200, True), (20_000, False)])
    def test_a_share_just_past_its_limit_fails_only_where_the_sample_is_large(self, spec, shard, rows, outputs, passed):
        facts = Facts(accepted=outputs * 27 // 100, rejects={"meta": outputs * 73 // 100})
        assert check_shard(rows, spec=spec, shard=shard, facts=facts).passed is passed


class TestVerdict:
    def test_survives_json(self, spec, shard, rows):
        verdict = check_shard(rows.slice(1), spec=spec, shard=shard, facts=GOOD)
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
        assert Verdict.model_validate(verdict.model_dump(mode="json")) == verdict

    def test_names_three_failures_and_counts_the_rest(self):
        failures = tuple(
            Expectation(name=f"thing {n}", kind="k", observed="1", limit="2", severity="critical", passed=False)
            for n in range(5)
        )
        verdict = Verdict(passed=False, expectations=failures, gx_version="1", seconds=0)
        assert verdict.reason() == ("thing 0: 1 (limit: 2); thing 1: 1 (limit: 2); thing 2: 1 (limit: 2); and 2 more")


class TestRunningTheSuite:
    def test_leaves_nothing_on_disk(self, spec, shard, rows, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert list(tmp_path.iterdir()) == []

    def test_great_expectations_is_imported_only_then(self):
        code = (
            "import sys, phrasemill.gate, phrasemill.report;"
            "sys.exit(bool({'great_expectations', 'pandas'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_true_hashes_are_those_of_the_rules(self, rows):
        texts, hashes = rows.column("text").to_pylist(), rows.column("text_hash").to_pylist()
        assert [text_hash(text) for text in texts] == hashes
