"""EngineState: what is known of one supervised engine, for displays and status.json."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """Where an engine is in its life."""

    WAITING = "waiting"
    """For its turn to be started."""
    STARTING = "starting"
    HEALTHY = "healthy"
    SILENT = "silent"
    """It missed answers to /health, fewer than would make it hung."""
    DRAINING = "draining"
    """It ends, and finishes its work in flight before."""
    BACKING_OFF = "backing off"
    """It failed; a pause goes by until it is started again."""
    STOPPED = "stopped"


@dataclass(slots=True, kw_only=True)
class EngineState:
    """One engine as its supervisor sees it. Memory is of the process group, in bytes; None: not known."""

    name: str
    url: str
    log: str
    gpu: int | None = None
    phase: Phase = Phase.WAITING
    pid: int | None = None
    started_at: datetime | None = None
    """Of the process that runs now."""
    healthy_at: datetime | None = None
    """When the process that runs now first answered."""
    restarts: int = 0
    restarted_at: datetime | None = None
    why_restarted: str | None = None
    failures: int = 0
    """In a row: without a settled time between them."""
    running: int | None = None
    waiting: int | None = None
    tokens_per_s: float | None = None
    rss_bytes: int | None = None
    gpu_bytes: int | None = None
