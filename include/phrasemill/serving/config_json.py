"""The JSON file that describes a model or an adapter, read with words for what is wrong with it."""

import json
from pathlib import Path
from typing import Any

from phrasemill.serving.errors import ModelNotFound


def read_config(path: Path, *, of: str = "", lacking: str, broken: str) -> dict[str, Any]:
    """The JSON object of a config file.

    Args:
        path: the file.
        of: what it belongs to, said first, such as `LoRA saiga`.
        lacking: what to do when the folder holds no such file.
        broken: what to do when it is no JSON object.

    Raises:
        ModelNotFound: it is missing or no JSON object.
    """
    whose = f"{of}: " if of else ""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelNotFound(f"{whose}{path.parent} holds no {path.name}; {lacking}") from None
    except ValueError as error:
        raise ModelNotFound(f"{whose}{path} is no JSON ({error}); {broken}") from error
    if not isinstance(config, dict):
        raise ModelNotFound(f"{whose}{path} holds no JSON object; {broken}")
    return config
