"""The corpus gate's expectations: each fails where it should, and names what was found and what is allowed."""

import dataclasses
import subprocess
import sys

import pytest
from pydantic import ValidationError

from phrasemill.gate.languages import Languages
from phrasemill.gate.suite import ask
from phrasemill.gate.verdict import Expectation
from phrasemill.release.checks import not_asked, release_checks
from phrasemill.release.figures import ReleaseFigures, measure_release
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleasePlan
from phrasemill.release_thresholds import ADJUSTABLE, ReleaseThresholds
from tests.release.packed_release import packed_release
from tests.specs import make_spec
from tests.tables import sentences

COMMITTED_BYTES = 12_000


@pytest.fixture(scope="module")
def place() -> ReleasePlace:
    return packed_release(sentences(120))


@pytest.fixture(scope="module")
def good(place: ReleasePlace) -> ReleaseFigures:
    figures = measure_release(place)
    return changed(figures, text_bytes=COMMITTED_BYTES)


def changed(figures: ReleaseFigures, *, unknown: dict[str, str] | None = None, **known: float) -> ReleaseFigures:
    """The same figures but for some; what is unknown is no figure any more."""
    gone = unknown or {}
    held = {name: value for name, value in (figures.known | known).items() if name not in gone}
    return dataclasses.replace(figures, known=held, unknown=gone)


def planned(place: ReleasePlace, *, partial: bool = False, **thresholds: object) -> ReleasePlan:
    gate = ReleaseThresholds.model_validate(thresholds)
    settings = place.plan.settings.model_copy(update={"gate": gate})
    return place.plan.model_copy(update={"settings": settings, "partial": partial})


def answers(plan: ReleasePlan, figures: ReleaseFigures, *, kept: int = 120) -> list[Expectation]:
    checks = release_checks(plan, figures, spec=make_spec(), kept=kept, committed_bytes=COMMITTED_BYTES)
    return ask(checks, figures=figures.known)


def failed(found: list[Expectation]) -> list[str]:
    return [str(one) for one in found if not one.passed]


class TestAGoodRelease:
    def test_holds_every_expectation(self, place, good) -> None:
        found = answers(planned(place), good)
        assert failed(found) == []
        assert {one.name for one in found if not one.identity} == set(ADJUSTABLE)
        assert found[0].name == "phrases in the release"

    def test_has_all_bytes_that_were_committed(self, place, good) -> None:
        assert failed(answers(planned(place), changed(good, text_bytes=11_999))) == [
            "bytes of text: 11999 (limit: exactly 12000)"
        ]


class TestEachExpectationFailsWhereItShould:
    @pytest.mark.parametrize(
        ("figure", "value", "told"),
        [
            ("uneven_files", 1, "files of one length: 1 (limit: 0: every file has as many rows as lines and hashes)"),
            ("misplaced_ids", 2, "phrase ids are in place: 2 (limit: 0: ids as the plan has them, none twice)"),
            (
                "exact_duplicates",
                1,
                "texts are unique in the release: 1 (limit: 0: every text once, case and spaces folded)",
            ),
            ("wrong_hashes", 3, "text_hash belongs to the text: 3 (limit: 0: what the text hashes to, in the sample)"),
            (
                "exact_duplicate_share",
                0.5,
                "dropped as exact duplicates: 50 % of committed phrases (limit: at most 30 %, +12.5 % for chance)",
            ),
            (
                "near_duplicate_share",
                0.5,
                "dropped as near-duplicates: 50 % of committed phrases (limit: at most 30 %, +12.5 % for chance)",
            ),
            (
                "near_duplicates_left",
                0.1,
                "near-duplicates left: 10 %, reckoned from 120 phrases (limit: at most 1 %, +2.7 % for chance)",
            ),
            (
                "template_coverage",
                0.001,
                "template coverage: 0.1 % (limit: at least 50 % of what each template's weight gives it, "
                "-30.7 % for chance)",
            ),
            ("distinct_1", 0.019, "distinct words (distinct-1): 1.9 % (limit: at least 2 % in 500 phrases)"),
            ("distinct_2", 0.19, "distinct word pairs (distinct-2): 19 % (limit: at least 20 % in 500 phrases)"),
            ("distinct_3", 0.29, "distinct word triples (distinct-3): 29 % (limit: at least 30 % in 500 phrases)"),
            ("heaps_exponent", 0.05, "growth of the vocabulary (Heaps): 0.05 (limit: at least 0.1)"),
            ("zipf_slope", 0.05, "frequency of words by rank (Zipf): 0.05 (limit: 0.1 to 2)"),
            ("zipf_slope", 2.5, "frequency of words by rank (Zipf): 2.5 (limit: 0.1 to 2)"),
            ("mtld", 12.0, "lexical diversity (MTLD): 12 (limit: at least 20)"),
        ],
    )
    def test_with_value_and_limit(self, place, good, figure, value, told) -> None:
        assert failed(answers(planned(place), changed(good, **{figure: value}))) == [told]

    def test_slot_coverage_names_lexemes(self, place, good) -> None:
        lacking = dataclasses.replace(good.vocabulary, slots=0.5, slots_chance=0.02, lexemes=21, missing=tuple("abcde"))
        figures = dataclasses.replace(changed(good, slot_coverage=0.5), vocabulary=lacking)
        assert failed(answers(planned(place), figures)) == [
            "slot coverage: 50 % (without 'a', 'b', 'c' and 2 more) (limit: at least 90 % of the 21 planned lexemes, "
            "-2 % for chance)"
        ]

    def test_language_names_the_others(self, place, good) -> None:
        read = Languages({"en": 500, "de": 500}, [])
        figures = dataclasses.replace(changed(good, language_share=0.5), languages=read)
        assert failed(answers(planned(place), figures)) == [
            "language of the texts: 50 % of 1000 asked about (others: de 500) (limit: at least 90 % read as en, "
            "-2.8 % for chance)"
        ]


class TestTheCount:
    def test_is_the_target(self, place, good) -> None:
        short = changed(good, phrases=119, text_bytes=11_900)
        assert failed(answers(planned(place), short, kept=119)) == [
            "phrases in the release: 119 (limit: exactly 120: the target)"
        ]

    def test_is_all_that_is_unique_of_a_partial_release(self, place, good) -> None:
        fewer = changed(good, phrases=119, text_bytes=11_900)
        assert failed(answers(planned(place, partial=True), fewer, kept=119)) == []
        assert failed(answers(planned(place, partial=True), fewer, kept=118)) == [
            "phrases in the release: 119 (limit: exactly 118: all that are unique)"
        ]

    def test_of_nothing_is_too_few(self, place, good) -> None:
        nothing = changed(good, phrases=0, text_bytes=0)
        assert "phrases in the release: 0 (limit: exactly 1: all that are unique)" in failed(
            answers(planned(place, partial=True), nothing, kept=0)
        )

    def test_bytes_lie_between_one_a_phrase_and_those_committed(self, place, good) -> None:
        plan = planned(place, partial=True)
        for size, holds in ((118, False), (119, True), (11_999, True), (12_000, False)):
            fewer = changed(good, phrases=119, text_bytes=size)
            assert (failed(answers(plan, fewer, kept=119)) == []) == holds


class TestChance:
    def test_a_small_sample_of_a_large_release_finds_few_pairs(self, place, good) -> None:
        """Of 1,000 phrases in 100,000, 1 % with a like should give 0.1 pairs: one pair is no fault, two are."""
        large = place.plan.model_copy(update={"target": 100_000})
        found = {}
        for pairs in (1, 2):
            left = pairs * 100_000 / 1_000**2
            figures = changed(good, phrases=100_000, sampled_phrases=1_000, near_duplicates_left=left)
            checks = release_checks(large, figures, spec=make_spec(), kept=100_000, committed_bytes=COMMITTED_BYTES)
            check = next(one for one in checks if one.name == "near-duplicates left")
            found[pairs] = left <= check.arguments["max_value"]
        assert found == {1: True, 2: False}


class TestWhatIsAsked:
    def test_a_warning_fails_and_stays_a_warning(self, place, good) -> None:
        plan = planned(place, severity={"lexical diversity (MTLD)": "warning"})
        found = [one for one in answers(plan, changed(good, mtld=1.0)) if not one.passed]
        assert [(one.name, one.severity) for one in found] == [("lexical diversity (MTLD)", "warning")]

    def test_off_is_not_asked(self, place, good) -> None:
        plan = planned(place, severity={"lexical diversity (MTLD)": False})  # as YAML reads a bare off
        assert "lexical diversity (MTLD)" not in {one.name for one in answers(plan, changed(good, mtld=1.0))}

    def test_what_is_unknown_is_not_asked_and_said(self, place, good) -> None:
        figures = changed(good, unknown={"mtld": "too few words", "self_bleu": "one phrase"})
        assert "lexical diversity (MTLD)" not in {one.name for one in answers(planned(place), figures)}
        assert not_asked(planned(place), figures) == {"lexical diversity (MTLD)": "too few words"}
        off = planned(place, severity={"lexical diversity (MTLD)": "off"})
        assert not_asked(off, figures) == {}

    @pytest.mark.parametrize("name", ["phrases in the release", "texts are unique in the release", "bytes of text"])
    def test_which_phrases_they_are_cannot_be_waived(self, name) -> None:
        with pytest.raises(ValidationError, match="is no expectation whose severity can be changed"):
            ReleaseThresholds(severity={name: "off"})

    def test_a_name_nearly_right_is_corrected(self) -> None:
        with pytest.raises(ValidationError, match="did you mean 'near-duplicates left'"):
            ReleaseThresholds(severity={"near duplicates left": "warning"})

    def test_slopes_are_in_order(self) -> None:
        with pytest.raises(ValidationError, match=r"must not be above max_zipf_slope, which is 0\.5"):
            ReleaseThresholds(min_zipf_slope=0.9, max_zipf_slope=0.5)


def test_the_gate_is_imported_without_great_expectations() -> None:
    code = "import sys, phrasemill.release.judge; print([m for m in HEAVY if m in sys.modules])"
    code = code.replace("HEAVY", "('great_expectations', 'pandas', 'rensa', 'sacrebleu', 'matplotlib')")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
