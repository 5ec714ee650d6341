"""The named steps of the protocol: between which two requests a process is killed.

A process is nothing to anybody but the requests that it sends. So the proxy before the S3 server kills it when a
request comes (before it is passed on: the server never sees it) or when the server has answered (the process never
hears of it). That is exact, and needs nothing in the code under test.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from tests.integration.processes import TaskProcess
from tests.store.s3_proxy import S3Proxy


@dataclass(frozen=True)
class Point:
    """One named step. `words` stand in path or query; `{shard}` is the shard's number in five digits."""

    name: str
    step: str
    method: str
    words: str
    answered: bool = False
    """Killed when the server has done it, and before the process hears of it; otherwise before the server sees it."""
    skip: int = 0
    behind: tuple[str, str] | None = None
    """Method and words of a request that must come first."""

    def arm(self, proxy: S3Proxy, shard: int) -> "Trap":
        """Lay a trap at this step, before the process starts."""
        trap = Trap()
        number = f"{shard:05d}"

        def lay() -> None:
            words = self.words.format(shard=number)
            if self.answered:
                proxy.on(self.method, words, "lose", skip=self.skip, after=trap.spring)
            else:
                proxy.on(self.method, words, "drop", skip=self.skip, before=trap.spring)

        if self.behind:
            method, words = self.behind
            proxy.on(method, words.format(shard=number), "pass", before=lay)
        else:
            lay()
        return trap


class Trap:
    """Kills the process that it is told of, at the request that it waits for."""

    def __init__(self) -> None:
        self._process: Future[TaskProcess] = Future()
        self.sprung = False

    def watch(self, process: TaskProcess) -> None:
        self._process.set_result(process)

    def spring(self) -> None:
        process = self._process.result(60)
        self.sprung = True
        process.kill()


BLOCK = "/staging/{shard}/0"
MANIFEST = "/manifests/shard-{shard}.json"
STAGING_LIST = "staging%2F{shard}"
STAGED_VERDICT = "/staging/{shard}/verdict.json"
DATA = "/shards/shard-{shard}-"
VERDICT = "/verdicts/shard-{shard}-"
COMMITTED = ("PUT", MANIFEST)

CHAIN = (
    Point("before the look for a manifest", "generate", "GET", MANIFEST),
    Point("before the listing of staging", "generate", "GET", STAGING_LIST),
    Point("before the first block", "generate", "PUT", BLOCK),
    Point("after the first block", "generate", "PUT", BLOCK, answered=True),
    Point("before a staged block is read again", "generate", "GET", BLOCK),
    Point("before the fifth block", "generate", "PUT", BLOCK, skip=4),
    Point("after the fifth block", "generate", "PUT", BLOCK, skip=4, answered=True),
    Point("before the listing of staging", "validate", "GET", STAGING_LIST),
    Point("before the third block is read", "validate", "GET", BLOCK, skip=2),
    Point("before the verdict", "validate", "PUT", STAGED_VERDICT),
    Point("after the verdict", "validate", "PUT", STAGED_VERDICT, answered=True),
    Point("before the verdict is read", "publish", "GET", STAGED_VERDICT),
    Point("before the third block is read", "publish", "GET", BLOCK, skip=2),
    Point("before the data", "publish", "PUT", DATA),
    Point("after the data", "publish", "PUT", DATA, answered=True),
    Point("before the data is read back", "publish", "GET", DATA),
    Point("after the data is read back", "publish", "GET", DATA, answered=True),
    Point("before the kept verdict", "publish", "PUT", VERDICT),
    Point("after the kept verdict", "publish", "PUT", VERDICT, answered=True),
    Point("before the manifest", "publish", "PUT", MANIFEST),
    Point("after the manifest", "publish", "PUT", MANIFEST, answered=True),
    Point("before the first staged object is removed", "publish", "DELETE", "/staging/{shard}/"),
    Point("after the first staged object is removed", "publish", "DELETE", "/staging/{shard}/", answered=True),
    Point("before the staged verdict is removed", "publish", "DELETE", STAGED_VERDICT),
    Point("after the staged verdict is removed", "publish", "DELETE", STAGED_VERDICT, answered=True),
)
"""In the order of a shard's life: each is struck on the try after the one before it, so one shard suffers them all."""

AFTER_COMMIT = (
    Point("before the manifest is read back", "publish", "GET", MANIFEST, behind=COMMITTED),
    Point("before the listing of staging, committed", "publish", "GET", STAGING_LIST, behind=COMMITTED),
    Point("before removal, in the commit's own process", "publish", "DELETE", BLOCK, behind=COMMITTED),
)
"""Each on a shard of its own: they come once, in the process that commits."""
