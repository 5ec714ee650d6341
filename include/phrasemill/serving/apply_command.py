"""`phrasemill engines --apply`: the slots of pool `engines`, from the number of engines that a connection names."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field

from phrasemill.airflow_api import AirflowApi
from phrasemill.corpus_file import corpus_files, load_corpus
from phrasemill.engines.finding import LookUp, find_engines, look_up, read_urls
from phrasemill.errors import SpecError
from phrasemill.serving.connection import CONN_TYPE, ConnectionUnfit
from phrasemill.serving.distant_engines import look_at_all
from phrasemill.serving.engine_state import Phase
from phrasemill.serving.errors import ServingError
from phrasemill.sharing import POOL_DESCRIPTION, slots_for, smallest_shard
from phrasemill.spec import ENGINES_POOL, Engines
from phrasemill.terminal import out

WRITES = 5
"""Machines that write their URLs in the same moment each set the pool, and look again whether it is right still."""


class EnginesUncounted(ServingError):
    """It cannot be told how many engines the connection names."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a connection names, and what has been made of it. `slots_before` is None where there was no pool."""

    connection: str
    model: str | None
    engines: int
    urls: list[str]
    """Of these engines; empty when only their number was told."""
    slots_before: int | None
    slots: int


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """A corpus's shards, and the smallest that fill the engines."""

    corpus: str
    shard_phrases: int
    smallest: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the engines said: how many are healthy, how many prompts they hold, and why others are silent."""

    healthy: int
    prompts: int
    silent: list[str] = field(default_factory=list)


def apply_sharing(
    api: AirflowApi, conn_id: str, *, count: int | None = None, lower: bool = True, look_up: LookUp = look_up
) -> Applied:
    """Set the slots of pool `engines` for the engines that a connection names; makes the pool if there is none.

    Args:
        api: Airflow.
        conn_id: the connection.
        count: the number of engines, where their names cannot be looked up.
        lower: whether a pool that has more slots loses them: it may be there for a second connection's engines too.
        look_up: finds the addresses of names.

    Raises:
        ConnectionUnfit: there is no such connection, it has another type, or it names no engine.
        EngineUrlWrong: it names something that is no URL of an engine.
        EnginesUncounted: a name in it cannot be looked up here.
        AirflowRefused: Airflow does not answer, or refuses.
    """
    before = api.pool_slots(ENGINES_POOL)
    for _ in range(WRITES):
        text, model = _named(api, conn_id)
        urls = [] if count else _found(text, conn_id, look_up)
        slots = slots_for(count or len(urls))
        now = api.pool_slots(ENGINES_POOL)
        if not lower and now is not None and (now > slots or now < 0):  # -1: no limit
            slots = now
        if now != slots:
            api.set_pool(ENGINES_POOL, slots, POOL_DESCRIPTION)
        if _named(api, conn_id)[0] == text:
            break
    return Applied(conn_id, model, count or len(urls), urls, before, slots)


def apply_and_tell(
    api: AirflowApi, conn_id: str, *, count: int | None, api_key: str | None = None, as_json: bool = False
) -> None:
    """Set the pool, ask the engines, and print what came of it, in lines or as JSON.

    Raises:
        PhrasemillError: as `apply_sharing` does.
    """
    applied = apply_sharing(api, conn_id, count=count)
    seen = _ask(applied.urls, api_key) if applied.urls else None
    usual = smallest_shard(applied.engines, in_flight=Engines().in_flight)
    sizes = corpus_sizes(applied)
    if as_json:
        told = asdict(applied) | {"seen": seen and asdict(seen), "smallest_shard": usual}
        sys.stdout.write(json.dumps(told | {"corpora": [asdict(size) for size in sizes]}, indent=2) + "\n")
        return
    for line in (*_lines(applied, seen), *(_size_line(size) for size in sizes)):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not sizes:
        line = f"shards fill them from {usual:,} phrases on, at {Engines().in_flight:,} prompts in flight an engine"
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def corpus_sizes(applied: Applied) -> list[CorpusSize]:
    """The corpora known here that are written by these engines. One whose file is wrong is left out."""
    sizes = []
    for path in corpus_files():
        try:
            spec = load_corpus(path)
        except SpecError:
            continue
        if spec.engines.connection == applied.connection and applied.model in {None, spec.model.name}:
            in_flight = spec.engines.in_flight * spec.sampling.phrases_per_prompt
            smallest = smallest_shard(applied.engines, in_flight=in_flight)
            sizes.append(CorpusSize(spec.name, spec.shard_phrases, smallest))
    return sizes


def _named(api: AirflowApi, conn_id: str) -> tuple[str, str | None]:
    """The connection's URLs, as they are written there, and its model."""
    fields = api.connection(conn_id)
    where = f"connection {conn_id!r} at {api.url}"
    if fields is None:
        raise ConnectionUnfit(f"there is no {where}; make it, or name another with --connection")
    if fields["conn_type"] != CONN_TYPE:
        raise ConnectionUnfit(f"{where} is of type {fields['conn_type']!r}, not {CONN_TYPE!r}; name another one")
    return str(fields["extra"].get("urls") or ""), fields["extra"].get("model") or None


def _found(text: str, conn_id: str, look_up: LookUp) -> list[str]:
    urls = read_urls(text, where=f"connection {conn_id!r}")
    if not urls:
        raise ConnectionUnfit(f"connection {conn_id!r} names no engine; fill in its field 'Engine URLs'")
    found = asyncio.run(find_engines(urls, look_up=look_up))
    if found.lost:
        raise EnginesUncounted(
            f"{'; '.join(found.lost.values())}; run this where it can, or tell the number of engines with --count"
        )
    return found.urls


def _ask(urls: list[str], api_key: str | None) -> Seen:
    states, faults = asyncio.run(look_at_all(urls, api_key=api_key))
    healthy = sum(state.phase is Phase.HEALTHY for state in states)
    return Seen(healthy, sum((state.running or 0) + (state.waiting or 0) for state in states), faults)


def _lines(applied: Applied, seen: Seen | None) -> list[str]:
    health = f", {seen.healthy} healthy, holding {seen.prompts:,} prompts" if seen else ""
    engines = "1 engine" if applied.engines == 1 else f"{applied.engines} engines"
    if applied.slots_before == applied.slots:
        before = "as before"
    else:
        before = "made" if applied.slots_before is None else f"{applied.slots_before} before"
    return [
        f"connection {applied.connection}: {engines}{health}",
        *(f"  {why}" for why in (seen.silent if seen else ())),
        f"pool {ENGINES_POOL}: {applied.slots} slots ({before})",
    ]


def _size_line(size: CorpusSize) -> str:
    if size.shard_phrases >= size.smallest:
        return f"{size.corpus}: shards of {size.shard_phrases:,} phrases fill them ({size.smallest:,} would do)"
    return (
        f"{size.corpus}: shards of {size.shard_phrases:,} phrases are small for them; from {size.smallest:,} on "
        "they are full most of the time (shard_phrases, to be changed before the first shard is written)"
    )
