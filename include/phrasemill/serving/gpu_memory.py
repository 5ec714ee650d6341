"""GPU memory of an engine's processes, as NVML accounts for it."""

import functools
import logging
from collections.abc import Collection
from types import ModuleType

log = logging.getLogger(__name__)


def gpu_bytes(gpu: int | None, pids: Collection[int]) -> int | None:
    """Memory on a GPU (NVML's index) that these processes hold; None if NVML cannot say.

    In a container NVML may know processes by the host's pids; then this is None too.
    """
    nvml = _nvml() if gpu is not None else None
    if nvml is None:
        return None
    try:
        users = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(gpu))
    except nvml.NVMLError as error:
        log.debug("NVML does not tell who uses GPU %s: %s", gpu, error)
        return None
    held = [user.usedGpuMemory for user in users if user.pid in pids and user.usedGpuMemory]
    return sum(held) if held else None


@functools.cache
def _nvml() -> ModuleType | None:
    try:
        import pynvml  # noqa: PLC0415 - only machines with an NVIDIA GPU have it
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    module: ModuleType = pynvml
    return module
