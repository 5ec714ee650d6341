"""EngineLaunch: how one engine is started. What the profile decides and the supervisor carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EngineLaunch:
    """One vLLM server process to be.

    `variables` are added to the environment; the API key is there, never in `argv`, which any user of the machine
    can read. `gpu` is the device's index for NVML, None on a CPU.
    """

    name: str
    host: str
    port: int
    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    gpu: int | None = None

    @property
    def url(self) -> str:
        """The base URL, without /v1; a server on all interfaces is reached on this machine by loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"
