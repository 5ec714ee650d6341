"""How long the supervisor waits for what, and what it allows an engine."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times in seconds, memory in bytes."""

    start_s: float = 900
    """From an engine's start until /health answers: large models load from a disk, and compile."""
    stagger_s: float = 3
    """Between the starts of two engines, first ones and restarts: those that start together measure each
    other's memory as their own."""
    warm_first: bool = False
    """Start the others only when the first is healthy, so that they find its compile cache complete: several
    engines that compile at once can corrupt a cache they share."""

    look_s: float = 2
    """Between two looks at an engine."""
    answer_s: float = 10
    """Within which /health must answer."""
    missed_answers: int = 3
    """So many looks in a row without an answer mean that the engine hangs."""
    hang_s: float = 120
    """With work running and no token for so long, the engine hangs."""

    backoff_s: float = 1
    """The pause before the first restart; it doubles with every failure, up to `longest_backoff_s`."""
    longest_backoff_s: float = 60
    settled_s: float = 120
    """Healthy for so long, an engine's earlier failures are forgotten."""

    rss_bytes: int | None = None
    """An engine (its processes together) that holds more host memory is recycled: some versions of vLLM
    grow by 2 kB a request."""
    age_s: float | None = None
    """An engine older than this is recycled. Engines are recycled one at a time, and never while another is down."""
    drain_s: float = 135
    """What an engine that is to end has until it is killed: its --shutdown-timeout and 15 s more, since vLLM
    takes 5 s to end after its last answer (0.32 on a CPU)."""

    log_bytes: int = 16 * MEBIBYTE
    """A log larger than this is rotated."""
    log_files: int = 4
    """Rotated logs kept beside the current one, for each engine."""
