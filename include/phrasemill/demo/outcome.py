"""Tells what a night left: phrases, counts, and where everything lies."""

from rich.console import Console

from phrasemill.committed_rows import sample_rows
from phrasemill.demo.layout import Layout
from phrasemill.manifest import Totals
from phrasemill.release.keys import ReleaseKeys
from phrasemill.release.manifest import latest_version, read_manifest
from phrasemill.release.planning import released
from phrasemill.release.short import latest_short
from phrasemill.spec import RELEASE_DAG
from phrasemill.store.corpus_store import CorpusStore

SAMPLE = 10


def print_outcome(layout: Layout, store: CorpusStore, console: Console) -> None:
    """Print ten phrases, the counts, and where shards, manifests and report are."""
    spec = store.spec
    manifests = store.manifests(store.committed())
    totals = Totals.of(manifests)
    rejected = sum(sum(manifest.facts.rejects.values()) for manifest in manifests)
    console.print()
    for row in sorted(sample_rows(store, SAMPLE), key=lambda row: row["phrase_id"]):
        console.print(f"{row['phrase_id']:>6}  {row['text']}", highlight=False, markup=False, soft_wrap=True)
    lines = {
        "phrases": f"{totals.phrases} of {spec.target_phrases} in {totals.shards} shards, "
        f"{totals.chars:,} characters; {rejected} outputs rejected on the way",
        "shards": store.url(f"{store.keys.root}/shards/"),
        "manifests": store.url(store.keys.manifests()),
        **_report(layout, store),
        "release": _release(store),
        "S3 server": f"{layout.url('s3')}, keys in {layout.shown(layout.state / 'keys.json')}",
    }
    console.print()
    for name, value in lines.items():
        console.print(f"  {name:<10} {value}", highlight=False, markup=False, soft_wrap=True)


def _report(layout: Layout, store: CorpusStore) -> dict[str, str]:
    """Where the newest report is, and a copy of it that a browser opens."""
    entries = [e for e in store.bucket.entries(f"{store.keys.root}/reports/") if e.key.endswith("/report.html")]
    if not entries:
        return {}
    newest = max(entries, key=lambda entry: entry.modified).key
    copy = layout.state / "reports" / store.spec.name / "report.html"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(store.bucket.get(newest) or b"")
    return {"report": store.url(newest), "its copy": f"open {layout.shown(copy)} in a browser"}


def _release(store: CorpusStore) -> str:
    """The newest release, or what keeps it."""
    if not released(store):
        short = latest_short(store)
        return f"short by {short.short_by} phrases; see Dag {RELEASE_DAG}{store.spec.name}" if short else "none yet"
    version = latest_version(store)
    manifest = read_manifest(store, version)
    return store.url(ReleaseKeys.of(store.keys.root, version).root) + (
        f", {manifest.phrases:,} phrases" if manifest else ""
    )
