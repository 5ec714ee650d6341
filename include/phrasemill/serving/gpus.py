"""The NVIDIA GPUs of this machine and their memory, as NVML tells."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from phrasemill.serving.errors import NoGpu

WITHOUT = "without a GPU, run on the CPU: --profile cpu-0.1b with vLLM's CPU build"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One whole GPU. `index` is NVML's, as nvidia-smi shows it; memory in bytes, free as of now."""

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int


class Memory(Protocol):
    """NVML's answer about memory, in bytes."""

    total: int
    free: int


class Nvml(Protocol):
    """What is used of NVML's Python binding (nvidia-ml-py, imported as pynvml)."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: D102
    def nvmlShutdown(self) -> None: ...  # noqa: D102
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: D102
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: D102
    def nvmlDeviceGetUUID(self, handle: object) -> str | bytes: ...  # noqa: D102
    def nvmlDeviceGetName(self, handle: object) -> str | bytes: ...  # noqa: D102
    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory: ...  # noqa: D102
    def nvmlDeviceGetMigMode(self, handle: object) -> Sequence[int]: ...  # noqa: D102


def find_gpus(wanted: Sequence[int] | None, *, nvml: Nvml | None = None, visible: str | None = None) -> list[Gpu]:
    """The GPUs with these indices, or all that are to be seen; never an empty list.

    `visible` is CUDA_VISIBLE_DEVICES, from the environment unless given: only GPUs that it leaves visible are
    found. GPUs cut into MIG slices are left alone.

    Raises:
        NoGpu: no driver, no GPU, all hidden, or a wanted one is not among them.
    """
    library = nvml or _binding()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise NoGpu(
            f"no NVIDIA GPU can be used here: NVML says {error}; see what nvidia-smi says, or {WITHOUT}"
        ) from error
    try:
        gpus, sliced = _read(library)
    except library.NVMLError as error:
        raise NoGpu(f"the GPUs cannot be read: NVML says {error}; see what nvidia-smi says") from error
    finally:
        library.nvmlShutdown()
    if not gpus and not sliced:
        raise NoGpu(f"NVML finds no NVIDIA GPU on this machine; {WITHOUT}")
    if not gpus:
        raise NoGpu(f"GPU {_listed(sliced)} is cut into MIG slices, and only whole GPUs are shared out; {WITHOUT}")
    seen = gpus if visible is None else _visible(gpus, visible)
    if wanted is None:
        return seen
    return [_wanted(index, seen, gpus=gpus, sliced=sliced) for index in dict.fromkeys(wanted)]


def _binding() -> Nvml:
    try:
        return cast("Nvml", import_module("pynvml"))
    except ImportError as error:
        raise NoGpu(f"NVML cannot be asked for GPUs ({error}); pip install nvidia-ml-py, or {WITHOUT}") from error


def _read(library: Nvml) -> tuple[list[Gpu], list[int]]:
    """Whole GPUs, and the indices of those in MIG mode."""
    gpus, sliced = [], []
    for index in range(library.nvmlDeviceGetCount()):
        handle = library.nvmlDeviceGetHandleByIndex(index)
        if _is_sliced(library, handle):
            sliced.append(index)
            continue
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        uuid, name = _text(library.nvmlDeviceGetUUID(handle)), _text(library.nvmlDeviceGetName(handle))
        gpus.append(Gpu(index, uuid, name, total_bytes=int(memory.total), free_bytes=int(memory.free)))
    return gpus, sliced


def _is_sliced(library: Nvml, handle: object) -> bool:
    try:
        return bool(library.nvmlDeviceGetMigMode(handle)[0])
    except library.NVMLError:
        return False  # "Not supported" is what GPUs without MIG answer.


def _visible(gpus: list[Gpu], visible: str) -> list[Gpu]:
    """As CUDA reads the variable: numbers or beginnings of UUIDs, up to the first that names nothing."""
    seen: list[Gpu] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.startswith("MIG"):
            raise NoGpu(f"CUDA_VISIBLE_DEVICES names the MIG slice {entry}; name whole GPUs there, or unset it")
        named = [gpu for gpu in gpus if entry and (str(gpu.index) == entry or gpu.uuid.startswith(entry))]
        if len(named) != 1:
            break
        seen += [gpu for gpu in named if gpu not in seen]
    if not seen:
        raise NoGpu(f"CUDA_VISIBLE_DEVICES={visible} leaves no whole GPU to be seen; correct or unset it, or {WITHOUT}")
    return seen


def _wanted(index: int, seen: list[Gpu], *, gpus: list[Gpu], sliced: list[int]) -> Gpu:
    for gpu in seen:
        if gpu.index == index:
            return gpu
    if index in sliced:
        raise NoGpu(f"GPU {index} is cut into MIG slices, and only whole GPUs are shared out; choose another")
    if any(gpu.index == index for gpu in gpus):
        raise NoGpu(f"GPU {index} is hidden by CUDA_VISIBLE_DEVICES; set it to include {index}, or unset it")
    raise NoGpu(f"there is no GPU {index}; this machine has {_listed([gpu.index for gpu in gpus])}")


def _listed(indices: Sequence[int]) -> str:
    return ", ".join(map(str, indices))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
