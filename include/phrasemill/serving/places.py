"""Where engines' state and caches lie unless told: in this user's home, as the XDG base directories have it."""

import os
from pathlib import Path

from phrasemill.serving.state_folder import StateFolder

PREFIX = "engines-"


def state_folder(port: int) -> Path:
    """The state folder for engines from this port on: two `phrasemill serve` on one machine differ in it."""
    return _state_root() / f"{PREFIX}{port}"


def served_folders() -> list[Path]:
    """The state folders of this user that have a status, by port."""
    found = [folder for folder in _state_root().glob(f"{PREFIX}*") if StateFolder(folder).status_file.exists()]
    return sorted(found, key=lambda folder: (len(folder.name), folder.name))


def cache_folder() -> Path:
    """Compile caches, which outlive the engines."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def _state_root() -> Path:
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> Path:
    named = Path(os.environ.get(variable) or "")
    # The XDG specification has relative paths ignored.
    return (named if named.is_absolute() else Path.home() / default) / "phrasemill"
