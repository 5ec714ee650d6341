"""The YAML header of a release's README.md, as Hugging Face reads it.

Fields and their values: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from phrasemill.release.contents import PHRASES, TABLES, Footer, features
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.visible import visible

SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
# fmt: off
LICENCES = frozenset({
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
    "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1",
    "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "lppl-1.3c", "ms-pl",
    "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl",
    "lgpl-lr", "deepfloyd-if-license", "llama2", "gemma", "unknown",
})
# fmt: on
"""Identifiers that Hugging Face knows (https://huggingface.co/docs/hub/repositories-licenses)."""


def header(manifest: ReleaseManifest, footers: Mapping[str, Footer], *, licence: str | None) -> str:
    """The header with its marks, to stand at the very start of the card.

    Args:
        manifest: of the release; of its files the sizes are told.
        footers: of the tables, by name; one table's files taken together.
        licence: of the phrases, if it is stated.

    Raises:
        ReleaseError: a column of the phrases is of a type that the library datasets cannot load.
    """
    phrases = footers[PHRASES.name]
    told: dict[str, Any] = {
        "pretty_name": visible(f"{manifest.title} ({manifest.corpus} {manifest.version})"),
        "language": [manifest.language],
        **licence_fields(licence),
        "size_categories": [size_category(manifest.phrases)],
        "task_categories": ["text-generation"],
        "language_creators": ["machine-generated"],
        "annotations_creators": ["no-annotation"],
        "multilinguality": ["monolingual"],
        "source_datasets": ["original"],
        "tags": ["synthetic", "phrases", "hypertext"],
        "configs": [
            # Hugging Face's library cannot load a table without rows.
            _config(kind.name, kind.pattern)
            for kind in TABLES
            if kind.name in footers and footers[kind.name].rows
        ],
        "dataset_info": {
            "config_name": PHRASES.name,
            "features": features(phrases.schema),
            "splits": [{"name": "train", "num_bytes": phrases.bytes, "num_examples": phrases.rows}],
            "download_size": sum(entry.bytes for entry in PHRASES.files(manifest.files)),
            "dataset_size": phrases.bytes,
        },
    }
    # One line a value, however long: no line of a text can look like the mark that ends the header.
    return f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=float('inf'))}---\n"


def licence_fields(licence: str | None) -> dict[str, str]:
    """The licence as an identifier, or under a name of its own."""
    if licence is None:
        return {"license": "unknown"}
    if licence.lower() in LICENCES:
        return {"license": licence.lower()}
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-.")[:80] or "own-licence"
    link = {"license_link": licence} if re.fullmatch(r"https://[\w./%~-]+", licence, re.ASCII) else {}
    return {"license": "other", "license_name": name} | link


def size_category(phrases: int) -> str:
    """The category that a number of rows falls into, such as 10M<n<100M; a bound belongs to the one above it."""
    for place, bound in enumerate(SIZES):
        if phrases < 1000 ** (place // 3) * 10 ** (place % 3) * 1000:
            return f"n<{bound}" if place == 0 else f"{SIZES[place - 1]}<n<{bound}"
    return f"n>{SIZES[-1]}"


def _config(name: str, pattern: str) -> dict[str, Any]:
    files = [{"split": "train", "path": pattern}]
    return {"config_name": name, "data_files": files} | ({"default": True} if name == PHRASES.name else {})
