"""Evidence: what committed shards and a calibration tell, and which of the two counts when."""

import datetime as dt
from typing import Any

import pytest

from phrasemill.fingerprint import fingerprint
from phrasemill.forecast.calibration import Calibration
from phrasemill.forecast.gathering import evidence_of
from phrasemill.forecast.question import NO_EVIDENCE, Evidence
from phrasemill.forecast.text_sample import TextFigures
from phrasemill.ranges import Range
from phrasemill.store.shard_index import ShardEntry
from tests.specs import make_spec

SPEC = make_spec(target_phrases=24_000, shard_phrases=1000, block_phrases=100)
NIGHT = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.UTC)


def shard(
    number: int, start_s: float, seconds: float = 100.0, *, begins: dt.datetime = NIGHT, **changes: Any
) -> ShardEntry:
    """1,000 phrases of 100 characters and 105 bytes, of 1,250 outputs; committed 5 s after it was written."""
    start = begins + dt.timedelta(seconds=start_s)
    end = start + dt.timedelta(seconds=seconds)
    fields: dict[str, Any] = {
        "shard": number,
        "etag": "e",
        "fingerprint": fingerprint(SPEC),
        "rows": 1000,
        "chars": 100_000,
        "text_bytes": 105_000,
        "data_key": "d",
        "verdict_key": "v",
        "committed_at": end + dt.timedelta(seconds=5),
        "run_id": "run",
        "by_hand": False,
        "started_at": start,
        "finished_at": end,
        "seconds": seconds,
        "engines": 2,
        "accepted": 1000,
        "judged": 1250,
        "rejects": {"too_long": 250},
        "prompt_tokens": 75_000,
        "completion_tokens": 50_000,
    }
    return ShardEntry.model_validate(fields | changes)


def calibration(**changes: Any) -> Calibration:
    fields: dict[str, Any] = {
        "corpus": "tiny",
        "fingerprint": fingerprint(SPEC),
        "model": "tiny-model",
        "engines": 1,
        "at": dt.datetime(2026, 11, 23, 14, 2, tzinfo=dt.UTC),
        "phrasemill": "0.1.0",
        "vllm": "0.20.2",
        "list_size": 8,
        "in_flight": 32,
        "n": 1,
        "window_s": 60.0,
        "parts": (),
        "accepted": 300,
        "judged": 400,
        "rejects": {"too_long": 100},
        "prompt_tokens": 24_000,
        "completion_tokens": 16_000,
        "faults": 0,
        "client_cpu": 0.1,
        "steady_phrases_per_s": Range(low=4, likely=5, high=6),
        "shard_phrases": 1000,
        "alone_s": (),
        "alone_phrases": 64,
        "drain_s": None,
        "phrases_per_s": Range(low=4, likely=5, high=6),
        "accept_share": Range(low=0.7, likely=0.75, high=0.8),
        "prompt_tokens_per_output": Range.exactly(60),
        "completion_tokens_per_output": Range.exactly(40),
        "text": TextFigures(
            phrases=300,
            chars=27_000,
            text_bytes=27_000,
            chars_per_phrase=Range.exactly(90),
            bytes_per_char=Range.exactly(1),
        ),
    }
    return Calibration.model_validate(fields | changes)


def gathered(*shards: ShardEntry, calibration: Calibration | None = None) -> Evidence:
    return evidence_of(shards, calibration, spec=SPEC)


def rate(evidence: Evidence) -> Range:
    assert evidence.phrases_per_s is not None
    return evidence.phrases_per_s.value


class TestRate:
    def test_one_after_the_other_pauses_do_not_count(self) -> None:
        found = gathered(*(shard(number, 120 * number) for number in range(12)))
        assert rate(found).likely == pytest.approx(10)
        assert found.engines == 2
        assert found.phrases_per_s is not None
        assert found.phrases_per_s.source == "12 shards committed since 2026-11-20"

    def test_side_by_side_their_time_counts_once(self) -> None:
        found = gathered(*(shard(number, 50 * number) for number in range(8)))
        assert rate(found).likely == pytest.approx(8000 / 450)

    def test_many_that_are_alike_are_known_better_than_one_but_never_exactly(self) -> None:
        one, many = gathered(shard(0, 0)), gathered(*(shard(number, 120 * number) for number in range(24)))
        assert rate(one).high / rate(one).likely == pytest.approx(1.2, abs=0.001)
        assert rate(many).high / rate(many).likely == pytest.approx(1.04, abs=0.001)

    def test_shards_of_unlike_speed_widen_it(self) -> None:
        unlike = gathered(*(shard(number, 250 * number, 60 + 140 * (number % 2)) for number in range(12)))
        assert rate(unlike).likely == pytest.approx(12_000 / (6 * 60 + 6 * 200))
        assert rate(unlike).high / rate(unlike).likely > 1.12

    def test_a_shard_that_was_resumed_counts_the_time_it_was_written_in(self) -> None:
        resumed = shard(0, 3500, started_at=NIGHT)
        assert rate(gathered(resumed)).likely == pytest.approx(10)

    def test_untimed_shards_and_those_of_another_fingerprint_tell_nothing(self) -> None:
        assert gathered(shard(0, 0, started_at=None), shard(1, 0, fingerprint="f" * 16)) == NO_EVIDENCE
        assert gathered() == NO_EVIDENCE


class TestNewestCounts:
    def test_only_the_last_three_nights(self) -> None:
        nights = [NIGHT + dt.timedelta(days=day) for day in range(5)]
        slow = [shard(day, 0, 200, begins=nights[day]) for day in (0, 1)]
        fast = [shard(day, 0, 50, begins=nights[day]) for day in (2, 3, 4)]
        found = gathered(*slow, *fast)
        assert rate(found).likely == pytest.approx(20)
        assert found.accept_share is not None
        assert found.accept_share.source == "3 shards committed since 2026-11-22"

    def test_only_shards_of_as_many_engines_as_the_newest(self) -> None:
        before = [shard(number, 120 * number) for number in range(4)]
        after = [shard(number, 120 * number, 50, engines=4) for number in range(4, 8)]
        found = gathered(*before, *after)
        assert (found.engines, rate(found).likely) == (4, pytest.approx(20))


class TestOtherFigures:
    def test_they_are_means_over_shards_by_weight(self) -> None:
        found = gathered(shard(0, 0), shard(1, 120, judged=2000, completion_tokens=90_000, chars=110_000))
        assert found.accept_share is not None
        assert found.chars_per_phrase is not None
        assert found.bytes_per_char is not None
        assert found.completion_tokens_per_output is not None
        assert found.prompt_tokens_per_output is not None
        assert found.accept_share.value.likely == pytest.approx(2000 / 3250)
        assert found.chars_per_phrase.value.likely == pytest.approx(105)
        assert found.bytes_per_char.value.likely == pytest.approx(210_000 / 210_000)
        assert found.completion_tokens_per_output.value.likely == pytest.approx(140_000 / 3250)
        assert found.prompt_tokens_per_output.value.likely == pytest.approx(150_000 / 3250)
        assert found.accept_share.value.low < 2000 / 3250 < found.accept_share.value.high

    def test_shares_and_bytes_stay_within_what_they_can_be(self) -> None:
        found = gathered(shard(0, 0, judged=1000, rejects={}, text_bytes=100_000))
        assert found.accept_share is not None
        assert found.bytes_per_char is not None
        assert found.accept_share.value.high == 1
        assert found.bytes_per_char.value.low == 1

    def test_what_passes_beside_writing_is_gates_commits_and_starts(self) -> None:
        found = gathered(*(shard(number, 120 * number) for number in range(5)))
        assert found.overhead_share is not None
        assert found.overhead_share.value.likely == pytest.approx((4 * 20 + 5) / 500)

    def test_the_pause_between_two_nights_is_none_of_it(self) -> None:
        later = NIGHT + dt.timedelta(days=1)
        found = gathered(shard(0, 0), shard(1, 110), shard(2, 0, begins=later), shard(3, 110, begins=later))
        assert found.overhead_share is not None
        assert found.overhead_share.value.likely == pytest.approx(2 * (10 + 5) / 400)

    def test_a_shard_that_somebody_accepted_days_later_did_not_keep_engines_waiting(self) -> None:
        late = {"by_hand": True, "committed_at": NIGHT + dt.timedelta(days=2)}
        found = gathered(shard(0, 0), shard(1, 120, **late), shard(2, 240))
        assert found.overhead_share is not None
        assert found.overhead_share.value.likely == pytest.approx((20 + 20 + 5) / 300)

    def test_one_shard_tells_nothing_of_it(self) -> None:
        assert gathered(shard(0, 0)).overhead_share is None


class TestCalibration:
    def test_it_stands_in_while_nothing_is_committed(self) -> None:
        found = gathered(calibration=calibration())
        assert (rate(found).likely, found.engines) == (5, 1)
        assert found.chars_per_phrase is not None
        assert found.chars_per_phrase.value.likely == 90
        assert found.chars_per_phrase.source == "calibration of 2026-11-23 14:02 UTC, 60 s on 1 engine"
        assert found.overhead_share is None

    def test_and_while_there_are_only_two_blocks(self) -> None:
        tiny = shard(0, 0, 20, rows=200, accepted=200)
        assert rate(gathered(tiny, calibration=calibration())).likely == 5
        assert rate(gathered(tiny)).likely == pytest.approx(10)

    def test_committed_shards_replace_it(self) -> None:
        found = gathered(shard(0, 0), calibration=calibration(at=NIGHT - dt.timedelta(days=1)))
        assert rate(found).likely == pytest.approx(10)

    def test_a_newer_one_of_other_engines_gives_the_rate_alone(self) -> None:
        found = gathered(shard(0, 0), calibration=calibration())
        assert (rate(found).likely, found.engines) == (5, 1)
        assert found.chars_per_phrase is not None
        assert found.chars_per_phrase.value.likely == pytest.approx(100)

    def test_a_newer_one_of_the_same_engines_does_not(self) -> None:
        assert rate(gathered(shard(0, 0), calibration=calibration(engines=2))).likely == pytest.approx(10)

    def test_it_is_newer_than_what_was_written_before_and_accepted_by_hand_later(self) -> None:
        accepted_later = shard(0, 0, committed_at=NIGHT + dt.timedelta(days=9))
        assert rate(gathered(accepted_later, calibration=calibration())).likely == 5

    def test_one_of_another_version_of_the_corpus_is_left_out(self) -> None:
        assert gathered(calibration=calibration(fingerprint="f" * 16)) == NO_EVIDENCE
