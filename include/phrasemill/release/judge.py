"""The corpus gate: whether a release is published. It passes or fails as a whole.

All it judges by follows from the plan, so judging again says the same: files under quality/ are the same bytes. A
release that fails is never published: its record is put conditionally, then its verdict, which `publish` asks for,
then the work of its steps is removed. Whoever dies in between finds the record the next time, and does the rest.
"""

import json
from importlib.metadata import version
from typing import Any, NoReturn

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from phrasemill.errors import RecordUnreadable, StoreError
from phrasemill.gate.suite import ask
from phrasemill.gate.verdict import Expectation
from phrasemill.manifest import Manifest
from phrasemill.release.checks import not_asked, release_checks
from phrasemill.release.errors import ReleaseQuarantined
from phrasemill.release.figures import ReleaseFigures, measure_release
from phrasemill.release.kept import KEPT
from phrasemill.release.keys import QUARANTINE
from phrasemill.release.place import ReleasePlace
from phrasemill.release.planning import clear_work, next_version
from phrasemill.release.spread import spread
from phrasemill.report import CorpusSummary, render_report, summarise_corpus

JUDGED = "judged.json"
VERDICT, FIGURES = "quality/verdict.json", "quality/figures.json"
REPORT, SUMMARY = "quality/report.html", "quality/summary.json"
JSON, HTML = "application/json", "text/html; charset=utf-8"
SHOWN = 30
"""Phrases of the release that its report shows."""


class ReleaseVerdict(BaseModel):
    """What the corpus gate says of a release. It is kept as quality/verdict.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: bool
    """No critical expectation failed."""
    expectations: tuple[Expectation, ...]
    """The gravest first."""
    not_asked: dict[str, str]
    """Expectations that this release is too small for, or does not promise, with the reason."""
    gx_version: str

    @classmethod
    def of(cls, expectations: list[Expectation], *, not_asked: dict[str, str]) -> "ReleaseVerdict":
        """The verdict that these answers make."""
        return cls(
            passed=all(one.passed or one.severity != "critical" for one in expectations),
            expectations=tuple(expectations),
            not_asked=not_asked,
            gx_version=version("great-expectations"),
        )

    def failed(self, severity: str) -> list[str]:
        """Expectations of this severity that do not hold: each with what was found and what is allowed."""
        return [str(one) for one in self.expectations if not one.passed and one.severity == severity]


def judge(place: ReleasePlace) -> dict[str, Any]:
    """Judge a release whose files are all packed; leaves figures, verdict and report under quality/.

    Returns:
        How many expectations were asked, and those that only warn and do not hold.

    Raises:
        ReleaseQuarantined: a critical expectation failed, now or when this version was judged before.
        WorkMissing: an earlier step has not been done.
        StoreError: the manifest of a shard is gone.
        RecordUnreadable: the record of an earlier judgement is not of this version of phrasemill.
    """
    if place.store.bucket.entry(place.keys.quarantine) is not None:
        _quarantined(place)
    if place.has_work(JUDGED):
        told: dict[str, Any] = place.json(JUDGED)
        return told
    manifests, figures = _manifests(place), measure_release(place)
    checks = release_checks(
        place.plan,
        figures,
        spec=place.store.spec,
        kept=place.json(KEPT)["kept"],
        committed_bytes=sum(manifest.text_bytes for manifest in manifests),
    )
    verdict = ReleaseVerdict.of(ask(checks, figures=figures.known), not_asked=not_asked(place.plan, figures))
    _put_report(place, figures, manifests)
    if not verdict.passed:
        place.store.bucket.put_if_absent(place.keys.quarantine, _record(place, verdict), content_type=JSON)
        _quarantined(place)
    place.put_file(VERDICT, _as_json(verdict.model_dump(mode="json")), content_type=JSON)
    told = {"expectations": len(verdict.expectations), "warnings": verdict.failed("warning")}
    place.put_json(JUDGED, told)
    return told


def _quarantined(place: ReleasePlace) -> NoReturn:
    """Put the verdict of a release whose record of quarantine stands, remove its work, and raise."""
    key = place.keys.quarantine
    try:
        record = json.loads(place.store.bucket.get(key) or b"")
        reasons, verdict = record["reasons"], _as_json(record["verdict"])
    except (ValueError, KeyError, TypeError) as error:
        url = place.store.url(key)
        raise RecordUnreadable(f"{url}: is no record of the corpus gate of this version ({error!r})") from error
    place.put_file(VERDICT, verdict, content_type=JSON)
    clear_work(place.store, place.keys)
    raise ReleaseQuarantined(
        f"release {place.plan.version} of {place.plan.corpus} is not published, because the corpus gate failed it: "
        f"{'; '.join(reasons)}. Look at {place.store.url(place.keys.file(REPORT))}; the reasons are kept in "
        f"{QUARANTINE} beside it. If the texts are good enough, lower that limit or make it a warning under "
        f"release.gate in the corpus file; if not, change what they are written by. Then `phrasemill release "
        f"{place.plan.corpus}` makes {next_version(place.store)}; {place.plan.version} is never published"
    )


def _record(place: ReleasePlace, verdict: ReleaseVerdict) -> bytes:
    plan = place.plan
    record = {
        "format": 1,
        "corpus": plan.corpus,
        "version": plan.version,
        "plan": plan.digest,
        "at": plan.created_at.isoformat(),
        "reasons": verdict.failed("critical"),
        "verdict": verdict.model_dump(mode="json"),
    }
    return _as_json(record)


def _manifests(place: ReleasePlace) -> list[Manifest]:
    """Of the plan's shards, in their order."""
    found = place.store.manifests([shard.shard for shard in place.plan.shards])
    if missing := sorted({shard.shard for shard in place.plan.shards} - {manifest.shard for manifest in found}):
        key = place.store.keys.manifest(missing[0])
        raise StoreError(
            f"{place.store.url(key)}: the manifest of a shard of this release is gone; restore it, or "
            "release under another version"
        )
    return found


def _put_report(place: ReleasePlace, figures: ReleaseFigures, manifests: list[Manifest]) -> None:
    summary = _summary(place, figures, manifests)
    place.put_file(FIGURES, _as_json(figures.published), content_type=JSON)
    place.put_file(SUMMARY, summary.as_json(), content_type=JSON)
    place.put_file(REPORT, render_report(summary).encode(), content_type=HTML)


def _summary(place: ReleasePlace, figures: ReleaseFigures, manifests: list[Manifest]) -> CorpusSummary:
    """The report of the shards that the release is made of. What fails or is committed besides does not change it."""
    return summarise_corpus(
        place.store.spec,
        manifests,
        fingerprint=place.plan.fingerprint,
        run_id=place.plan.version,
        quarantined=(),
        now=place.plan.created_at,
        sample=figures.sample.take(pa.array(spread(figures.sample.num_rows, most=SHOWN))).to_pylist(),
        corpus_figures=figures.corpus,
    )


def _as_json(value: Any) -> bytes:  # noqa: ANN401
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
