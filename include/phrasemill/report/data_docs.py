"""Data Docs: a night's verdicts as a Great Expectations site that opens offline and loads nothing from elsewhere.

The site has a page over all shards of the night, and a page for each verdict, the worst first, up to MAX_PAGES.
"""

import datetime as dt
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from phrasemill.gate.verdict import Verdict
from phrasemill.manifest import Manifest
from phrasemill.report.summary import NightSummary
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.quarantine import Quarantined

MAX_PAGES = 100
"""Verdicts with a page of their own. A page takes about 50 ms and 50 kB; nobody reads 400."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)
"""Great Expectations' markup has style attributes; scripts and style sheets are files beside the pages."""
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}
FOLDER = "data_docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShard:
    """One verdict on a shard of the night."""

    shard: int
    state: str
    """What became of the rows: 'committed', 'accepted', 'in quarantine', 'discarded', or 'mended' by others since."""
    run_id: str
    at: dt.datetime
    verdict: Verdict
    verdict_key: str = ""
    """Key of the verdict with its failing rows, where `verdict` does without them."""
    accepted_because: str = ""

    @property
    def label(self) -> str:
        """The shard's name, such as shard-00017."""
        return f"shard-{self.shard:05d}"

    @property
    def badness(self) -> tuple[int, int, int]:
        """Sorts the worst first: failures that stand, failures mended since, warnings, what holds."""
        verdict = self.verdict
        if verdict.failures:
            return (int(self.state == "mended"), -len(verdict.failures), self.shard)
        return (2 if verdict.warnings else 3, -len(verdict.warnings), self.shard)


def judged_shards(manifests: Iterable[Manifest], held: Iterable[Quarantined]) -> list[JudgedShard]:
    """The verdicts of a night, the worst first.

    Args:
        manifests: of its committed shards.
        held: its failed gates, those of shards committed since included.
    """
    manifests = list(manifests)
    done = {manifest.shard for manifest in manifests}
    # An accepted shard was committed with the very verdict that its record in quarantine has.
    accepted = {manifest.accepted.quarantine_key for manifest in manifests if manifest.accepted}
    judged = [_of_manifest(manifest) for manifest in manifests]
    judged += [
        JudgedShard(
            shard=item.shard,
            state="mended" if item.shard in done else "discarded" if item.discarded else "in quarantine",
            run_id=item.run,
            at=dt.datetime.fromisoformat(item.at),
            verdict=Verdict.model_validate(item.verdict),
        )
        for item in held
        if item.verdict and item.key not in accepted
    ]
    return sorted(judged, key=lambda one: one.badness)


def _of_manifest(manifest: Manifest) -> JudgedShard:
    return JudgedShard(
        shard=manifest.shard,
        state="accepted" if manifest.accepted else "committed",
        run_id=manifest.run_id,
        at=manifest.committed_at,
        verdict=Verdict.model_validate(manifest.verdict),
        verdict_key=manifest.verdict_key,
        accepted_because=manifest.accepted.reason if manifest.accepted else "",
    )


def build_data_docs(
    summary: NightSummary, judged: Sequence[JudgedShard], *, folder: Path, max_pages: int = MAX_PAGES
) -> None:
    """Build the site into an empty folder, where index.html is its first page.

    Args:
        summary: the night; its expectations are those of the page over all shards.
        judged: its verdicts, the worst first.
        folder: where to.
        max_pages: verdicts that get a page of their own.

    Raises:
        DataDocsError: Great Expectations left a page out.
    """
    # Here and not at the top: Great Expectations takes 3 to 4 s to import.
    from phrasemill.report.data_docs_site import build_site  # noqa: PLC0415

    build_site(summary, judged[:max_pages], judged=len(judged), folder=folder)


def publish_data_docs(store: CorpusStore, summary: NightSummary, judged: Sequence[JudgedShard]) -> str:
    """Build a night's site and put it beside its report; returns the key of its first page.

    `judged` are the night's verdicts, the worst first. Pages that an earlier closing of the night left, and this one
    has not, are removed.

    Raises:
        DataDocsError: Great Expectations left a page out.
        StoreError: the bucket refuses it.
    """
    shown = in_parallel(lambda one: _with_failing_rows(store, one), judged[:MAX_PAGES])
    with tempfile.TemporaryDirectory(prefix="phrasemill-data-docs-") as scratch:
        build_data_docs(summary, [*shown, *judged[MAX_PAGES:]], folder=Path(scratch))
        return _upload(store, Path(scratch), prefix=store.keys.report(summary.date, f"{FOLDER}/"))


def _with_failing_rows(store: CorpusStore, one: JudgedShard) -> JudgedShard:
    """Its verdict in whole. Where everything holds there is nothing more to read."""
    if not one.verdict_key or not (one.verdict.failures or one.verdict.warnings):
        return one
    content = store.bucket.get(one.verdict_key)
    return replace(one, verdict=Verdict.model_validate(json.loads(content))) if content else one


def _upload(store: CorpusStore, folder: Path, *, prefix: str) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "index.html"]

    def put(path: Path) -> str:
        key = prefix + path.relative_to(folder).as_posix()
        store.bucket.put(key, path.read_bytes(), content_type=CONTENT_TYPES[path.suffix])
        return key

    kept = set(in_parallel(put, files))
    first_page = put(folder / "index.html")  # last, so that it leads to nothing that is not there yet
    store.bucket.delete([entry.key for entry in store.bucket.entries(prefix) if entry.key not in kept | {first_page}])
    return first_page
