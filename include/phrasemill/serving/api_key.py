"""The engines' API key: from the environment or a private file. A command line can be read by every user."""

import ipaddress
import os
from pathlib import Path

from phrasemill.serving.errors import ServingError

VARIABLE = "PHRASEMILL_API_KEY"
OTHERS = 0o077


class ApiKeyUnsafe(ServingError):
    """The API key is missing where one is needed, or lies where others may read it."""


def read_api_key(file: Path | None) -> str | None:
    """The API key in `file` if one is given, else that of the environment; None if there is none.

    Raises:
        ApiKeyUnsafe: the file cannot be read, is empty, or is readable by other users.
    """
    if file is None:
        return os.environ.get(VARIABLE) or None
    try:
        mode = file.stat().st_mode
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ApiKeyUnsafe(f"{file}: cannot be read ({error}); give a file with the API key alone in it") from error
    if mode & OTHERS:
        raise ApiKeyUnsafe(f"{file}: other users may read this API key (mode {mode & 0o777:04o}); chmod 600 {file}")
    if not key or len(key.split()) != 1:
        raise ApiKeyUnsafe(f"{file}: holds no API key; write one word into it")
    return key


def check_exposure(host: str, api_key: str | None, *, without_key: bool) -> str | None:
    """A warning if engines on `host` answer everybody who reaches this machine; None if they do not.

    Raises:
        ApiKeyUnsafe: they would, and `without_key` does not say that this is meant.
    """
    if api_key or is_loopback(host):
        return None
    if not without_key:
        raise ApiKeyUnsafe(
            f"engines on {host} without an API key would answer everybody who reaches this machine; "
            f"set {VARIABLE} or give --api-key-file, or say that this is meant with --without-key"
        )
    return f"engines on {host} have no API key: they answer everybody who reaches this machine"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Names other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
