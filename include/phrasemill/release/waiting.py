"""Waiting: why a release that nobody has asked for is not begun. One asked for by hand meets errors instead.

The corpus's update comes once a night, also when the corpus is whole: then there is mostly nothing to release, or
what was tried would end as it ended before.
"""

from phrasemill.planning import is_top_up
from phrasemill.release.keys import QUARANTINE, ReleaseKeys
from phrasemill.release.manifest import read_manifest
from phrasemill.release.plan import ReleasePlan
from phrasemill.release.planning import released
from phrasemill.release.short import latest_short
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.shard_index import committed_shards, read_index


def why_wait(store: CorpusStore) -> str | None:
    """In one line, why there is nothing to do now; None if a release of the whole target can be tried.

    Raises:
        FingerprintMismatch, RecordUnreadable: see `committed_shards`, `read_manifest` and `latest_short`.
        StoreError: the bucket cannot be read.
    """
    spec = store.spec
    own = sum(not is_top_up(spec, number) for number in store.committed())
    if own < spec.shard_count:
        return f"{own:,} of {spec.shard_count:,} shards are committed; the release waits"
    if version := full_release(store):
        return f"release {version} holds {spec.target_phrases:,} phrases, the whole target; there is nothing to do"
    return _why_in_vain(store)


def full_release(store: CorpusStore) -> str | None:
    """A published version that holds exactly the target, of several the one of the highest number; None without one.

    Raises:
        RecordUnreadable: a release manifest is not of this version of phrasemill.
    """
    manifests = (read_manifest(store, version) for version in reversed(released(store)))
    return next((one.version for one in manifests if one and one.phrases == store.spec.target_phrases), None)


def _why_in_vain(store: CorpusStore) -> str | None:
    """Why a try would end as an earlier one did: nothing has been committed since."""
    spec, shards = store.spec, committed_shards(store, read_index(store)).values()
    short = latest_short(store)
    now = (spec.target_phrases, spec.release.near_duplicates, sum(shard.rows for shard in shards))
    if short and (short.target, short.near_duplicates, short.committed) == now:
        return (
            f"release {short.version} was short by {short.short_by:,} phrases, and nothing was committed since; "
            + (f"it waits for shards {short.shards}; " if short.shards else "")
            + f"phrasemill plan {spec.name} --top-up says what to do"
        )
    there = {shard.data_key for shard in shards}
    for version, plan in _quarantined(store):
        same = (plan.target, plan.settings) == (spec.target_phrases, spec.release)
        if same and {shard.data_key for shard in plan.shards} == there:
            return (
                f"release {version} of these shards was quarantined by the corpus gate; look at its report, and "
                "release by hand after a change of the gate's limits"
            )
    return None


def _quarantined(store: CorpusStore) -> list[tuple[str, ReleasePlan]]:
    """The versions that the gate has failed, with their plans as far as they can be read."""
    found: list[tuple[str, ReleasePlan]] = []
    for folder in store.bucket.folders(f"{store.keys.root}/releases/"):
        keys = ReleaseKeys(folder)
        content = store.bucket.get(keys.plan) if store.bucket.entry(folder + QUARANTINE) else None
        if content is None:
            continue
        try:
            found.append((folder.rstrip("/").rpartition("/")[2], ReleasePlan.from_json(content)))
        except ValueError:  # of another version of phrasemill: it says nothing about ours
            continue
    return found
