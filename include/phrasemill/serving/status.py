"""What `phrasemill engines` shows: status.json, read back and laid out as a table."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from phrasemill.serving.engine_state import EngineState, Phase
from phrasemill.serving.errors import ServingError
from phrasemill.serving.state_folder import StateFolder

STYLES = {Phase.HEALTHY: "green", Phase.BACKING_OFF: "red", Phase.SILENT: "red", Phase.STOPPED: "dim"}
UNKNOWN = "-"


@dataclass(slots=True, kw_only=True)
class ServingStatus:
    """A supervisor and its engines at `written_at`."""

    pid: int
    started_at: datetime
    written_at: datetime
    engines: list[EngineState]


STATUS = TypeAdapter(ServingStatus)


def status_json(status: ServingStatus) -> str:
    """The text of status.json."""
    return orjson.dumps(status, option=orjson.OPT_INDENT_2).decode()


def read_status(state: Path) -> ServingStatus:
    """The last status that a supervisor of this state folder wrote.

    Raises:
        ServingError: there is none, or it is damaged.
    """
    path = StateFolder(state).status_file
    try:
        return STATUS.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ServingError(
            f"no engines have been served from {path.parent}; start some with `phrasemill serve`"
        ) from None
    except (OSError, ValidationError) as error:
        raise ServingError(f"{path} cannot be read ({type(error).__name__}); the supervisor writes it anew") from error


def supervisor_line(state: Path, status: ServingStatus) -> str:
    """Whether the supervisor runs, as a sentence."""
    holder = StateFolder(state).holder()
    if holder is not None:
        return f"supervisor {holder}, up {duration((_now() - status.started_at).total_seconds())}"
    ago = duration((_now() - status.written_at).total_seconds())
    if all(engine.phase is Phase.STOPPED for engine in status.engines):
        return f"nothing is served; the last supervisor ended its engines {ago} ago"
    return (
        f"the supervisor {status.pid} is gone since {ago} without ending its engines; what follows is its last word, "
        "and the next `phrasemill serve` on this folder ends them"
    )


def engines_table(status: ServingStatus) -> Table:
    """A row for every engine."""
    table = Table(box=None, pad_edge=False)
    table.add_column("engine", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for number in ("running", "waiting", "tokens/s", "restarts", "memory", "GPU memory", "uptime"):
        table.add_column(number, justify="right", no_wrap=True)
    table.add_column("URL", no_wrap=True)
    table.add_column("last restart", overflow="fold")
    for engine in status.engines:
        table.add_row(*_cells(engine, status.written_at))
    return table


def _cells(engine: EngineState, at: datetime) -> list[Text]:
    up_s = (at - engine.started_at).total_seconds() if engine.started_at else None
    last = UNKNOWN
    if engine.why_restarted and engine.restarted_at:
        last = f"{duration((at - engine.restarted_at).total_seconds())} ago: {engine.why_restarted}"
    texts = [
        engine.name if engine.gpu is None else f"{engine.name} (GPU {engine.gpu})",
        engine.phase,
        _count(engine.running),
        _count(engine.waiting),
        UNKNOWN if engine.tokens_per_s is None else f"{engine.tokens_per_s:,.0f}",
        f"{engine.restarts}",
        _size(engine.rss_bytes),
        _size(engine.gpu_bytes),
        UNKNOWN if up_s is None else duration(up_s),
        engine.url,
        last,
    ]
    # Text, not str: an engine's last words may hold what rich takes for markup.
    cells = [Text(text) for text in texts]
    cells[1].stylize(STYLES.get(engine.phase, "yellow"))
    return cells


def duration(seconds: float) -> str:
    """Such as 42 s, 7 min, 3 h 5 min or 2 d 4 h."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 1:
        return f"{int(seconds)} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _size(size: int | None) -> str:
    return UNKNOWN if size is None else f"{size / 2**30:.1f} GiB"


def _now() -> datetime:
    return datetime.now(UTC)
