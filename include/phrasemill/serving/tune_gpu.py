"""How busy the GPUs are, as NVML tells."""

import contextlib
from collections.abc import Sequence
from importlib import import_module
from typing import Any


class GpuMeter:
    """The mean utilisation of some GPUs, from one look after the other. Without NVML or GPUs it has nothing to say."""

    def __init__(self, indices: Sequence[int]) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        self._readings: list[float] = []
        if not indices:
            return
        try:
            pynvml: Any = import_module("pynvml")
        except ImportError:
            return
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            self._nvml = pynvml
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in indices]

    def look(self) -> None:
        """Take one reading of each GPU; NVML's own are means over up to a second."""
        for handle in self._handles:
            with contextlib.suppress(self._nvml.NVMLError):
                self._readings.append(float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu))

    @property
    def mean(self) -> float | None:
        """Percent, or None without a reading."""
        return sum(self._readings) / len(self._readings) if self._readings else None

    def close(self) -> None:
        """Let go of NVML."""
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None
            self._handles = []
