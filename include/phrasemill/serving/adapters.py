"""LoRA adapters, checked against their model before an engine spends minutes to find them wrong."""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phrasemill.serving.config_json import read_config
from phrasemill.serving.errors import ModelNotFound
from phrasemill.serving.models import BYTES, ModelFacts, listed_adapter

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be, in vLLM 0.20.2 and 0.32.0 (`MaxLoRARanks`)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter to load at start. `place` is a folder, or a name on the hub."""

    name: str
    place: str
    rank: int
    is_local: bool

    @property
    def served_rank(self) -> int:
        """The smallest `--max-lora-rank` that holds it."""
        return next(rank for rank in RANKS if rank >= self.rank)

    def memory_bytes(self, model: ModelFacts) -> int:
        """Of its slot on the device, if it adapts every linear layer: rank x (in + out) x 2 bytes, layer by layer."""
        hidden, inner = model.hidden_size, model.intermediate_size
        attention = 2 * (hidden + model.attention_width) + 2 * (hidden + model.kv_width)
        return self.served_rank * model.layers * (attention + 3 * (hidden + inner)) * BYTES


def find_adapter(name: str, place: str, *, model: ModelFacts) -> Adapter:
    """Read an adapter's config and the shapes of its tensors, and hold them against the model.

    Raises:
        ModelNotFound: it is missing, of a kind that vLLM does not serve, or made for another model.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        listed = listed_adapter(place)
        if listed is None:
            raise ModelNotFound(f"LoRA {name}: no folder {place}; download the adapter and give its folder")
        if model.folder is None and model.name.lower() != str(listed["base"]).lower():
            raise ModelNotFound(f"LoRA {name}: {place} is made for {listed['base']}, and the model is {model.name}")
        return Adapter(name=name, place=place, rank=int(listed["rank"]), is_local=False)
    config = read_config(
        folder / "adapter_config.json",
        of=f"LoRA {name}",
        lacking="give an adapter's folder",
        broken="copy the adapter again",
    )
    rank = config.get("r")
    if not isinstance(rank, int) or not 1 <= rank <= RANKS[-1]:
        raise ModelNotFound(f"LoRA {name}: rank {rank!r} in {folder}/adapter_config.json; vLLM serves 1 to {RANKS[-1]}")
    if config.get("use_dora") or config.get("modules_to_save") or config.get("bias", "none") != "none":
        raise ModelNotFound(
            f"LoRA {name}: vLLM serves no adapter with use_dora, modules_to_save or bias; merge {folder} into its model"
        )
    _check_shapes(name, folder, rank=rank, model=model, base=config.get("base_model_name_or_path"))
    return Adapter(name=name, place=str(folder.absolute()), rank=rank, is_local=True)


def _check_shapes(name: str, folder: Path, *, rank: int, model: ModelFacts, base: object) -> None:
    """Names of base models are often paths of the machine it was trained on, so shapes decide."""
    path = folder / "adapter_model.safetensors"
    if not path.exists():
        if any(folder.glob("adapter_model.*")):
            return  # A .bin is a pickle: what is in it is not read here.
        raise ModelNotFound(f"LoRA {name}: {folder} holds no adapter_model.safetensors; copy the adapter again")
    made_for = f"it was made for {base}, and the model is {model.name}"
    for tensor, shape in _shapes(name, path).items():
        layer = re.search(r"\.layers\.(\d+)\.", tensor)
        if layer and int(layer[1]) >= model.layers:
            raise ModelNotFound(f"LoRA {name}: it has layer {layer[1]}, the model has {model.layers}; {made_for}")
        if tensor.endswith("lora_A.weight") and shape[0] != rank:
            raise ModelNotFound(
                f"LoRA {name}: {path} has rank {shape[0]}, and adapter_config.json says r = {rank}; correct r"
            )
        if tensor.endswith(("q_proj.lora_A.weight", "up_proj.lora_A.weight")) and shape[1] != model.hidden_size:
            raise ModelNotFound(
                f"LoRA {name}: it is {shape[1]} wide, the model is {model.hidden_size} wide; {made_for}"
            )


def _shapes(name: str, path: Path) -> Mapping[str, list[int]]:
    """Shapes by tensor name, from the header of a safetensors file: 8 bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 100_000_000)))
        return {key: value["shape"] for key, value in header.items() if key != "__metadata__"}
    except (struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelNotFound(f"LoRA {name}: {path} is damaged ({error}); copy the adapter again") from error
