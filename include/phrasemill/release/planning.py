"""Planning a release: which committed shards it is made of, and which versions there are.

Guarantee: the plan of a version is put once, conditionally, before all else. Who plans it again gets the plan that
stands, so all tasks of a release, and one that goes on after a kill, work on the same shards.
"""

import datetime as dt
import itertools
import json
import re
from collections.abc import Sequence

from phrasemill.errors import RecordUnreadable
from phrasemill.manifest import Manifest
from phrasemill.planning import format_shards
from phrasemill.release.cutting import DEFAULT_MEMORY, cuts_of
from phrasemill.release.errors import NotCovered, ReleaseError, ReleaseExists, ReleaseQuarantined
from phrasemill.release.keys import LATEST, MANIFEST, QUARANTINE, ReleaseKeys
from phrasemill.release.plan import ReleasePlan, ReleaseShard
from phrasemill.release.short import how_to_write, read_short
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore, in_parallel

LEAST_MEMORY = 10**9
"""Judging takes 0.9 GB, into however many pieces the other steps are cut."""
NUMBERED = re.compile(r"v(\d+)")


def plan_release(
    store: CorpusStore,
    version: str,
    *,
    partial: bool = False,
    memory: int = DEFAULT_MEMORY,
    now: dt.datetime | None = None,
) -> ReleasePlan:
    """Plan a version and pin the plan, or take the one that stands.

    Args:
        store: the corpus's.
        version: such as v1.
        partial: release what is committed, though it may be less than the target.
        memory: bytes that the work may take with two tasks at a time; it changes no result.
        now: the release's date; by default this moment, whole seconds.

    Raises:
        ReleaseError: the version cannot be part of a key, the memory is too little, or the plan that stands was made
            with another `partial`, target or settings.
        ReleaseExists: it is published.
        ReleaseQuarantined: the corpus gate failed it.
        NotCovered: shards are missing and it is not partial, or nothing is committed at all.
        FingerprintMismatch: a committed shard is of another version of the corpus file.
    """
    keys = ReleaseKeys.of(store.keys.root, version)
    if version == LATEST:
        raise ReleaseError(f"version {LATEST!r} stands for the newest one; give one of its own, such as v1")
    refuse_finished(store, version)
    standing = _standing_plan(store, keys)
    if standing is None:
        if memory < LEAST_MEMORY:
            raise ReleaseError(f"memory of {memory:,} bytes is too little for a release; give at least 1 GB")
        manifests = store.manifests(store.committed())
        _refuse_uncovered(store.spec, [manifest.shard for manifest in manifests], partial=partial)
        plan = _plan(store, manifests, version=version, partial=partial, memory=memory, now=now)
        store.bucket.delete([keys.short])  # of an earlier try, which this plan replaces
        if store.bucket.put_if_absent(keys.plan, plan.as_json(), content_type="application/json"):
            return plan
        standing = read_plan(store, keys)  # of somebody who plans the same version at this moment
        if standing is None:
            raise NotCovered(f"{store.url(keys.plan)} appeared and vanished; release {version} again")
    _refuse_changed(standing, store.spec, partial=partial)
    return standing


def next_version(store: CorpusStore, *, partial: bool = False) -> str:
    """v1, v2 and so on: after the highest number that is published or quarantined.

    One that was begun only is gone on with, but not a partial release by one of the whole target, or the other way
    round: a release that nobody has asked for must not stop at what somebody has given up.
    """
    numbers = [int(match[1]) for name in _finished(store) if (match := NUMBERED.fullmatch(name))]
    following = itertools.count(max(numbers, default=0) + 1)
    return next(f"v{number}" for number in following if _begun_with(store, f"v{number}") in {None, partial})


def released(store: CorpusStore) -> list[str]:
    """The published versions: v1, v2, v10 by their number, then others by their names."""
    return _finished(store, of=(MANIFEST,))


def read_plan(store: CorpusStore, keys: ReleaseKeys) -> ReleasePlan | None:
    """The plan that is pinned under these keys, None if there is none.

    Raises:
        FingerprintMismatch: it is of another version of the corpus file.
        RecordUnreadable: it is not of this version of phrasemill.
    """
    content = store.bucket.get(keys.plan)
    if content is None:
        return None
    try:
        plan = ReleasePlan.from_json(content)
    except ValueError as error:
        raise RecordUnreadable(
            f"{store.url(keys.plan)}: is no release plan of this version of phrasemill; release under another version"
        ) from error
    store.refuse_other(plan.fingerprint, what=store.url(keys.plan))
    return plan


def clear_work(store: CorpusStore, keys: ReleaseKeys) -> None:
    """Remove what the steps of a version have left for one another, of every plan; its plan stays."""
    _clear(store, keys.all_work)


def discard(store: CorpusStore, plan: ReleasePlan) -> None:
    """Remove a plan that came out short, and what its steps have left for one another.

    A plan that somebody has pinned in its place meanwhile stays, with its work.
    """
    keys = ReleaseKeys.of(store.keys.root, plan.version)
    _clear(store, keys.work(plan.digest, ""))
    if store.bucket.get(keys.plan) == plan.as_json():
        store.bucket.delete([keys.plan])


def _clear(store: CorpusStore, prefix: str) -> None:
    found = [entry.key for entry in store.bucket.entries(prefix)]
    in_parallel(lambda key: store.bucket.delete([key]), found)


def _plan(
    store: CorpusStore,
    manifests: Sequence[Manifest],
    *,
    version: str,
    partial: bool,
    memory: int,
    now: dt.datetime | None,
) -> ReleasePlan:
    spec = store.spec
    return ReleasePlan(
        corpus=spec.name,
        version=version,
        partial=partial,
        created_at=(now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0),
        fingerprint=store.fingerprint,
        target=spec.target_phrases,
        shards=tuple(
            ReleaseShard(
                shard=manifest.shard,
                first_id=manifest.first_id,
                rows=manifest.rows,
                data_key=manifest.data_key,
                data_sha256=manifest.data_sha256,
                data_bytes=manifest.data_bytes,
            )
            for manifest in manifests
        ),
        settings=spec.release,
        cuts=cuts_of(manifests, spec.release, target=spec.target_phrases, memory=memory),
    )


def _standing_plan(store: CorpusStore, keys: ReleaseKeys) -> ReleasePlan | None:
    """The plan that work goes on with. One that came out short is done with: what was left of it is removed."""
    plan = read_plan(store, keys)
    if plan is None:
        return None
    short = read_short(store, keys.short)
    if short is None or short.plan != plan.digest:
        return plan
    discard(store, plan)
    return None


def _begun_with(store: CorpusStore, version: str) -> bool | None:
    """Whether a version that is not finished was begun as a partial one; None if it was not begun, or is unreadable."""
    content = store.bucket.get(ReleaseKeys.of(store.keys.root, version).plan)
    try:
        return None if content is None else ReleasePlan.from_json(content).partial
    except ValueError:  # `plan_release` says so, with what to do
        return None


def refuse_finished(store: CorpusStore, version: str) -> None:
    """Refuse a version that is published or quarantined, and remove what a kill has left of its work.

    Raises:
        ReleaseExists, ReleaseQuarantined: it is.
    """
    keys, corpus = ReleaseKeys.of(store.keys.root, version), store.spec.name
    if store.bucket.entry(keys.manifest) is not None:
        clear_work(store, keys)  # of a publication that was killed right after its manifest
        raise ReleaseExists(
            f"release {version} of {corpus} is published already ({store.url(keys.manifest)}) and is never "
            f"overwritten; give another version, such as {next_version(store)}"
        )
    content = store.bucket.get(keys.quarantine)
    if content is not None:
        clear_work(store, keys)
        raise ReleaseQuarantined(
            f"release {version} of {corpus} was quarantined by the corpus gate ({store.url(keys.quarantine)}): "
            f"{_reasons(content)}. Change the settings or the shards, then release under a new version, such as "
            f"{next_version(store)}"
        )


def _reasons(quarantine: bytes) -> str:
    """Why the gate failed a version, in one line."""
    try:
        reasons = json.loads(quarantine)["reasons"]
    except (ValueError, KeyError, TypeError):
        return "its record does not say why"
    return "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)


def _refuse_changed(standing: ReleasePlan, spec: CorpusSpec, *, partial: bool) -> None:
    """Refuse to go on with a plan that is not what is asked for now: what it makes can never be changed."""
    begun = f"release {standing.version} of {standing.corpus} was begun"
    if standing.partial != partial:
        began, wants = ("with", "without") if standing.partial else ("without", "with")
        raise ReleaseError(
            f"{begun} {began} --partial and is not finished: go on {began} it, or give another version {wants} it"
        )
    before = {"target_phrases": standing.target, **standing.settings.model_dump(mode="json")}
    now = {"target_phrases": spec.target_phrases, **spec.release.model_dump(mode="json")}
    if changed := [f"{name} was {before[name]} and is {now[name]}" for name in now if before[name] != now[name]]:
        raise ReleaseError(
            f"{begun} with other settings and is not finished: {'; '.join(changed)}. Undo the change in the corpus "
            "file to go on with it, or give another version"
        )


def _refuse_uncovered(spec: CorpusSpec, committed: Sequence[int], *, partial: bool) -> None:
    if not committed:
        raise NotCovered(f"no shard of {spec.name} is committed yet, so there is nothing to release; run some first")
    missing = sorted(set(range(spec.shard_count)).difference(committed))
    if missing and not partial:
        shards = format_shards(missing)
        raise NotCovered(
            f"{len(missing):,} of {spec.shard_count:,} shards of {spec.name} are not committed: {shards}. Write them: "
            f"{how_to_write(spec.name, shards)}; or release what is there with --partial"
        )


def _finished(store: CorpusStore, *, of: Sequence[str] = (MANIFEST, QUARANTINE)) -> list[str]:
    root = f"{store.keys.root}/releases/"
    folders = store.bucket.folders(root)
    done = in_parallel(lambda folder: any(store.bucket.entry(f"{folder}{name}") for name in of), folders)
    names = [folder.removeprefix(root).rstrip("/") for folder, is_done in zip(folders, done, strict=True) if is_done]
    return sorted(names, key=_order)


def _order(version: str) -> tuple[bool, int, str]:
    match = NUMBERED.fullmatch(version)
    return match is None, int(match[1]) if match else 0, version
