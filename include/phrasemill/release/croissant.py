"""croissant.json: the release in the words of Croissant 1.0, for tools that load data sets by description.

Format: Akhtar et al. 2024, "Croissant: A Metadata Format for ML-Ready Datasets"; http://mlcommons.org/croissant/1.0.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from phrasemill.release.contents import TABLES, TableKind
from phrasemill.release.errors import ReleaseError
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.release.place import FileEntry
from phrasemill.visible import visible

CROISSANT = "croissant.json"
FORMATS = {
    ".parquet": "application/x-parquet",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".md": "text/markdown",
    ".html": "text/html",
    ".zst": "application/zstd",
}
# fmt: off
TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)
# fmt: on
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in TERMS},
}
"""The context that the format asks for."""
NUMBERED_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


def croissant(
    manifest: ReleaseManifest, files: Sequence[FileEntry], schemas: Mapping[str, pa.Schema], *, licence: str | None
) -> bytes:
    """The description as JSON.

    Args:
        manifest: of the release; its `files` are not looked at.
        files: to be named, each with its sha256.
        schemas: by the name of a table, what its Parquet files have for columns.
        licence: of the phrases, if it is stated.
    """
    told: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{manifest.corpus} {manifest.version}",
        "description": _description(manifest),
        "inLanguage": manifest.language,
        "datePublished": manifest.created_at.isoformat(),
        "isLiveDataset": False,
        "keywords": ["synthetic", "phrases", manifest.language],
    }
    if licence:
        told["license"] = visible(licence)
    if version := NUMBERED_VERSION.fullmatch(manifest.version):
        told["version"] = ".".join(str(int(number or 0)) for number in version.groups())
    kinds = [kind for kind in TABLES if kind.name in schemas]
    told["distribution"] = [*map(_file_object, files), *map(_file_set, kinds)]
    told["recordSet"] = [_record_set(kind, schemas[kind.name]) for kind in kinds]
    return f"{json.dumps(told, indent=1, ensure_ascii=False)}\n".encode()


def _description(manifest: ReleaseManifest) -> str:
    model = f"{manifest.model} with {manifest.adapter}" if manifest.adapter else manifest.model
    return visible(
        f"{manifest.title}: {manifest.phrases:,} short phrases, written by the language model {model}. "
        "README.md is the data card.",
        most=10_000,
    )


def _file_object(entry: FileEntry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": next((kind for end, kind in FORMATS.items() if entry.path.endswith(end)), "text/plain"),
        "sha256": entry.sha256,
    }


def _file_set(kind: TableKind) -> dict[str, Any]:
    name = f"{kind.name}-files"
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": f"Files of the table {kind.name}.",
        "encodingFormat": FORMATS[".parquet"],
        "includes": kind.pattern,
    }


def _record_set(kind: TableKind, schema: pa.Schema) -> dict[str, Any]:
    keys = [{"@id": f"{kind.name}/{column}"} for column in kind.key]
    fields = [_field(kind, [], field) for field in schema]
    told = {"@type": "cr:RecordSet", "@id": kind.name, "name": kind.name, "description": kind.what, "field": fields}
    return told | ({"key": keys[0] if len(keys) == 1 else keys} if keys else {})


def _field(kind: TableKind, above: list[str], field: pa.Field) -> dict[str, Any]:
    """A column, or a part of one: then `above` has the names of the columns that it lies in."""
    path = [*above, field.name]
    name = "/".join(path)
    told: dict[str, Any] = {"@type": "cr:Field", "@id": f"{kind.name}/{name}", "name": name}
    told["description"] = f"lexeme from the lexicon {field.name}" if above else kind.columns.get(field.name, field.name)
    if pa.types.is_struct(field.type):
        return told | {"subField": [_field(kind, path, part) for part in field.type]}
    if repeated := pa.types.is_list(field.type):
        told["repeated"] = True
    told["dataType"] = _data_type(name, field.type.value_type if repeated else field.type)
    told["source"] = {"fileSet": {"@id": f"{kind.name}-files"}, "extract": {"column": path[0]}}
    if above:
        told["source"]["transform"] = {"jsonPath": ".".join(path[1:])}
    return told


def _data_type(name: str, kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _data_type(name, kind.value_type)
    checks = {
        "sc:Integer": pa.types.is_integer,
        "sc:Float": pa.types.is_floating,
        "sc:Text": pa.types.is_string,
        "sc:Boolean": pa.types.is_boolean,
    }
    for data_type, fits in checks.items():
        if fits(kind):
            return data_type
    raise ReleaseError(f"column {name} is of type {kind}, for which Croissant has no word; write another")
