"""A night's verdicts for tests of reports: shards that hold, warn, fail and were mended, with any texts in them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from phrasemill.facts import Facts
from phrasemill.fingerprint import fingerprint
from phrasemill.gate.verdict import Expectation, FailingRow, Verdict
from phrasemill.manifest import Manifest, Totals
from phrasemill.report import NightSummary, summarise_night
from phrasemill.spec import CorpusSpec
from phrasemill.store.quarantine import Quarantined

NOW = dt.datetime(2026, 11, 2, 6, 0, tzinfo=dt.UTC)
NAMES = {"phrases in the shard": None, "phrase ids are unique": "phrase_id", "language": "lang", "mean length": "text"}


def make_verdict(
    *,
    failed: Sequence[str] = (),
    warned: Sequence[str] = (),
    observed: str = "12 of 60 outside",
    samples: Iterable[FailingRow] = (),
) -> Verdict:
    """A verdict on all NAMES, of which these fail or warn; `observed` is what was found wherever one does not hold."""
    expectations = [
        Expectation(
            name=name,
            kind="expect_column_values_to_be_between",
            column=column,
            observed=observed if name in {*failed, *warned} else "as it should be",
            limit="at most 5",
            severity="warning" if name in warned else "critical",
            passed=name not in {*failed, *warned},
        )
        for name, column in NAMES.items()
    ]
    return Verdict(
        passed=not failed,
        expectations=tuple(expectations),
        samples=tuple(samples),
        gx_version="1.24.1",
        seconds=0.4,
    )


def make_manifest(spec: CorpusSpec, number: int, verdict: Verdict) -> Manifest:
    return Manifest(
        corpus=spec.name,
        shard=number,
        first_id=60 * number,
        rows=60,
        fingerprint=fingerprint(spec),
        data_key=f"shards/{number}",
        data_sha256="0" * 64,
        data_bytes=4000,
        chars=5400,
        text_bytes=5400,
        committed_at=NOW + dt.timedelta(seconds=number),
        run_id="run-1",
        facts=Facts(accepted=60),
        verdict=verdict.model_dump(mode="json", exclude={"samples"}),
        verdict_key=f"verdicts/{number}",
    )


def make_quarantined(number: int, verdict: Verdict) -> Quarantined:
    return Quarantined(
        shard=number,
        run="run-1",
        entry="run-1-20261102T050000",
        reason=verdict.reason(),
        at=(NOW - dt.timedelta(hours=1)).isoformat(),
        fingerprint="f" * 16,
        next_attempt=3,
        key=f"quarantine/{number}",
        facts={},
        discarded=None,
        verdict=verdict.model_dump(mode="json"),
    )


def make_summary(spec: CorpusSpec, manifests: Sequence[Manifest], held: Sequence[Quarantined] = ()) -> NightSummary:
    """The summary of a night whose shards are those committed and those held."""
    committed = {manifest.shard for manifest in manifests}
    planned = sorted(committed | {item.shard for item in held})
    return summarise_night(
        spec,
        manifests,
        fingerprint=fingerprint(spec),
        date="2026-11-01",
        night=0,
        run_id="run-1",
        planned=planned,
        missing=[number for number in planned if number not in committed],
        quarantined=[asdict(item) for item in held],
        committed=Totals.of(manifests),
        now=NOW,
    )
