"""The results as Markdown."""

from collections.abc import Iterable
from typing import Any

SPEED = (
    "client",
    "version",
    "phrases a CPU-second",
    "phrases a second",
    "peak RSS, MB",
    "in flight, asked and most seen",
    "start-up, CPU s",
)
CRASH = (
    "client",
    "phrases",
    "answered at the kill",
    "on disk after it",
    "rerun",
    "answered twice",
    "rows",
    "lost",
    "doubled",
    "complete",
)
NONE = "–"


def table(results: dict[str, Any]) -> str:
    """What was run, how fast everyone was, what SIGKILL left, and what each was asked to do."""
    contenders: dict[str, dict[str, Any]] = results["contenders"]
    engine, loads = results["engine"], results["load_average_at_start"]
    others = [found["speed"]["other_cores"] for found in contenders.values() if "speed" in found]
    busy = f"{min(others, default=0):.1f} to {max(others, default=0):.1f}"
    blocks = [
        f"Measured on {results['date']} ({results['machine']}; load average {loads[0]:.1f} at the start; other work "
        f"kept {busy} cores busy during the long runs), in one run of {results['seconds']} s against one fake engine "
        f"in a process of its own, which answers every list after {engine['latency_ms']} ms. All got the same prompts "
        "of the English corpus.",
        "CPU is user and system time of the client's whole process tree. Phrases a CPU-second and a second are those "
        "of the steady part, the difference between a long run and a short one; the rest of the short run is start-up. "
        "RSS is the largest sum over the processes of the tree in the long run.",
        _markdown(SPEED, (_speed_row(name, found) for name, found in contenders.items())),
        "SIGKILL to the whole tree when the engine had answered half of the phrases, then the same command again. On "
        "disk are phrases that can be read back from what the client resumes from or from its output.",
        _markdown(CRASH, (_crash_row(name, found) for name, found in contenders.items() if "crash" in found)),
        "What each was asked to do:",
        "\n".join(f"- **{name}**: {found['asked']}.{_notes(found)}" for name, found in contenders.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _speed_row(name: str, found: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{package} {version}" for package, version in found.get("versions", {}).items())
    asked = found["in_flight_asked"]
    if "speed" not in found:
        return [name, versions, NONE, NONE, NONE, f"{asked}, {NONE}", NONE]
    speed = found["speed"]
    return [
        name,
        versions or "this checkout",
        f"{speed['phrases_per_cpu_second']:,.0f}",
        f"{speed['phrases_per_wall_second']:,.0f}",
        f"{speed['peak_rss_mb']:,.0f}",
        f"{asked}, {speed['in_flight_seen']}",
        f"{speed['startup_cpu_s']:.1f}",
    ]


def _crash_row(name: str, found: dict[str, Any]) -> list[str]:
    crash = found["crash"]
    done = crash["rerun"] == "done"
    return [
        name,
        f"{crash['phrases']:,}",
        f"{crash['answered_before']:,}",
        f"{crash['kept']:,}",
        f"done in {crash['rerun_wall_s']:.0f} s" if done else "did not end",
        f"{crash['redone']:,}" if done else NONE,
        f"{crash['rows']:,}",
        f"{crash['lost']:,}",
        f"{crash['doubled']:,}",
        "yes" if crash["complete"] else "no",
    ]


def _notes(found: dict[str, Any]) -> str:
    notes = []
    if speed := found.get("speed"):
        storage = speed["storage_cpu_s"]
        notes.append(f"{speed['answered']:,} phrases in the long run")
        if storage >= 0.1:
            notes.append(f"the S3 server used {storage:.1f} CPU-seconds more, which are not counted as the client's")
    if (crash := found.get("crash")) and crash["rerun"] != "done":
        notes.append(f"the rerun {crash['rerun']}")
    if problem := found.get("problem"):
        notes.append(f"not measured to the end: {problem}")
    return "".join(f" {note[0].upper()}{note[1:].rstrip('.')}." for note in notes)


def _markdown(head: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    marks = ["---" if title in {"client", "version", "rerun", "complete"} else "---:" for title in head]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))
