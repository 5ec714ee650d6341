import itertools
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pydantic import ValidationError

from phrasemill.facts import Facts
from phrasemill.fingerprint import fingerprint
from phrasemill.gate import Expectation, Verdict, check_shard
from phrasemill.gate_settings import ADJUSTABLE
from phrasemill.planning import Shard, shard_of
from phrasemill.prompts import PromptBook
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
        assert metrics["template_coverage"] == metrics["slot_coverage"] == 1
        assert metrics["p05_chars"] == sorted(map(len, texts))[2]
        assert metrics["p95_chars"] == sorted(map(len, texts))[56]
        assert metrics["tokens_per_char"] == pytest.approx(1800 / 80 / metrics["mean_chars"])
        assert metrics["language_share"] == 1
        assert metrics["language_sample"] == 60
        assert metrics["near_duplicate_share"] == 0
        assert metrics["distinct_1"] == pytest.approx(
            len({w for phrase in words for w in phrase}) / sum(map(len, words))
        )
        raw = "\n".join(texts).encode()
        assert metrics["compression_ratio"] == pytest.approx(len(raw) / len(pa.compress(raw, "zstd", asbytes=True)))

    def test_the_verdict_tells_what_reports_show(self, spec, shard, rows):
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert verdict.languages == {"en": 60}
        assert verdict.templates == {"seen": 45, "made": 15}
        assert verdict.slots == {"object": 1, "place": 1, "trade": 1}
        assert len(verdict.openings) == 20
        assert max(verdict.openings.values()) / 60 == verdict.metrics["top_opening_share"]
        assert verdict.near_duplicates == verdict.samples == ()

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
        assert failed(verdict) == ["phrase ids are unique", "coordinates are those of the plan"]
        assert verdict.failures[0].examples == (64,)
        assert (
            str(verdict.failures[0]) == "phrase ids are unique: 2 of 60 repeated (limit: every id once; phrase ids 64)"
        )

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

    def test_a_slot_is_not_the_one_that_was_asked_for(self, spec, shard, rows):
        slots = [dict(entry) for entry in rows.column("slots").to_pylist()]
        slots[3]["object"] = "a bell" if slots[3]["object"] != "a bell" else "a key"
        verdict = check_shard(
            with_column(rows, "slots", [list(entry.items()) for entry in slots]), spec=spec, shard=shard, facts=GOOD
        )
        assert failed(verdict) == ["coordinates are those of the plan"]
        assert verdict.failures[0].examples == (63,)

    def test_rows_of_another_corpus_file(self, spec, shard, rows):
        theirs = fingerprint(make_spec(sampling={"temperature": 0.5}))
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD, fingerprint=theirs)
        assert verdict.reason() == f"fingerprint: {theirs} (limit: {fingerprint(spec)}, that of the corpus file)"
        assert check_shard(rows, spec=spec, shard=shard, facts=GOOD, fingerprint=fingerprint(spec)).passed

    def test_all_that_tells_which_rows_they_are_is_identity(self, spec, shard, rows):
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD, fingerprint=fingerprint(spec))
        others = {expectation.name for expectation in verdict.expectations if not expectation.identity}
        assert others == set(ADJUSTABLE)


class TestABadShardFailsTheRightExpectation:
    def test_phrases_are_too_short_on_average(self, spec, shard):
        texts = sentences(60, words=7)
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["mean characters a phrase"]
        assert [row.why for row in verdict.samples] == sorted(row.why for row in verdict.samples)
        assert verdict.failures[0].value == pytest.approx(np.mean([len(text) for text in texts]))
        assert "(limit: 60 to 140, ±" in verdict.reason()

    def test_a_template_is_missing(self, spec, shard, rows):
        verdict = check_shard(with_column(rows, "template", ["seen"] * 60), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["coordinates are those of the plan", "template coverage"]
        assert "template coverage: 0 % (limit: at least 100 % of each template's planned phrases)" in verdict.reason()

    def test_too_much_was_rejected(self, spec, shard, rows):
        facts = Facts(accepted=60, rejects={"meta": 540})
        verdict = check_shard(rows, spec=spec, shard=shard, facts=facts)
        assert verdict.reason() == "share of outputs rejected: 90 % (limit: at most 70 %, +5.6 % for chance)"

    def test_the_text_repeats_itself(self, spec, shard):
        texts = [f"The old man walked along the pier and looked at the sea, day {n}." for n in range(60)]
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == [
            "near-duplicate phrases",
            "share of the most common opening",
            "distinct word pairs (distinct-2)",
            "distinct word triples (distinct-3)",
            "compression ratio",
        ]
        assert verdict.reason().startswith(
            "near-duplicate phrases: 98.3 % share 70 % of their words with an earlier one (limit: at most 15 %, +13.8 %"
        )
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

    def test_phrases_of_another_language(self, spec, shard):
        german = ["Der Gärtner trägt den alten Schlüssel langsam durch den Wald, Nummer zehn plus {}."]
        texts = [german[0].format(n) for n in range(30)] + sentences(30)
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert "language of the texts" in failed(verdict)
        assert (
            "50 % of 60 asked about (others: de 30) (limit: at least 90 % read as en, -11.6 % for" in verdict.reason()
        )
        assert ("reads as de", 60) in [(row.why, row.phrase_id) for row in verdict.samples]

    def test_near_duplicates_are_shown_with_what_they_are_like(self, spec, shard):
        texts = sentences(60)
        texts[30:] = [f"{text.removesuffix('.')} quietly." for text in texts[:30]]
        verdict = check_shard(make_rows(spec, shard, texts=texts), spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["near-duplicate phrases"]
        assert verdict.failures[0].value == 0.5
        pair = verdict.near_duplicates[0]
        assert (pair.earlier_id, pair.earlier_text) == (pair.phrase_id - 30, texts[pair.phrase_id - 90])
        assert pair.text == texts[pair.phrase_id - 60]
        assert pair.similarity == pytest.approx(14 / 15, abs=0.01)
        assert verdict.samples[0].why.startswith("shares 93% of its words with phrase 60: ")

    @pytest.mark.parametrize(
        ("limits", "name"),
        [
            ({"min_p05_chars": 130}, "characters of the shortest phrases (p05)"),
            ({"max_p95_chars": 70, "min_p05_chars": 0}, "characters of the longest phrases (p95)"),
        ],
    )
    def test_the_ends_of_the_lengths(self, shard, rows, limits, name):
        verdict = check_shard(rows, spec=make_spec(gate=limits), shard=shard, facts=GOOD)
        assert failed(verdict) == [name]
        lengths = sorted(map(len, rows.column("text").to_pylist()))
        ends = lengths[:5] if "p05" in name else lengths[:-6:-1]
        assert [row.why for row in verdict.samples] == [f"has {length} characters" for length in ends]

    def test_a_lexeme_that_never_comes_through_is_named(self):
        """The engine refuses whatever is asked of the bell; all its phrases got another object in the end."""
        spec = make_spec(shard_phrases=240, gate={"min_slot_coverage": 1})
        shard, book = shard_of(spec, 0), PromptBook(spec)

        def allowed(row: int) -> int:
            return next(n for n in itertools.count() if book.prompt(row, n).slots["object"] != "a bell")

        rows = make_rows(spec, shard, attempts=[allowed(row) for row in range(240)])
        verdict = check_shard(rows, spec=spec, shard=shard, facts=GOOD)
        assert failed(verdict) == ["slot coverage"]
        assert "95.2 % (without 'object: a bell') (limit: at least 100 % of the 21 planned lexemes" in verdict.reason()
        assert verdict.slots["object"] == pytest.approx(0.9)

    def test_what_was_rejected_is_shown_reason_by_reason(self, spec, shard, rows):
        facts = Facts(accepted=60, rejects={"meta": 900, "echo": 90}, examples={"echo": ["Write."], "meta": ["Sure!"]})
        verdict = check_shard(rows, spec=spec, shard=shard, facts=facts)
        assert [(row.why, row.text, row.phrase_id) for row in verdict.samples] == [
            ("rejected as meta, one of 900", "Sure!", None),
            ("rejected as echo, one of 90", "Write.", None),
        ]


class TestSeverity:
    @pytest.fixture
    def alike(self, spec, shard):
        texts = sentences(60)
        texts[30:] = [f"{text.removesuffix('.')} quietly." for text in texts[:30]]
        return make_rows(spec, shard, texts=texts)

    def test_a_warning_does_not_fail_a_shard_and_keeps_its_samples(self, shard, alike):
        spec = make_spec(gate={"severity": {"near-duplicate phrases": "warning"}})
        verdict = check_shard(alike, spec=spec, shard=shard, facts=GOOD)
        assert verdict.passed
        assert [e.name for e in verdict.warnings] == ["near-duplicate phrases"]
        assert verdict.worst_first[0].name == "near-duplicate phrases"
        assert len(verdict.samples) == 5

    def test_off_is_not_asked(self, shard, alike):
        spec = make_spec(gate={"severity": {"near-duplicate phrases": "off"}})
        verdict = check_shard(alike, spec=spec, shard=shard, facts=GOOD)
        assert verdict.passed
        assert "near-duplicate phrases" not in {e.name for e in verdict.expectations}
        assert verdict.metrics["near_duplicate_share"] == 0.5

    def test_a_warning_can_be_made_critical(self, shard):
        spec = make_spec(gate={"severity": {"mean re-asks a phrase": "critical"}})
        rows = make_rows(spec, shard, attempts=[0, *[9] * 59])
        assert not check_shard(rows, spec=spec, shard=shard, facts=GOOD).passed

    def test_a_bare_off_in_yaml_is_off(self):
        section = yaml.safe_load("severity: {compression ratio: off}")
        assert make_spec(gate=section).gate.severity_of("compression ratio") == "off"

    @pytest.mark.parametrize("name", ["phrase ids are unique", "compresion ratio"])
    def test_names_that_cannot_be_changed_are_refused(self, name):
        with pytest.raises(ValidationError, match="is no expectation whose severity can be changed"):
            make_spec(gate={"severity": {name: "off"}})

    def test_thresholds_that_contradict_each_other_are_refused(self):
        with pytest.raises(ValidationError, match="must not be above max_tokens_per_char"):
            make_spec(gate={"min_tokens_per_char": 2})
        with pytest.raises(ValidationError, match="must not be above the limit of the 95th percentile, which is 210"):
            make_spec(gate={"min_p05_chars": 220})


class TestWarningsDoNotFailAShard:
    def test_engines_that_waste_tokens(self, spec, shard, rows):
        facts = Facts(accepted=60, completion_tokens=60 * 500)
        verdict = check_shard(rows, spec=spec, shard=shard, facts=facts)
        assert verdict.passed
        assert [e.name for e in verdict.warnings] == ["tokens a character"]

    def test_engines_that_report_no_tokens_are_not_asked_about_them(self, spec, shard, rows):
        verdict = check_shard(rows, spec=spec, shard=shard, facts=Facts(accepted=60))
        assert "tokens a character" not in {e.name for e in verdict.expectations}

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


NIGHTLY = """
import sys, time
from pathlib import Path
import great_expectations.expectations, pandas
from tests.specs import make_spec
from tests.tables import make_rows
from phrasemill.facts import Facts
from phrasemill.gate import check_shard
from phrasemill.planning import shard_of
spec = make_spec(language=sys.argv[1], shard_phrases=25_000, target_phrases=25_000, block_phrases=1000)
shard = shard_of(spec, 0)
rows = make_rows(spec, shard)
began = time.process_time()
verdict = check_shard(rows, spec=spec, shard=shard, facts=Facts(accepted=25_000, completion_tokens=1_000_000))
seconds = time.process_time() - began
# Not ru_maxrss: it begins with the memory of whoever started this process.
peak_kb = next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
print(verdict.passed, seconds, peak_kb / 1024)
"""


class TestANightlyShard:
    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_takes_less_than_three_seconds_and_500_mb(self, language):
        """Processor seconds after the import; the memory is that of the whole process."""
        ran = subprocess.run(
            [sys.executable, "-c", NIGHTLY, language], check=True, capture_output=True, text=True, timeout=120
        )
        passed, seconds, megabytes = ran.stdout.split()
        assert passed == "True"
        assert float(seconds) < 3
        assert float(megabytes) < 500


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
