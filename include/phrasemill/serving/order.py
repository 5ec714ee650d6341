"""From what a person asks to be served to the launches that do it on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from phrasemill.serving.errors import ServingError
from phrasemill.serving.gpus import Gpu, find_gpus
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.launches import DRAIN_S, plan_launches
from phrasemill.serving.models import find_model
from phrasemill.serving.profiles import Profile, load_profile, pick_profile
from phrasemill.serving.vllm_version import VllmBuild, ask_vllm

KILL_AFTER_S = 15.0
"""Beyond its drain time: vLLM sends answers off and ends its processes after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be served, and with what. None: to be found out."""

    model: str
    served_name: str | None = None
    profile: str | None = None
    engines_per_gpu: int | None = None
    gpus: tuple[int, ...] | None = None
    loras: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = field(default=None, repr=False)
    python: Path
    """Of the environment that has vLLM."""
    caches: Path
    load_format: str | None = None
    drain_s: float = DRAIN_S
    """Seconds that an engine which is to end has for its work in flight."""

    @property
    def name(self) -> str:
        """What the engines are asked for: the name given, a folder's name, or the name on the hub."""
        folder = Path(self.model).expanduser()
        return self.served_name or (folder.resolve().name if folder.is_dir() else self.model)


@dataclass(frozen=True, slots=True)
class Ground:
    """What an order is carried out on: vLLM, the GPUs (none on a CPU), and the profile chosen for them."""

    build: VllmBuild
    gpus: tuple[Gpu, ...]
    profile: Profile


def survey(order: Order) -> Ground:
    """Look at what is there and choose the profile.

    Raises:
        VllmUnusable, NoGpu, ModelNotFound, ProfileError: with what to do.
    """
    build = ask_vllm(order.python, caches=order.caches)
    gpus = () if build.is_cpu else tuple(find_gpus(order.gpus))
    model = find_model(order.model)
    profile = load_profile(order.profile) if order.profile else pick_profile(gpus, model.size)
    return Ground(build, gpus, profile)


def launches(order: Order, ground: Ground) -> list[EngineLaunch]:
    """The launches that carry an order out.

    Raises:
        ServingError: it cannot be, see `plan_launches`.
    """
    return plan_launches(
        ground.profile,
        model=order.model,
        served_name=order.name,
        gpus=ground.gpus,
        engines_per_gpu=order.engines_per_gpu,
        loras=order.loras,
        host=order.host,
        first_port=order.port,
        api_key=order.api_key,
        build=ground.build,
        python=order.python,
        caches=order.caches,
        load_format=order.load_format,
        drain_s=order.drain_s,
    )


def parse_gpus(text: str | None) -> tuple[int, ...] | None:
    """GPU numbers such as `0,1`.

    Raises:
        ServingError: it is no list of numbers.
    """
    if text is None:
        return None
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        raise ServingError(f"--gpus {text}: give numbers as nvidia-smi shows them, such as 0,1")
    return tuple(dict.fromkeys(int(number) for number in numbers))


def parse_loras(texts: list[str]) -> dict[str, str]:
    """Adapters such as `saiga=adapters/saiga`: name to place.

    Raises:
        ServingError: a name or a place is missing, or a name is there twice.
    """
    loras: dict[str, str] = {}
    for text in texts:
        name, _, place = text.partition("=")
        if not name or not place:
            raise ServingError(f"--lora {text}: give the name to ask for and the adapter's folder as NAME=FOLDER")
        if name in loras:
            raise ServingError(f"--lora {name} is given twice; every adapter needs a name of its own")
        loras[name] = place
    return loras
