"""Hours in milliseconds: an event loop whose clock leaps to the next timer, and a bucket that answers after a while.

Tasks of a test live in one process, each with its own view of the bucket. `asyncio.to_thread` runs nothing in a thread
here: the call is made at a random moment of the time that it takes, so that calls of several tasks mix at random.
"""

import asyncio
import concurrent.futures
import datetime as dt
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from phrasemill.errors import StoreUnavailable
from phrasemill.store.bucket import BINARY, Bucket, Entry

EPOCH = dt.datetime(2026, 11, 23, 20, 0, 17, tzinfo=dt.UTC)


class _LeapingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the loop waits for ever: no timer is set, and nothing is ready")
        self.time += timeout
        return super().select(0)


class _DelayedCalls(concurrent.futures.ThreadPoolExecutor):
    def __init__(self, loop: "VirtualLoop") -> None:
        super().__init__(max_workers=1)
        self._loop = loop

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # like a thread, it goes on when nobody waits for it any more

        def run() -> None:
            try:
                result = call(*args, **kwargs)
            except Exception as error:
                self._loop.later(partial(future.set_exception, error))
            else:
                self._loop.later(partial(future.set_result, result))

        self._loop.later(run)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything is ready."""

    def __init__(self, seed: int = 0) -> None:
        selector = _LeapingSelector()
        super().__init__(selector)
        self._leaping = selector
        self.random = random.Random(seed)
        self.set_default_executor(_DelayedCalls(self))

    def time(self) -> float:
        return self._leaping.time

    def later(self, call: Callable[[], Any]) -> None:
        self.call_later(self.random.uniform(0.0, 0.4), call)


def run_virtual(main: Callable[[], Coroutine[Any, Any, None]], *, seed: int = 0) -> None:
    """Run a coroutine with a virtual clock that begins at EPOCH."""
    loop = VirtualLoop(seed)
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def virtual_now(*, ahead_s: float = 0.0) -> Callable[[], dt.datetime]:
    """The running loop's time; of a machine whose clock is ahead by so much."""
    return lambda: EPOCH + dt.timedelta(seconds=asyncio.get_running_loop().time() + ahead_s)


class MemoryBucket(Bucket):
    """A bucket in memory. Views of one `objects` are the tasks' connections, which a test may cut.

    `conditional` false: like servers that ignore If-None-Match, where a put replaces what is there.
    """

    def __init__(self, objects: dict[str, bytes] | None = None, *, conditional: bool = True) -> None:
        self.name = "memory"
        self.objects = {} if objects is None else objects
        self.conditional = conditional
        self.cut = False
        self.requests = 0

    def view(self) -> "MemoryBucket":
        return MemoryBucket(self.objects, conditional=self.conditional)

    def get(self, key: str) -> bytes | None:
        self._ask()
        return self.objects.get(key)

    def put(self, key: str, content: bytes, *, content_type: str = BINARY) -> None:
        self._ask()
        self.objects[key] = content

    def put_if_absent(self, key: str, content: bytes, *, content_type: str = BINARY) -> bool:
        self._ask()
        if self.conditional:
            return self.objects.setdefault(key, content) == content
        if key in self.objects and random.random() < 0.5:  # the look before the put came in time
            return self.objects[key] == content
        self.objects[key] = content
        return True

    def ignores_condition(self, key: str) -> bool:
        self._ask()
        return not self.conditional

    def entries(self, prefix: str) -> Iterator[Entry]:
        self._ask()
        return iter([Entry(key, 1, 0.0) for key in sorted(self.objects) if key.startswith(prefix)])

    def folders(self, prefix: str) -> list[str]:
        self._ask()
        below = {key[len(prefix) :].split("/")[0] for key in self.objects if key.startswith(prefix)}
        return [f"{prefix}{name}/" for name in sorted(below)]

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            self._ask()
            self.objects.pop(key, None)

    def _ask(self) -> None:
        self.requests += 1
        if self.cut:
            raise StoreUnavailable("cannot put s3://memory/: cut off; retry")
