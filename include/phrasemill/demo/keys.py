"""The demo's own keys: random, made once, readable by their owner alone."""

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from phrasemill.demo.layout import Layout

ADMIN = "admin"


@dataclass(frozen=True)
class Keys:
    """Keys of the S3 server and the password of Airflow's `admin`."""

    s3_access_key: str
    s3_secret_key: str
    airflow_password: str


def load_keys(layout: Layout) -> Keys:
    """The keys of this state folder, made on the first call; parts that start side by side get the same."""
    path = layout.state / "keys.json"
    if not path.exists():
        layout.state.mkdir(parents=True, exist_ok=True)
        fresh = Keys(
            s3_access_key=f"demo{secrets.token_hex(8)}",
            s3_secret_key=secrets.token_urlsafe(30),
            airflow_password=secrets.token_urlsafe(12),
        )
        write_private(path, json.dumps(asdict(fresh), indent=2) + "\n")
    return Keys(**json.loads(path.read_text(encoding="utf-8")))


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step; if it is there already, it stays as it is."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent)  # of mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.link(partial, path)  # fails where rename would overwrite another process's keys
    except FileExistsError:
        pass
    finally:
        Path(partial).unlink()
