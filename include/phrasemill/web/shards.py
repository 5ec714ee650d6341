"""The page of a shard, and its records as JSON: its manifest, and what the gate said of it."""

import json
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from phrasemill.corpus_state import is_known, shard_cell
from phrasemill.errors import PhrasemillError, PlanError
from phrasemill.gate.verdict import Verdict
from phrasemill.manifest import Manifest
from phrasemill.planning import Shard, is_top_up, shard_of
from phrasemill.snapshot import Held
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import Quarantined, quarantined, read_record
from phrasemill.store.shard_index import ShardEntry
from phrasemill.web.access import MAY_READ_DAG, DagId, ShardNumber
from phrasemill.web.airflow_runs import shard_tasks
from phrasemill.web.corpus_cache import Seen, look
from phrasemill.web.corpus_figures import by_the_clock
from phrasemill.web.pages import HEADERS, etag_of, note, page, unchanged
from phrasemill.web.problems import one_line
from phrasemill.web.reject_lines import rejects_of

SHARD = "/dags/{dag_id}/shards/{shard}"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Records:
    """What the bucket has of a shard; `unread` says in one line why something is not here."""

    manifest: Manifest | None = None
    held: Quarantined | None = None
    verdict: Verdict | None = None
    unread: str | None = None


@router.get(SHARD, dependencies=MAY_READ_DAG)
def shard(request: Request, dag_id: DagId, shard: ShardNumber) -> Response:
    """All that is known of one shard."""
    seen = look(dag_id)
    if seen.spec is None:
        return note(request, seen.problem or "The corpus file has not been read yet.", 503)
    try:
        planned = shard_of(seen.spec, shard)
    except PlanError as error:
        return note(request, str(error), 404)
    if seen.snapshot is None or seen.state is None:
        return note(request, seen.problem or "The bucket has not been read yet.", 503)
    entry = seen.snapshot.shards.get(shard)
    held = seen.snapshot.held.get(shard)
    if is_top_up(seen.spec, shard) and not is_known(seen.snapshot, shard):
        own = f"its shards are 0 to {seen.spec.shard_count - 1}"
        return note(request, f"{seen.spec.name} has no shard {shard}; {own}, and nobody has begun this one.", 404)
    cell = shard_cell(seen.spec, seen.snapshot, shard, now=seen.state.at)
    records = _records(seen, planned, entry, held)
    spec = seen.spec
    return page(
        request,
        "shard.html.j2",
        title=f"Shard {shard} of {seen.spec.title}",
        seen=seen.snapshot.at,
        dag_id=dag_id,
        spec=spec,
        planned=planned,
        problem=seen.problem,
        cell=cell,
        night=None if cell.night is None else seen.state.nights[cell.night],
        entry=entry,
        committed_at=by_the_clock(spec, entry.committed_at) if entry else "",
        records=records,
        rejects=rejects_of(spec, [entry] if entry else []),
        task=shard_tasks(dag_id).get(shard),
    )


@router.get(SHARD + "/manifest.json", dependencies=MAY_READ_DAG)
def manifest(request: Request, dag_id: DagId, shard: ShardNumber) -> Response:
    """The manifest, as it lies in the bucket."""
    return _record(request, dag_id, shard, what="manifest")


@router.get(SHARD + "/verdict.json", dependencies=MAY_READ_DAG)
def verdict(request: Request, dag_id: DagId, shard: ShardNumber) -> Response:
    """The gate's verdict on the committed rows; else on the staged ones, else on those held in quarantine."""
    return _record(request, dag_id, shard, what="verdict")


def _records(seen: Seen, planned: Shard, entry: ShardEntry | None, held: Held | None) -> Records:
    if seen.store is None or not (entry or held):
        return Records()
    if seen.problem:  # the bucket would be waited for in vain
        return Records(unread="The bucket cannot be read now, so what only it knows is not shown.")
    try:
        manifest = seen.store.manifest_of_any(planned.number) if entry else None
        record = read_record(seen.store, held.key) if held else None
    except PhrasemillError as error:
        return Records(unread=one_line(error))
    judged = manifest.verdict if manifest else record.verdict if record else None
    try:
        return Records(manifest, record, Verdict.model_validate(judged) if judged else None)
    except ValidationError:
        words = "The verdict is of another version of phrasemill; open it as JSON instead."
        return Records(manifest, record, unread=words)


def _record(request: Request, dag_id: str, number: int, *, what: str) -> Response:
    seen = look(dag_id)
    if seen.spec is None or seen.store is None:
        return note(request, seen.problem or "The bucket has not been read yet.", 503)
    try:
        planned = shard_of(seen.spec, number)
        content = (_manifest_json if what == "manifest" else _verdict_json)(seen.store, planned)
    except PlanError as error:
        return note(request, str(error), 404)
    except PhrasemillError as error:
        return note(request, f"The {what} cannot be read: {one_line(error)}", 503)
    if content is None:
        return note(request, f"{seen.spec.name} {planned.label} has no {what} yet.", 404)
    headers = HEADERS | {
        "ETag": etag_of(content),
        "Content-Disposition": f'inline; filename="{seen.spec.name}-{planned.label}-{what}.json"',
    }
    if unchanged(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _manifest_json(store: CorpusStore, planned: Shard) -> bytes | None:
    return store.bucket.get(store.keys.manifest(planned.number))


def _verdict_json(store: CorpusStore, planned: Shard) -> bytes | None:
    """Asked of the bucket and not of the last look: a task's link is followed the moment that the task is done."""
    if manifest := store.manifest_of_any(planned.number):
        whole = store.bucket.get(manifest.verdict_key) if manifest.verdict_key else None
        return whole or json.dumps(manifest.verdict, indent=1, ensure_ascii=False).encode()
    if staged := store.bucket.get(store.keys.verdict(planned)):
        return staged
    held = [item.verdict for item in quarantined(store, planned) if item.verdict]
    return json.dumps(held[-1], indent=1, ensure_ascii=False).encode() if held else None
