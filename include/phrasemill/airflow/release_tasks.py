"""The bodies of a release Dag's tasks: short calls into `phrasemill.release`.

What a body needs is imported in it, so that a Dag file is parsed without PyArrow, DuckDB and boto3.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from phrasemill.airflow import release_labels as labels

if TYPE_CHECKING:
    from phrasemill.release.place import ReleasePlace
    from phrasemill.release.short import Short
    from phrasemill.store.corpus_store import CorpusStore

log = logging.getLogger(__name__)

RELEASE, TOP_UP, TOLD = "release", "top_up", "told"
"""XCom keys: what plan has decided, what resolve wants written, and why a run has done nothing."""
FILES, DEAL = "files", "deal"
BY_ASSET = "asset_triggered"
MOST_MAPPED = 1024
"""Airflow's max_map_length. Of more pieces a mapped task does every 1024th, from its own number on."""


def plan(corpus: str) -> list[int]:
    """Pin the plan of this run's version; returns the runs of shards to sketch.

    A run that the corpus's update has started is skipped where there is nothing to release; one by hand fails then.
    """
    context = get_current_context()
    params = context["params"]
    with _clear_errors():
        from phrasemill.release.planning import next_version, plan_release  # noqa: PLC0415

        store = _store(corpus)
        _skip_if_published_by_this_run(store)
        if str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type)) == BY_ASSET:
            _skip_in_vain(store)
        elif not params["version"] and not params["partial"]:
            _refuse_full(store)
        pinned = plan_release(
            store,
            params["version"] or next_version(store, partial=params["partial"]),
            partial=params["partial"],
            memory=int(params["memory_gb"] * 2**30),
        )
    cuts, shuffled = pinned.cuts, pinned.settings.order == "shuffled"
    pieces = {
        "spans": len(cuts.spans),
        "exact_parts": cuts.exact_parts,
        "near_pieces": len(cuts.near_groups) * cuts.near_parts,
        "link_ranges": cuts.link_ranges,
    }
    log.info("release %s: %d shards, %d phrases: %s", pinned.version, len(pinned.shards), pinned.phrases, pieces)
    planned = {"version": pinned.version, "shuffled": shuffled, "pieces": pieces}
    context["ti"].xcom_push(key=RELEASE, value=planned)
    return _numbers(pieces["spans"])


def pieces(of: str) -> list[int]:
    """The pieces that a step is cut into, by the plan."""
    return _numbers(_planned()["pieces"][of])


def sketch(corpus: str, span: int) -> dict[str, Any]:
    """Sketch the phrases of a run of shards."""
    from phrasemill.release import steps  # noqa: PLC0415

    return _each(corpus, span, of="spans", step=steps.sketch, label=labels.shards)


def exact(corpus: str, part: int) -> dict[str, Any]:
    """Find exact repeats in a part of all text hashes."""
    from phrasemill.release import steps  # noqa: PLC0415

    return _each(corpus, part, of="exact_parts", step=steps.exact, label=labels.part)


def near(corpus: str, piece: int) -> dict[str, Any]:
    """Find what may be near-duplicates, by some bands and in a part of their keys."""
    from phrasemill.release import steps  # noqa: PLC0415

    def step(place: "ReleasePlace", number: int) -> dict[str, Any]:
        return steps.near(place, *divmod(number, place.plan.cuts.near_parts))

    return _each(corpus, piece, of="near_pieces", step=step, label=labels.bands)


def gather(corpus: str, span: int) -> dict[str, Any]:
    """Gather the words of what may be near-duplicates, from a run of shards."""
    from phrasemill.release import steps  # noqa: PLC0415

    return _each(corpus, span, of="spans", step=steps.gather, label=labels.shards)


def resolve(corpus: str) -> list[str]:
    """Decide what is dropped; returns which tasks go on: those that pack, or the one that tops up."""
    from phrasemill.release import steps  # noqa: PLC0415
    from phrasemill.release.errors import ReleaseShort, WorkMissing  # noqa: PLC0415
    from phrasemill.release.keys import ReleaseKeys  # noqa: PLC0415
    from phrasemill.release.short import read_short  # noqa: PLC0415

    context, planned = get_current_context(), _planned()
    with _clear_errors():
        store = _store(corpus)
        keys = ReleaseKeys.of(store.keys.root, planned["version"])
        _skip_if_published(store, planned["version"])
        try:
            found = steps.resolve(steps.open_release(store, planned["version"]))
        except (ReleaseShort, WorkMissing) as error:
            # A short release has no plan any more: this may be a try after the one that found out.
            short = read_short(store, keys.short)
            if short is None:
                raise
            if not context["params"]["top_up"]:
                raise short.error(corpus) from error
            return _ask_for(store, short)
    log.info("release %s: %s", planned["version"], found)
    return [FILES, DEAL] if planned["shuffled"] else [FILES]


def deal(corpus: str, span: int) -> dict[str, Any]:
    """Deal the kept phrases of a run of shards to the files of a shuffled release."""
    from phrasemill.release.deal import deal as deal_span  # noqa: PLC0415

    return _each(corpus, span, of="spans", step=deal_span, label=labels.shards)


def files(corpus: str) -> list[int]:
    """The files that the kept phrases are packed into."""
    from phrasemill.release.pack import files_of  # noqa: PLC0415

    with _clear_errors():
        numbers = list(files_of(_place(corpus)))
    get_current_context()["ti"].xcom_push(key="files", value=len(numbers))
    return _numbers(len(numbers))


def pack(corpus: str, file: int) -> dict[str, Any]:
    """Pack a file of phrases."""
    from phrasemill.release.pack import pack as pack_file  # noqa: PLC0415

    of = get_current_context()["ti"].xcom_pull(task_ids=FILES, key="files")
    return _each(corpus, file, of=int(of), step=pack_file, label=lambda _, number: f"file {number}")


def ring(corpus: str, lexicon: str) -> dict[str, Any]:
    """Link the phrases that share a lexeme of a lexicon."""
    from phrasemill.release.link_steps import ring as ring_of  # noqa: PLC0415

    get_current_context()["label"] = lexicon  # type: ignore[typeddict-unknown-key]
    with _clear_errors():
        return ring_of(_place(corpus), lexicon)


def link_file(corpus: str, number: int) -> dict[str, Any]:
    """Write the links of a range of phrases."""
    from phrasemill.release.link_steps import link_file as write_links  # noqa: PLC0415

    return _each(corpus, number, of="link_ranges", step=write_links, label=labels.ids)


def index(corpus: str) -> dict[str, Any]:
    """Write the indexes of lexemes and words."""
    from phrasemill.release.link_steps import index as write_index  # noqa: PLC0415

    with _clear_errors():
        return write_index(_place(corpus))


def judge(corpus: str) -> dict[str, Any]:
    """Pass the release through the corpus gate; one that fails is quarantined, and nothing is published."""
    from phrasemill.release.judge import judge as judge_release  # noqa: PLC0415

    with _clear_errors():
        return judge_release(_place(corpus))


def publish(corpus: str) -> dict[str, Any]:
    """Put data card and checksums, and last the manifest."""
    from phrasemill.release.publish import publish as publish_release  # noqa: PLC0415
    from phrasemill.release.steps import open_release  # noqa: PLC0415

    with _clear_errors():
        # A try that was killed right after the manifest is finished here, so this task is never skipped.
        manifest = publish_release(open_release(_store(corpus), _planned()["version"]))
    return {"version": manifest.version, "phrases": manifest.phrases, "files": len(manifest.files)}


def _each(
    corpus: str,
    first: int,
    *,
    of: str | int,
    step: "Callable[[ReleasePlace, int], dict[str, Any]]",
    label: "Callable[[ReleasePlace, int], str]",
) -> dict[str, Any]:
    """Do a step for a mapped task's pieces; `of` is their number, or its name in the plan."""
    count = of if isinstance(of, int) else _planned()["pieces"][of]
    mine = range(first, count, MOST_MAPPED)
    with _clear_errors():
        place = _place(corpus)
        more = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
        get_current_context()["label"] = label(place, first) + more  # type: ignore[typeddict-unknown-key]
        done = [step(place, number) for number in mine]
    return done[0] if len(done) == 1 else {"pieces": done}


def _numbers(count: int) -> list[int]:
    return list(range(min(count, MOST_MAPPED)))


def _ask_for(store: "CorpusStore", short: "Short") -> list[str]:
    """Tell the next task which shards to have written."""
    from phrasemill.planning import format_shards  # noqa: PLC0415
    from phrasemill.release.top_up import ask  # noqa: PLC0415

    numbers = ask(store, short)
    told = f"release {short.version} is short by {short.short_by:,} of {short.target:,} phrases"
    if not numbers:
        _tell(f"{told}; shards {short.shards} were committed meanwhile, and the corpus's update begins it anew")
        return []
    shards = format_shards(numbers)
    _tell(f"{told}; shards {shards} are written now, and once they are committed it begins anew")
    get_current_context()["ti"].xcom_push(key=TOP_UP, value={"version": short.version, "shards": shards})
    return [TOP_UP]


def _skip_if_published_by_this_run(store: "CorpusStore") -> None:
    """A whole run that is cleared makes nothing anew: without this, a partial one would make the next version."""
    done = get_current_context()["ti"].xcom_pull(task_ids="publish")
    if done:
        _skip_if_published(store, done["version"])


def _skip_if_published(store: "CorpusStore", version: str) -> None:
    """Steps done anew by another version of phrasemill, or with other words in the corpus file, change the bytes."""
    from phrasemill.release.keys import ReleaseKeys  # noqa: PLC0415

    if store.bucket.entry(ReleaseKeys.of(store.keys.root, version).manifest) is not None:
        why = f"release {version} is published, and is not made anew"
        _tell(why)
        raise AirflowSkipException(why)


def _skip_in_vain(store: "CorpusStore") -> None:
    from phrasemill.release.waiting import why_wait  # noqa: PLC0415

    if why := why_wait(store):
        _tell(why)
        raise AirflowSkipException(why)


def _refuse_full(store: "CorpusStore") -> None:
    """Refuse another release of what is released; one with a version of its own is made all the same."""
    from phrasemill.release.errors import ReleaseExists  # noqa: PLC0415
    from phrasemill.release.waiting import full_release  # noqa: PLC0415

    if version := full_release(store):
        raise ReleaseExists(
            f"release {version} of {store.spec.name} holds the whole target already; to make another, with other "
            "settings, give it a version"
        )


def _tell(words: str) -> None:
    log.info("%s", words)
    get_current_context()["ti"].xcom_push(key=TOLD, value=words)


def _planned() -> dict[str, Any]:
    """What plan has decided for this run."""
    planned: dict[str, Any] = get_current_context()["ti"].xcom_pull(task_ids="plan", key=RELEASE)
    return planned


def _place(corpus: str) -> "ReleasePlace":
    """The release of this run; the task is skipped where that is published, since it is never written to again."""
    from phrasemill.release.steps import open_release  # noqa: PLC0415

    store, version = _store(corpus), _planned()["version"]
    _skip_if_published(store, version)
    return open_release(store, version)


def _store(corpus: str) -> "CorpusStore":
    from phrasemill.airflow.workplace import corpus_store  # noqa: PLC0415
    from phrasemill.corpus_file import find_corpus, load_corpus  # noqa: PLC0415

    return corpus_store(load_corpus(find_corpus(corpus)))


def _clear_errors() -> Any:  # noqa: ANN401 - the context manager of a module that is imported late
    from phrasemill.airflow.workplace import clear_errors  # noqa: PLC0415

    return clear_errors()
