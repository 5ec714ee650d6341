"""Whom to tell: what the environment variable PHRASEMILL_NOTICES asks for, and what is wrong with it."""

import contextlib
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from phrasemill.errors import PhrasemillError

NOTICES = "PHRASEMILL_NOTICES"
"""Environment variable: targets separated by commas, such as `smtp:ops@example.org, slack+team:#corpora`."""
ENTRY = re.compile(r"(?P<kind>[a-z][a-z-]*)(\+(?P<connection>[A-Za-z0-9_.-]+))?(:(?P<to>.*))?")


class NoticesMistake(PhrasemillError):
    """PHRASEMILL_NOTICES is wrong, or asks for a package that is not there; the message has a line for each mistake."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to tell somebody: the package that brings its notifier, and what may stand behind the colon."""

    package: str
    module: str
    to: re.Pattern[str]
    fix: str


KINDS = {
    "smtp": Kind(
        package="apache-airflow-providers-smtp",
        module="airflow.providers.smtp",
        to=re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+"),
        fix="write an address behind it, such as smtp:ops@example.org",
    ),
    "slack": Kind(
        package="apache-airflow-providers-slack",
        module="airflow.providers.slack",
        to=re.compile(r"[#@]?[^\s#@:/<>]+"),
        fix="write a channel behind it, such as slack:#corpora",
    ),
    "slack-webhook": Kind(
        package="apache-airflow-providers-slack",
        module="airflow.providers.slack",
        to=re.compile(r""),
        fix="write nothing behind it: its connection has the webhook's address, and that says the channel",
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to tell: `to` is an address or a channel, `connection` Airflow's; None is the notifier's own default."""

    kind: str
    to: str
    connection: str | None = None

    @classmethod
    def read(cls, entry: str) -> Self:
        """The target that one entry names.

        What is wrong is told without the entry itself: somebody may have written a secret into it.

        Raises:
            NoticesMistake: the entry is wrong.
        """
        parts = ENTRY.fullmatch(entry)
        if parts is None or parts["kind"] not in KINDS:
            raise NoticesMistake(f"is none of {', '.join(KINDS)}; write one such as smtp:ops@example.org")
        kind = KINDS[parts["kind"]]
        if not kind.to.fullmatch(parts["to"] or ""):
            raise NoticesMistake(f"{parts['kind']}: {kind.fix}")
        if not _installed(kind.module):
            raise NoticesMistake(
                f"{parts['kind']}: needs the package {kind.package}; install it where Airflow's Dag processor and "
                "triggerer run"
            )
        return cls(parts["kind"], parts["to"] or "", parts["connection"])

    def __str__(self) -> str:
        connection = f"+{self.connection}" if self.connection else ""
        return f"{self.kind}{connection}" + (f":{self.to}" if self.to else "")


def read_targets(told: str) -> tuple[list[Target], list[str]]:
    """The targets that a value of PHRASEMILL_NOTICES names, and a line for every entry that is wrong.

    An entry that is wrong takes nothing from the others: whoever can be told is told.
    """
    targets: list[Target] = []
    mistakes: list[str] = []
    entries = [entry.strip() for entry in told.split(",")] if told.strip() else []
    for number, entry in enumerate(entries, 1):
        try:
            targets.append(Target.read(entry))
        except NoticesMistake as error:
            mistakes.append(f"{NOTICES}, entry {number} of {len(entries)}: {error}")
    return targets, mistakes


def targets_of(entries: Sequence[str]) -> list[Target]:
    """Targets from their own words, as `str` makes them, which Airflow keeps with a deadline."""
    return read_targets(",".join(entries))[0]


def _installed(module: str) -> bool:
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.util.find_spec(module) is not None
    return False
