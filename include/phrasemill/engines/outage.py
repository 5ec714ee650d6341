"""Outages: how long to wait while no engine can be asked, and when to give up."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from phrasemill.engines.engine import Engine
from phrasemill.errors import EnginesDown, QuotaSpent
from phrasemill.range_words import time_in_words
from phrasemill.ranges import Range

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the client waits for what, in seconds."""

    list_s: float = 300
    """The deadline of one request list."""
    outage_s: float = 300
    """How long all engines may be away before the shard is given up for now."""
    silence_s: float = 60
    """How long an engine with work in flight may bring forth no token before it counts as hung."""
    watch_s: float = 5
    """Between two looks at /metrics."""
    names_s: float = 30
    """Between two look-ups of engines that are given by name; Kubernetes lets others keep an answer for 5 to 30 s."""


@dataclass(slots=True)
class Outage:
    """The time in which no engine can be asked, if it is such a time now; `patience` says how long it may last."""

    patience: Patience
    _since: float | None = None
    _said_so: bool = False

    def over(self) -> None:
        """Note that an engine has answered."""
        self._since, self._said_so = None, False

    def wait_s(self, engines: Sequence[Engine], asked_for: str) -> float:
        """Seconds to wait for a change at most; `asked_for` names the engines in an error.

        The budget runs while no engine can be asked, and only an answer ends it, so an engine that is healthy but
        answers nothing does not hold a shard for ever.

        Raises:
            EnginesDown: the outage budget is spent.
            QuotaSpent: all engines ask to be left alone for longer than that budget.
        """
        engines = [engine for engine in engines if not engine.leaving]
        pauses = [pause for engine in engines if (pause := engine.pause_left_s)]
        if engines and len(pauses) == len(engines) and min(pauses) > self.patience.outage_s:
            raise QuotaSpent(
                f"the engines ask to be left alone for {time_in_words(Range.exactly(min(pauses)))} or longer "
                f"({asked_for}); let a later night go on, or clear the failed tasks then: what is staged is kept"
            )
        if any(engine.healthy and not engine.pause_left_s for engine in engines):
            return min([*pauses, self.patience.watch_s])
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if not self._said_so and not any(engine.healthy for engine in engines):
            self._said_so = True
            log.warning("no engine answers; waiting up to %.0f s for one to come back", self.patience.outage_s)
        left = self._since + self.patience.outage_s - now
        if left <= 0:
            raise EnginesDown(
                f"no engine has answered for {self.patience.outage_s:g} s ({asked_for}); start them again and retry: "
                "what is staged is kept"
            )
        return min([*pauses, left])
