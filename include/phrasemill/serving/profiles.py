"""Profiles: how many engines a GPU runs and with which flags, by class of GPU and of model. Data, not code."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from phrasemill.fields import StrictModel, Text
from phrasemill.serving.errors import ProfileError
from phrasemill.serving.gpus import Gpu
from phrasemill.serving.models import ModelSize

CPU = "cpu"
FIGURES = (
    *("engines_per_gpu", "max_num_seqs", "max_model_len", "max_num_batched_tokens", "kv_cache_bytes", "graph_sizes"),
    *("api_servers", "quantization", "enforce_eager", "block_size", "list_size", "in_flight", "start_s"),
)
"""The fields that need a source wherever a profile departs from the default."""

Source = Annotated[str, Field(pattern=r"^(measured \d{4}-\d\d-\d\d|derived: )", min_length=12)]
Count = Annotated[int, Field(ge=1)]


class Profile(StrictModel):
    """The flags of vLLM and the client's request shape for one class of GPU and one class of model.

    `gpu` is `cpu` or a class such as 80gb-hopper; on a CPU `engines_per_gpu` means engines on the machine.
    """

    name: Text
    title: Text
    gpu: Text
    gpu_memory_gib: float = Field(default=0, ge=0)
    """What a GPU of this class has at least, as the driver counts it: a card sold with 24 GB has 22 to 24."""
    gpu_names: tuple[Text, ...] = ()
    """Words of the names of GPUs that this class is for, before memory decides."""
    model_size: ModelSize
    engines_per_gpu: Count
    max_num_seqs: Count
    """Sequences that one engine decodes at once."""
    max_model_len: Count
    """Tokens of a prompt with its answer."""
    max_num_batched_tokens: Count | None = None
    """Tokens of one step; null: vLLM's own choice."""
    kv_cache_bytes: Count | None = None
    """KV cache of one engine; null: what is free on the GPU, in equal shares."""
    graph_sizes: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """Batch sizes to capture as CUDA graphs; null: vLLM's own list, up to 512."""
    api_servers: Count = 1
    """Processes that take requests for one engine. More than one drops requests in flight when it is stopped."""
    quantization: Literal["fp8"] | None = None
    enforce_eager: bool = False
    block_size: Literal[8, 16, 32, 64, 128] | None = None
    """Tokens of a KV block; null: vLLM's own choice."""
    list_size: int = Field(ge=1, le=1024)
    """Prompts in one request."""
    in_flight: Count
    """Prompts in flight an engine."""
    start_s: float = Field(gt=0)
    """Seconds that an engine may take from start to healthy before it counts as failed."""
    sources: Mapping[str, Source]
    """Where each figure comes from: 'measured DATE, where', or 'derived: how'."""

    @model_validator(mode="after")
    def _every_figure_has_a_source(self) -> Self:
        fields = type(self).model_fields
        given = {name for name in FIGURES if getattr(self, name) != fields[name].default}
        if missing := given - self.sources.keys():
            raise ValueError(f"sources must say where these come from: {', '.join(sorted(missing))}")
        if strange := self.sources.keys() - set(FIGURES):
            raise ValueError(f"sources names what is no figure of a profile: {', '.join(sorted(strange))}")
        return self

    @model_validator(mode="after")
    def _a_step_holds_every_sequence(self) -> Self:
        if self.max_num_batched_tokens is not None and self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                "max_num_batched_tokens must be at least max_num_seqs: every sequence needs a token a step"
            )
        return self

    @property
    def is_cpu(self) -> bool:
        """Whether the engines run on the CPU."""
        return self.gpu == CPU

    @property
    def is_measured(self) -> bool:
        """Whether the number of engines was measured on such a GPU, rather than derived."""
        return self.sources["engines_per_gpu"].startswith("measured")


@cache
def shipped_profiles() -> dict[str, Profile]:
    """The profiles that come with phrasemill, by name."""
    folder = files("phrasemill.serving").joinpath("profiles")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    profiles = [_parse(entry.read_text(encoding="utf-8"), origin=entry.name) for entry in found]
    return {profile.name: profile for profile in sorted(profiles, key=lambda profile: profile.name)}


def load_profile(name_or_path: str | Path) -> Profile:
    """A shipped profile by name, or one from a YAML file, such as `phrasemill tune` writes.

    Raises:
        ProfileError: there is none, or the file is wrong; the message has a line for every mistake.
    """
    shipped = shipped_profiles()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.suffix not in {".yaml", ".yml"}:
        raise ProfileError(f"no profile {name_or_path}; give a YAML file, or one of: {', '.join(shipped)}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"the profile {path} cannot be read ({error}); shipped are: {', '.join(shipped)}") from error
    return _parse(text, origin=str(path))


def pick_profile(gpus: Sequence[Gpu], model_size: ModelSize) -> Profile:
    """The shipped profile for the smallest of these GPUs, or for the CPU if there are none.

    A class that names the GPU wins; otherwise the largest class whose memory the GPU has.

    Raises:
        ProfileError: no shipped profile fits.
    """
    shipped = list(shipped_profiles().values())
    if not gpus:
        fitting = [profile for profile in shipped if profile.is_cpu and profile.model_size == model_size]
        where = "the CPU"
    else:
        gpu = min(gpus, key=lambda gpu: gpu.total_bytes)
        where = f"{gpu.name} ({gpu.total_bytes / 2**30:.0f} GiB)"
        size = "0.5b" if model_size == "0.1b" else model_size
        fitting = [
            profile
            for profile in shipped
            if not profile.is_cpu and profile.model_size == size and profile.gpu_memory_gib * 2**30 <= gpu.total_bytes
        ]
        fitting.sort(key=lambda profile: (_names(profile, gpu), profile.gpu_memory_gib), reverse=True)
    if not fitting:
        raise ProfileError(
            f"no shipped profile is for models of {model_size} on {where}; take a smaller model, or name a profile: "
            f"--profile FILE.yaml, or one of {', '.join(profile.name for profile in shipped)}"
        )
    return fitting[0]


def dump_profile(profile: Profile) -> str:
    """The profile as YAML that `load_profile` reads back to an equal one."""
    content = profile.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _names(profile: Profile, gpu: Gpu) -> bool:
    return any(re.search(rf"\b{re.escape(name)}\b", gpu.name, re.IGNORECASE) for name in profile.gpu_names)


def _parse(text: str, *, origin: str) -> Profile:
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileError(f"the profile {origin} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ProfileError(f"the profile {origin} must be a mapping of fields, like those that ship")
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, one['loc'])) or 'profile'}: {one['msg']}" for one in error.errors()]
        raise ProfileError("\n".join([f"the profile {origin} is wrong:", *mistakes])) from error
