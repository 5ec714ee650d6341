"""One night of the demo: triggered through Airflow's API, followed to its end, its outcome told."""

import time

from rich.console import Console

from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.corpus_choice import Choice, chosen_corpus
from phrasemill.demo.errors import NightFailed
from phrasemill.demo.furnish import await_dag, furnish
from phrasemill.demo.keys import ADMIN, load_keys
from phrasemill.demo.layout import Layout
from phrasemill.demo.outcome import print_outcome
from phrasemill.demo.progress_line import ProgressLine, Screen, Sight, engine_answers
from phrasemill.demo.release import Runs, follow_release
from phrasemill.demo.run import ENDED, LOOK_EVERY_S, Run, what_failed
from phrasemill.demo.storage import accepted_phrases, demo_store, make_bucket, s3_client
from phrasemill.planning import format_shards
from phrasemill.spec import CORPUS_DAG, RELEASE_DAG
from phrasemill.store.corpus_store import CorpusStore


def grind_night(layout: Layout, choice: Choice, console: Console) -> None:
    """Grind the whole corpus in one run, wait for the release that follows, and print what came of both.

    Raises:
        DemoOptionError: the choice makes no sense.
        AirflowRefused, DemoError: Airflow cannot run the corpus's Dag.
        NightFailed: a run ended red.
    """
    spec, file = chosen_corpus(layout, choice)
    keys = load_keys(layout)
    client = s3_client(layout, keys)
    make_bucket(client, spec.storage.bucket)
    store = demo_store(client, spec)
    api = DemoAirflow(layout.url("airflow"), keys.airflow_password)
    try:
        furnish(api, layout, keys, spec)
        releases = Runs(api, await_dag(api, f"{RELEASE_DAG}{spec.name}"))
        nights = Runs(api, await_dag(api, f"{CORPUS_DAG}{spec.name}"))
        shards = format_shards(list(range(spec.shard_count)))
        console.print(f"{spec.title}: {layout.shown(file)}, shards {shards}", highlight=False, soft_wrap=True)
        run = night = nights.trigger({"shards": shards})
        while True:
            if follow(night, store, engine_url=layout.url("engine"), console=console) != "success":
                raise NightFailed(what_failed(night))
            if not follow_release(releases, console):
                break
            console.print("the release is short of unique phrases, so Airflow has more shards written", highlight=False)
            night = nights.await_next()
    finally:
        api.close()
    print_outcome(layout, store, console)
    console.print(f"  Airflow    {run.page}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"  login      {ADMIN} / {keys.airflow_password}", highlight=False, markup=False)


def follow(run: Run, store: CorpusStore, *, engine_url: str, console: Console) -> str:
    """Show the live line until the run has ended; returns its state."""
    line = ProgressLine(store.spec.target_phrases)
    before = engine_answers(engine_url)
    with Screen(console) as show:
        while True:
            state = run.state()
            now = engine_answers(engine_url)
            written = None if now is None or before is None else now - before
            sight = Sight(run.instances(), accepted_phrases(store), written)
            text = line.line(sight, time.monotonic())
            if state in ENDED:
                break
            show(text)
            time.sleep(LOOK_EVERY_S)
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    return state
