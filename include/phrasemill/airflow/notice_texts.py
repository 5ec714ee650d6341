"""What notices say. Values in, words out; generated text and error messages are made harmless here."""

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass

from phrasemill.visible import visible

REASON_CHARS = 900
"""The longest of our own reasons, that of a quarantined release, has about 700."""
RUN_CHARS = 250  # Airflow's limit of a run id
FAILURES_NAMED = 6


@dataclass(frozen=True, slots=True)
class About:
    """The run that a notice is about: its corpus and that one's title, what the run is called, its page in Airflow."""

    corpus: str
    title: str
    called: str
    page: str

    @property
    def run(self) -> str:
        """What the run is called, on one line: run ids are people's own, and stand in the subjects of mails."""
        return one_line(self.called, most=RUN_CHARS)

    @property
    def whose(self) -> str:
        """The corpus, as notices begin."""
        return f"Corpus {visible(self.title)} ({self.corpus})"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed task: its name, with its shard if it has one, and why it failed in one line, if it could say."""

    task: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A subject, lines of plain text, and the address of a page to open."""

    subject: str
    lines: tuple[str, ...]
    page: str

    def plain(self) -> str:
        """For logs."""
        return "\n".join((self.subject, "", *self.lines, "", self.page))

    def as_html(self) -> str:
        """For mail: every line escaped."""
        lines = "".join(f"<p>{html.escape(line)}</p>\n" for line in self.lines)
        page = html.escape(self.page)
        return f'<p><b>{html.escape(self.subject)}</b></p>\n{lines}<p><a href="{page}">{page}</a></p>\n'

    def for_slack(self) -> str:
        """For Slack: with the three characters escaped that make its links and mentions."""
        return html.escape("\n".join((f"*{self.subject}*", *self.lines, self.page)), quote=False)


def red_night(about: About, *, failures: Sequence[Failure] | None, missing: str | None) -> Notice:
    """A night's run failed.

    Args:
        about: the run.
        failures: its failed tasks, the first one first; None if Airflow did not tell.
        missing: what close_night says of the shards that have no manifest.
    """
    return Notice(
        f"phrasemill: {about.corpus} is red, {about.run}",
        (
            f"{about.whose}: {about.run} has failed.",
            *_failures(failures),
            *([f"What is missing: {one_line(missing)}"] if missing else []),
            "What to do: mend what the first failed task says, then Clear Run, Only failed tasks. What is committed is "
            "safe and is not written again. docs/operations.md goes through every red square.",
        ),
        about.page,
    )


def failed_release(about: About, *, version: str | None, failures: Sequence[Failure] | None) -> Notice:
    """A release failed, or its gate has put it into quarantine; `failures` as for a red night."""
    named = f"release {visible(version)}" if version else "a release"
    return Notice(
        f"phrasemill: {named} of {about.corpus} has failed",
        (
            f"{about.whose}: {named} is not published ({about.run}).",
            *_failures(failures),
            "What to do: open the run; 'The release' in docs/operations.md has what to do for each reason. Clearing "
            "the run is safe: it goes on where it was.",
        ),
        about.page,
    )


def overrun(about: About, *, hours: float, queued: dt.datetime, begun: dt.datetime | None) -> Notice:
    """A night has not ended by its deadline. It goes on."""
    waits = "It has not begun yet: is the Dag paused, or does another of its runs go on?"
    return Notice(
        f"phrasemill: {about.corpus} overruns its deadline of {hours:g} h, {about.run}",
        (
            f"{about.whose}: {about.run} was queued at {_time(queued)} and has not ended within {hours:g} hours.",
            f"It began at {_time(begun)} and goes on; nothing was stopped." if begun else waits,
            f"What to do: `phrasemill status {about.corpus}`, or the tab Corpus of its Dag, says how far it is and "
            "until when it will take. `phrasemill engines` on the GPU machines says whether all engines work.",
        ),
        about.page,
    )


def target_reached(about: About, *, shards: int) -> Notice:
    """All shards of a corpus are committed."""
    return Notice(
        f"phrasemill: {about.corpus} is written, all {shards:,} shards",
        (
            f"{about.whose}: {about.run} has committed the last of {shards:,} shards.",
            "Its release begins by itself, unless its Dag is paused; a notice follows when it is published.",
        ),
        about.page,
    )


def published(about: About, *, version: str, phrases: int, files: int) -> Notice:
    """A version of the data set can be fetched."""
    version = visible(version)
    return Notice(
        f"phrasemill: release {version} of {about.corpus} is published",
        (
            f"{about.whose}: release {version} has {phrases:,} phrases in {files:,} files.",
            f"Fetch it: `phrasemill get {about.corpus} {version} DIR`",
        ),
        about.page,
    )


def trial(*, targets: Sequence[object], page: str) -> Notice:
    """What the Dag `notices` sends."""
    return Notice(
        "phrasemill: notices arrive here",
        ("Somebody has tried notices out. They go to " + ", ".join(map(str, targets)) + ".",),
        page,
    )


def _failures(failures: Sequence[Failure] | None) -> list[str]:
    if failures is None:
        return ["Airflow did not tell which tasks failed: its API server may be away. The page of the run shows them."]
    if not failures:
        return ["No task has failed: the scheduler's log says why it gave the run up."]
    names = ", ".join(one_line(failure.task) for failure in failures[:FAILURES_NAMED])
    more = f" and {len(failures) - FAILURES_NAMED} more" if len(failures) > FAILURES_NAMED else ""
    first = failures[0]
    why = one_line(first.reason) if first.reason else "it could not say why; its log or the scheduler's does."
    return [f"Failed: {names}{more}.", f"The first of them, {one_line(first.task)}: {why}"]


def one_line(text: str, *, most: int = REASON_CHARS) -> str:
    """Text of others, such as an error, on one line, cut, and with what does not print spelled out."""
    return visible(" ".join(text.split()), most=most)


def _time(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
