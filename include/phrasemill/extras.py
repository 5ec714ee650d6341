"""Optional parts of the installation: which packages a command needs, and how to get them."""

import contextlib
import importlib.util

from phrasemill.errors import PhrasemillError

BUCKETS = ("boto3",)
GATE = ("great_expectations", "pandas", "rensa")
PAGES = ("jinja2",)
CORPUS_FIGURES = ("rensa", "sacrebleu")
BROWSE = ("duckdb", "fastapi", "fsspec", "uvicorn")
SIMULATION = ("simpy",)
EXTRA_OF = dict.fromkeys((*BUCKETS, *GATE, *PAGES, *CORPUS_FIGURES, *BROWSE, *SIMULATION), "airflow")
"""By importable package, the extra of pyproject.toml that brings it."""


class ExtraMissing(PhrasemillError):
    """A command needs packages that are not installed; the message names the extra that brings them."""


def require(command: str, packages: tuple[str, ...]) -> None:
    """Find out, before a command does anything, whether its packages are there. Imports none of them.

    Raises:
        ExtraMissing: one is not.
    """
    missing = [package for package in packages if not _installed(package)]
    if missing:
        extras = ", ".join(sorted({EXTRA_OF[package] for package in missing}))
        raise ExtraMissing(
            f"phrasemill {command} needs {', '.join(missing)}: install phrasemill[{extras}], "
            "or run it where Airflow is installed"
        )


def _installed(package: str) -> bool:
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.util.find_spec(package) is not None
    return False
