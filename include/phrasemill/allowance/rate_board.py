"""RateBoard: who holds which share in which window, as objects of the bucket.

    <root>/rates/<window>/lane-03.json        put only if absent: the share is its writer's for this minute
    <root>/rates/<window>/task-<name>.json    a task wants shares of this minute; it holds the rates it keeps

A window is a minute, counted from the epoch. Claims stay when their task is done: a minute's shares are never dealt
twice.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from phrasemill.allowance.errors import refuse_unlike
from phrasemill.store.bucket import Bucket

KEY = re.compile(r"/rates/(\d+)/(?:lane-(\d+)|task-([^/]+)-([0-9a-f]{8}))\.json$")
JSON = "application/json"
SETTLE_S = 3.0
"""On a bucket without conditional puts: between a claim and the look whether another task has overwritten it."""
KEPT_WINDOWS = 3
LEFT_WINDOWS = 6
LEFT_AT_ONCE = 20
"""Objects of killed tasks that one task removes in a minute at most."""


@dataclass(slots=True)
class Seen:
    """What a listing of the board shows, by window."""

    lanes: dict[int, set[int]] = field(default_factory=dict)
    tasks: dict[int, dict[str, str]] = field(default_factory=dict)
    """Names of the tasks that want shares, and the keys of their wishes."""
    keys: dict[int, list[str]] = field(default_factory=dict)


class RateBoard:
    """One task's view of the board; every method asks the bucket, and raises what `Bucket` raises.

    Args:
        bucket: holds the board.
        root: prefix of the account's keys.
        task: this task's name; the older one's sorts first.
        rates: the limits that this task keeps.
    """

    def __init__(self, bucket: Bucket, *, root: str, task: str, rates: dict[str, object]) -> None:
        self.task = task
        self._bucket = bucket
        self._root = root
        self._rates = rates
        self._content = json.dumps({"task": task, "rates": rates}, sort_keys=True).encode()
        self._terms = hashlib.sha256(json.dumps(rates, sort_keys=True).encode()).hexdigest()[:8]
        self._ours: set[str] = set()

    def wish(self, window: int) -> None:
        """Say that this task wants shares of a window."""
        key = self._wish_key(window)
        self._ours.add(key)
        self._bucket.put(key, self._content, content_type=JSON)

    def look(self) -> Seen:
        """List the board.

        Raises:
            LimitsDiffer: a task that came before this one keeps other limits.
        """
        seen = Seen()
        unlike = ""
        for entry in self._bucket.entries(f"{self._root}/rates/"):
            if not (found := KEY.search(entry.key)):
                continue
            window, lane, task, terms = int(found[1]), found[2], found[3], found[4]
            seen.keys.setdefault(window, []).append(entry.key)
            if lane is not None:
                seen.lanes.setdefault(window, set()).add(int(lane))
                continue
            seen.tasks.setdefault(window, {})[task] = entry.key
            if terms != self._terms and task < self.task and self._wish_key(window) in self._ours:
                unlike = entry.key
        if unlike:
            self._refuse(unlike)
        return seen

    def take(self, window: int, lanes: Iterable[int], *, count: int) -> set[int]:
        """Claim up to `count` of the shares, tried in this order; returns those that are ours now."""
        taken: set[int] = set()
        for lane in lanes:
            if len(taken) == count:
                break
            key = self._lane_key(window, lane)
            self._ours.add(key)
            if self._bucket.put_if_absent(key, self._content, content_type=JSON):
                taken.add(lane)
            else:
                self._ours.discard(key)
        return taken

    def standing(self, window: int, lanes: Iterable[int]) -> set[int]:
        """Those of the claims that still read as ours: on a bucket without conditional puts another may have won."""
        return {lane for lane in lanes if self._bucket.get(self._lane_key(window, lane)) == self._content}

    def tidy(self, seen: Seen, *, window: int) -> None:
        """Remove what this task wrote for windows that are over, and some of what killed tasks have left."""
        over = [key for old, keys in seen.keys.items() if old < window - KEPT_WINDOWS for key in keys]
        left = [key for old, keys in sorted(seen.keys.items()) if old < window - LEFT_WINDOWS for key in keys]
        ours = [key for key in over if key in self._ours]
        self._bucket.delete([*ours, *[key for key in left if key not in self._ours][:LEFT_AT_ONCE]])
        self._ours.difference_update(ours)

    def leave(self, *, window: int) -> None:
        """Take back the wishes for this window and the next; claims stay."""
        wishes = [self._wish_key(window), self._wish_key(window + 1)]
        self._bucket.delete([key for key in wishes if key in self._ours])

    def _refuse(self, key: str) -> None:
        content = self._bucket.get(key)
        if content is None:
            return  # the other has just left
        refuse_unlike(
            self._rates,
            json.loads(content)["rates"],
            where=f"s3://{self._bucket.name}/{key}",
            hint="tasks that share a connection must state the same limits, or the connection states them; "
            "correct one corpus file, or wait two minutes after the other task's end",
        )

    def _lane_key(self, window: int, lane: int) -> str:
        return f"{self._root}/rates/{window}/lane-{lane:02d}.json"

    def _wish_key(self, window: int) -> str:
        return f"{self._root}/rates/{window}/task-{self.task}-{self._terms}.json"
