"""What a model weighs: parameters, weights and KV cache a token, from its config.json or from models.yaml."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from phrasemill.serving.config_json import read_config
from phrasemill.serving.errors import ModelNotFound, ProfileError

ModelSize = Literal["0.1b", "0.5b", "1.5b", "7b"]
MODEL_SIZES: tuple[ModelSize, ...] = get_args(ModelSize)
LARGEST: Mapping[ModelSize, float] = {"0.1b": 0.25e9, "0.5b": 1e9, "1.5b": 3e9, "7b": 9e9}
"""Parameters up to which a model counts as this size."""
BYTES = 2
"""Of a number in bfloat16 or float16, in weights and in the KV cache."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What memory planning needs to know of a model. Sizes in bytes are those of 16-bit weights."""

    name: str
    folder: Path | None
    layers: int
    hidden_size: int
    intermediate_size: int
    vocab_size: int
    attention_width: int
    kv_width: int
    max_model_len: int
    parameters: int
    embedding_parameters: int
    stored_bytes: int | None = None

    @property
    def kv_bytes_a_token(self) -> int:
        """Layers x KV heads x head size x 2 (key and value) x 2 bytes."""
        return self.layers * self.kv_width * 2 * BYTES

    @property
    def size(self) -> ModelSize:
        """The class of size that profiles are made for.

        Raises:
            ProfileError: for a model beyond the largest class.
        """
        for size, limit in LARGEST.items():
            if self.parameters <= limit:
                return size
        raise ProfileError(
            f"{self.name} has {self.parameters / 1e9:.1f} billion parameters and the largest profiles are for 7b; "
            "name a profile of your own: --profile FILE.yaml"
        )

    def weight_bytes(self, quantization: str | None) -> int:
        """Of the weights on the device. With fp8 all but the embeddings take one byte instead of two."""
        if self.stored_bytes is not None:
            return self.stored_bytes
        embeddings = self.embedding_parameters * BYTES
        others = (self.parameters - self.embedding_parameters) * (1 if quantization == "fp8" else BYTES)
        return embeddings + others


def find_model(model: str) -> ModelFacts:
    """The facts of a model named by its folder, or by its name on the hub.

    Raises:
        ModelNotFound: no such folder, no config.json in it, or a hub name of which nothing is known here.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return facts_of(model, _config(folder), folder=folder)
    if model.startswith(("/", ".", "~")) or model.count("/") != 1:
        raise ModelNotFound(f"no folder {model}; give the folder of a model, or its name on the hub as owner/name")
    for entry in _listed()["models"]:
        if entry["name"].lower() == model.lower():
            return facts_of(model, entry["config"])
    snapshot = _snapshot(model)
    if snapshot:
        return facts_of(model, _config(snapshot))
    raise ModelNotFound(
        f"nothing is known of the model {model}: it is not in models.yaml nor in the hub's cache on this machine; "
        f"download it first (hf download {model}), or give its folder"
    )


def facts_of(name: str, config: Mapping[str, Any], *, folder: Path | None = None) -> ModelFacts:
    """Facts from the content of a config.json. Exact for Llama, Qwen2 and Mistral within 0.1 %.

    Raises:
        ModelNotFound: the config is not one of a text model with these fields.
    """
    config = config.get("text_config", config)
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        inner, vocab = int(config["intermediate_size"]), int(config["vocab_size"])
        heads = int(config["num_attention_heads"])
        kv_heads = int(config.get("num_key_value_heads") or heads)
        head = int(config.get("head_dim") or hidden // heads)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelNotFound(
            f"config.json of {name} has no usable {error}: only text models of the Llama kind can be planned for"
        ) from error
    embeddings = vocab * hidden * (1 if config.get("tie_word_embeddings", False) else 2)
    attention = 2 * hidden * heads * head + 2 * hidden * kv_heads * head
    return ModelFacts(
        name=name,
        folder=folder,
        layers=layers,
        hidden_size=hidden,
        intermediate_size=inner,
        vocab_size=vocab,
        attention_width=heads * head,
        kv_width=kv_heads * head,
        max_model_len=int(config.get("max_position_embeddings") or 2**31),
        parameters=embeddings + layers * (attention + 3 * hidden * inner + 2 * hidden),
        embedding_parameters=embeddings,
        stored_bytes=_stored_bytes(folder) if folder and "quantization_config" in config else None,
    )


def weight_files(folder: Path) -> list[Path]:
    """The files with weights in a model's folder."""
    return sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])


def listed_adapter(name: str) -> Mapping[str, Any] | None:
    """The entry of models.yaml for an adapter on the hub: name, base and rank."""
    return next((entry for entry in _listed()["adapters"] if entry["name"].lower() == name.lower()), None)


def _stored_bytes(folder: Path) -> int | None:
    return sum(path.stat().st_size for path in weight_files(folder)) or None


def _config(folder: Path) -> dict[str, Any]:
    return read_config(
        folder / "config.json",
        lacking="give the folder of a model as the hub has it",
        broken="copy or convert the model again",
    )


def _snapshot(model: str) -> Path | None:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = (hub / f"models--{model.replace('/', '--')}" / "snapshots").glob("*/config.json")
    return max((path.parent for path in snapshots), key=lambda path: path.stat().st_mtime, default=None)


@cache
def _listed() -> Mapping[str, list[dict[str, Any]]]:
    listed: dict[str, list[dict[str, Any]]] = yaml.safe_load(
        files("phrasemill.serving").joinpath("models.yaml").read_text(encoding="utf-8")
    )
    return listed
