"""Acceptance: committing a quarantined shard as it is, on somebody's word.

The rows are judged once more, since thresholds may have changed and the manifest needs a verdict of these very rows.
What only measures them may fail; what tells which rows they are may not.
"""

import datetime as dt

from pydantic import ValidationError

from phrasemill.errors import QuarantineError
from phrasemill.facts import Facts
from phrasemill.manifest import Acceptance, Manifest
from phrasemill.planning import Shard
from phrasemill.store.commit import commit_shard
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import Quarantined, held_rows


def accept(store: CorpusStore, shard: Shard, item: Quarantined, *, by: str, reason: str) -> Manifest:
    """Commit the rows of a failed gate; who, when and why are kept in the manifest.

    Raises:
        QuarantineError: the shard is committed, its rows are gone or are not those it must have, or no reason is given.
        FingerprintMismatch: they were written from another version of the corpus file.
        StoreError: the bucket does not take the commit.
    """
    # Here and not at the top: Great Expectations takes 3 to 4 s to import.
    from phrasemill.gate import check_shard  # noqa: PLC0415

    if not reason.strip():
        raise QuarantineError(f"{store.spec.name} {shard.label}: give a reason; it is kept in the manifest")
    store.refuse_other(item.fingerprint, what=store.url(item.key))
    _refuse_committed(store, shard, store.manifest(shard.number))
    rows = held_rows(store, item)
    try:
        facts = Facts.model_validate(item.facts)
    except ValidationError as error:
        raise QuarantineError(f"{store.url(item.key)}: its facts are of another version; discard it") from error
    verdict = check_shard(rows, spec=store.spec, shard=shard, facts=facts, fingerprint=item.fingerprint)
    if wrong := [str(expectation) for expectation in verdict.failures if expectation.identity]:
        raise QuarantineError(
            f"{store.spec.name} {shard.label} cannot be accepted: {'; '.join(wrong)}. These are not the rows that the "
            "shard must have; discard them and write the shard anew"
        )
    acceptance = Acceptance(
        by=by,
        at=dt.datetime.now(dt.UTC),
        reason=reason.strip(),
        failed=tuple(map(str, verdict.failures)),
        quarantine_key=item.key,
    )
    record = verdict.model_dump(mode="json")
    manifest = commit_shard(store, shard, rows, facts=facts, verdict=record, run_id=item.run, accepted=acceptance)
    if manifest.accepted != acceptance:
        _refuse_committed(store, shard, manifest)
    return manifest


def _refuse_committed(store: CorpusStore, shard: Shard, manifest: Manifest | None) -> None:
    if manifest is not None:
        raise QuarantineError(
            f"{store.spec.name} {shard.label} is committed already, by run {manifest.run_id} at "
            f"{manifest.committed_at:%Y-%m-%d %H:%M} UTC; what is in quarantine can only be discarded"
        )
