"""A resolver that the test gives, and engines at several addresses of this machine behind one name."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from phrasemill.engines.fake.process import FakeEngineProcess

UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@dataclass
class Names:
    """Answers every look-up with `addresses`, or with `error` while there is one."""

    addresses: Sequence[str] = ()
    error: Exception | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked.append((name, port))
        if self.error:
            raise self.error
        return self.addresses


@contextmanager
def engines_at(*addresses: str, **settings: object) -> Iterator[list[FakeEngineProcess]]:
    """A fake engine at each address, all on the same port."""
    with ExitStack() as stack:
        engines: list[FakeEngineProcess] = []
        for address in addresses:
            port = int(engines[0].url.rsplit(":", 1)[1]) if engines else 0
            engine = FakeEngineProcess(model="tiny-model", host=address, port=port, **settings)
            engines.append(stack.enter_context(engine))
        yield engines
