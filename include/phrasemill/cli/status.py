"""What `phrasemill status` shows: the state of a corpus as a table or as JSON, once or again and again."""

import datetime as dt
import sys
import time
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from phrasemill.corpus_state import CorpusState, corpus_state
from phrasemill.errors import StoreUnavailable
from phrasemill.night_lines import NightLine, counted
from phrasemill.planning import format_shards
from phrasemill.range_words import range_in_words, time_in_words
from phrasemill.snapshot import Snapshot, take_snapshot
from phrasemill.spec import CorpusSpec
from phrasemill.state_words import moment_in_words
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.terminal import complain
from phrasemill.visible import visible

RUNNING_SHOWN = 8


def show(store: CorpusStore, *, console: Console, as_json: bool) -> None:
    """Show the state once; JSON goes to stdout.

    Raises:
        FingerprintMismatch, RecordUnreadable, StoreError: see `take_snapshot`.
    """
    state = _state(store.spec, take_snapshot(store))
    if as_json:
        sys.stdout.write(state.model_dump_json(indent=1) + "\n")
    else:
        console.print(status_table(store.spec, state))


def watch(store: CorpusStore, *, console: Console, as_json: bool, every_s: float) -> None:
    """Show the state again and again, until the corpus is complete or somebody presses Ctrl-C.

    A terminal that can be drawn anew is; elsewhere, and as JSON, one follows the other: JSON an object a line. A bucket
    that stops answering is waited for, and the last state stays; one that never answered is an error.

    Raises:
        FingerprintMismatch, RecordUnreadable, StoreError: see `take_snapshot`.
    """
    snapshot = take_snapshot(store)
    down: dt.datetime | None = None
    redrawn = console.is_terminal and not console.is_dumb_terminal and not as_json
    try:
        with Live(console=console, auto_refresh=False) if redrawn else nullcontext() as live:
            while True:
                state = _state(store.spec, snapshot)
                if as_json and not down:
                    sys.stdout.write(state.model_dump_json() + "\n")
                    sys.stdout.flush()
                elif live:
                    live.update(status_table(store.spec, state, down=down), refresh=True)
                elif not as_json:
                    console.print(status_table(store.spec, state, down=down))
                if not state.missing:
                    return
                time.sleep(every_s)
                try:
                    snapshot, down = take_snapshot(store, earlier=snapshot), None
                except StoreUnavailable as error:
                    if down is None and not live:
                        complain(f"{error}; looking again every {every_s:g} s")
                    down = down or dt.datetime.now(dt.UTC)
    except KeyboardInterrupt:
        return  # nothing is cut short by it


def status_table(spec: CorpusSpec, state: CorpusState, *, down: dt.datetime | None = None) -> Table:
    """The state for people; `down` says since when the bucket has not answered."""
    title = f"{state.corpus}: {state.target_share:.1%} of {state.target_phrases:,} phrases"
    table = Table(title=title, caption=f"times: {spec.schedule.timezone}", show_header=False)
    if down:
        what = f"has not answered since {moment_in_words(spec, down)}; this is what it held at "
        table.add_row("bucket", Text(f"{what}{moment_in_words(spec, state.at)}", style="red"))
    table.add_row("state", Text(state.state))
    table.add_row("committed", _committed_in_words(state))
    table.add_row("size", f"{state.chars:,} characters, {state.text_bytes:,} bytes of text")
    table.add_row("left", f"{state.left_phrases:,} phrases")
    table.add_row("rate now", range_in_words(state.rate_now, unit="phrases/s") if state.rate_now else "none")
    table.add_row("ETA", _eta_in_words(spec, state))
    table.add_row("last night", _night_in_words(state.last_night) if state.last_night else "none")
    table.add_row("next night", moment_in_words(spec, state.next_night) if state.next_night else "none")
    for item in state.running[:RUNNING_SHOWN]:
        table.add_row("running", f"shard {item.shard}: {item.phrases:,} of {item.rows:,} phrases saved")
    if len(state.running) > RUNNING_SHOWN:
        table.add_row("running", f"and {len(state.running) - RUNNING_SHOWN} more shards")
    table.add_row("missing", format_shards(state.missing) or "none")
    for held in state.quarantined:
        table.add_row("quarantined", Text(f"shard {held.shard} at {visible(held.at)}: {visible(held.reason)}"))
    return table


def _state(spec: CorpusSpec, snapshot: Snapshot) -> CorpusState:
    return corpus_state(spec, snapshot, now=snapshot.at)


def _committed_in_words(state: CorpusState) -> str:
    words = f"{state.committed_shards:,} of {state.shards:,} shards, {state.phrases:,} phrases"
    if not state.top_ups.shards:
        return words
    top_ups = state.top_ups
    named = f"{counted(len(top_ups.shards), 'top-up shard')}: {format_shards(top_ups.shards)}"
    return f"{words}, {top_ups.phrases:,} of them in {named}"


def _eta_in_words(spec: CorpusSpec, state: CorpusState) -> str:
    eta = state.eta
    if eta is None:
        return "done" if not state.missing else "unknown" if state.left_phrases else "all is written, not yet committed"
    earliest, likely, latest = (moment_in_words(spec, at) for at in (eta.at.earliest, eta.at.likely, eta.at.latest))
    return f"{likely} ({earliest} to {latest}), in {time_in_words(eta.seconds)}: {eta.words}"


def _night_in_words(night: NightLine) -> str:
    rate = f", {night.phrases_per_second:.1f} phrases/s" if night.phrases_per_second else ""
    return f"{night.label}, shards {night.shards[0]}-{night.shards[1]}: {night.state}, {night.phrases:,} phrases{rate}"
