"""GPUs as NVML tells of them, against a small stand-in for its library."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from phrasemill.serving.errors import NoGpu
from phrasemill.serving.gpus import find_gpus

GIB = 2**30


class NvmlError(Exception):
    pass


@dataclass
class Memory:
    total: int
    free: int


@dataclass
class Card:
    uuid: str
    name: str | bytes = "NVIDIA H100 80GB HBM3"
    memory: Memory = field(default_factory=lambda: Memory(80 * GIB, 79 * GIB))
    mig: int | None = None


@dataclass
class FakeNvml:
    """NVML with these cards; `broken` is what it says when it cannot be initialised."""

    cards: Sequence[Card]
    broken: str | None = None
    open: int = 0
    NVMLError: type[Exception] = NvmlError

    def nvmlInit(self) -> None:
        if self.broken:
            raise NvmlError(self.broken)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        assert self.open
        return index

    def nvmlDeviceGetUUID(self, handle: object) -> str:
        return self._card(handle).uuid

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:
        return self._card(handle).name

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory:
        return self._card(handle).memory

    def nvmlDeviceGetMigMode(self, handle: object) -> list[int]:
        mode = self._card(handle).mig
        if mode is None:
            raise NvmlError("Not Supported")
        return [mode, mode]

    def _card(self, handle: object) -> Card:
        assert isinstance(handle, int)
        return self.cards[handle]


@pytest.fixture
def four() -> FakeNvml:
    return FakeNvml([Card(f"GPU-{letter}{letter}11") for letter in "abcd"])


@pytest.fixture(autouse=True)
def _nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


class TestWhatIsFound:
    def test_all_gpus_with_their_memory(self) -> None:
        nvml = FakeNvml([Card("GPU-1", memory=Memory(80, 79)), Card("GPU-2", name=b"NVIDIA L4", memory=Memory(24, 1))])
        first, second = find_gpus(None, nvml=nvml)
        assert (first.index, first.uuid, first.total_bytes, first.free_bytes) == (0, "GPU-1", 80, 79)
        assert (second.index, second.name, second.free_bytes) == (1, "NVIDIA L4", 1)

    def test_the_wanted_ones_in_their_order_and_once(self, four: FakeNvml) -> None:
        assert [gpu.index for gpu in find_gpus([2, 0, 2], nvml=four)] == [2, 0]

    def test_nvml_is_closed_again_also_after_a_refusal(self, four: FakeNvml) -> None:
        find_gpus(None, nvml=four)
        with pytest.raises(NoGpu):
            find_gpus([9], nvml=four)
        assert four.open == 0

    def test_gpus_in_mig_slices_are_left_alone(self) -> None:
        nvml = FakeNvml([Card("GPU-1", mig=1), Card("GPU-2", mig=0)])
        assert [gpu.uuid for gpu in find_gpus(None, nvml=nvml)] == ["GPU-2"]
        with pytest.raises(NoGpu, match="GPU 0 is cut into MIG slices"):
            find_gpus([0], nvml=nvml)


class TestWhatCudaVisibleDevicesHides:
    @pytest.mark.parametrize(
        ("visible", "indices"),
        [("1,3", [1, 3]), ("3,1", [3, 1]), ("GPU-bb", [1]), ("GPU-bb11,0", [1, 0]), (" 2 ", [2]), ("1,-1,2", [1])],
    )
    def test_only_what_it_names_is_seen(self, four: FakeNvml, visible: str, indices: list[int]) -> None:
        assert [gpu.index for gpu in find_gpus(None, nvml=four, visible=visible)] == indices

    def test_it_is_read_from_the_environment(self, four: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
        assert [gpu.index for gpu in find_gpus(None, nvml=four)] == [2]

    def test_a_wanted_gpu_that_it_hides_is_told(self, four: FakeNvml) -> None:
        with pytest.raises(NoGpu, match="GPU 0 is hidden by CUDA_VISIBLE_DEVICES"):
            find_gpus([0], nvml=four, visible="1")

    @pytest.mark.parametrize("visible", ["", "-1", "7", "GPU-"])
    def test_hiding_all_is_told(self, four: FakeNvml, visible: str) -> None:
        with pytest.raises(NoGpu, match=f"CUDA_VISIBLE_DEVICES={visible} leaves no whole GPU"):
            find_gpus(None, nvml=four, visible=visible)

    def test_a_mig_slice_is_told(self, four: FakeNvml) -> None:
        with pytest.raises(NoGpu, match="MIG slice MIG-12"):
            find_gpus(None, nvml=four, visible="MIG-12")


class TestNoGpu:
    def test_without_a_driver_the_way_out_is_told(self) -> None:
        nvml = FakeNvml([], broken="Driver Not Loaded")
        with pytest.raises(NoGpu, match=r"Driver Not Loaded.*--profile cpu-0\.1b"):
            find_gpus(None, nvml=nvml)

    def test_without_gpus_the_way_out_is_told(self) -> None:
        with pytest.raises(NoGpu, match=r"no NVIDIA GPU.*--profile cpu-0\.1b"):
            find_gpus(None, nvml=FakeNvml([]))

    def test_a_gpu_that_is_not_there_is_told_with_those_that_are(self, four: FakeNvml) -> None:
        with pytest.raises(NoGpu, match="no GPU 4; this machine has 0, 1, 2, 3"):
            find_gpus([4], nvml=four)

    def test_all_in_slices_is_told(self) -> None:
        with pytest.raises(NoGpu, match="GPU 0 is cut into MIG slices"):
            find_gpus(None, nvml=FakeNvml([Card("GPU-1", mig=1)]))
