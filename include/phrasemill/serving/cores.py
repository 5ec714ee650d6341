"""The CPU cores that engines without a GPU are bound to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, one logical CPU for each, that this process may use; and memory, as of now."""

    cores: tuple[int, ...]
    total_bytes: int
    free_bytes: int


def this_machine() -> Machine:
    """The machine at hand."""
    allowed = sorted(os.sched_getaffinity(0))
    first = {_siblings(cpu): cpu for cpu in reversed(allowed)}
    memory = psutil.virtual_memory()
    return Machine(tuple(sorted(first.values())), total_bytes=memory.total, free_bytes=memory.available)


def bindings(cores: Sequence[int], *, engines: int) -> list[str]:
    """VLLM_CPU_OMP_THREADS_BIND for each engine.

    One engine keeps vLLM's own way. Left to it, several would all take the same cores, so each gets a set of its
    own, of which one core is left to its scheduler if there are three or more.
    """
    if engines == 1:
        return ["auto"]
    each = len(cores) // engines
    if each == 0:
        return ["nobind"] * engines
    sets = [cores[k * each : (k + 1) * each] for k in range(engines)]
    return [",".join(map(str, own[1:] if each > 2 else own)) for own in sets]


def _siblings(cpu: int) -> str:
    """What is the same for all logical CPUs of one core."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    return path.read_text(encoding="ascii").strip() if path.exists() else str(cpu)
