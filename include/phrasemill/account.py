"""The account that a corpus's engines are asked on: its limits, and leave to ask within them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from phrasemill.allowance import open_allowance
from phrasemill.engines.throttle import Throttle
from phrasemill.limit_settings import ApiLimits
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.keys import key_safe


def account_root(spec: CorpusSpec) -> str:
    """Prefix of what the tasks that use an account tell each other: all corpora with its connection have the same."""
    root = f"_limits/{key_safe(spec.engines.connection)}"
    return f"{spec.storage.prefix}/{root}" if spec.storage.prefix else root


def limited(spec: CorpusSpec, limits: ApiLimits | None) -> CorpusSpec:
    """The corpus with the limits of its connection, where that has any, in place of its own."""
    if limits is None:
        return spec
    return spec.model_copy(update={"engines": spec.engines.model_copy(update={"limits": limits})})


@asynccontextmanager
async def account_throttle(bucket: Bucket, spec: CorpusSpec) -> AsyncIterator[Throttle | None]:
    """What gives leave to ask, or None where nothing is limited.

    Raises:
        LimitsDiffer: another task keeps other limits for the same account; raised by the first turn.
        StoreError: the bucket refuses.
    """
    limits = spec.engines.limits
    if limits is None:
        yield None
        return
    zone = spec.schedule.zone
    async with open_allowance(bucket, root=account_root(spec), limits=limits, price=spec.price, zone=zone) as throttle:
        yield throttle
