"""The style sheet and the scripts of our pages: the files of static/, and nothing else."""

from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Request, Response

from phrasemill.report.data_docs import CONTENT_TYPES
from phrasemill.web.access import MAY_READ_SOME
from phrasemill.web.pages import etag_of, note, unchanged

router = APIRouter()


class StaticFile(NamedTuple):
    """One file, as it is sent."""

    content: bytes
    content_type: str
    etag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """By name, all that are in the package; read once."""
    folder = resources.files("phrasemill.web").joinpath("static")
    files = {}
    for file in folder.iterdir():
        kind = CONTENT_TYPES.get(PurePosixPath(file.name).suffix)
        if kind and file.is_file():
            content = file.read_bytes()
            files[file.name] = StaticFile(content, kind, etag_of(content))
    return files


@router.get("/static/{name}", dependencies=MAY_READ_SOME)
def static_file(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
    """A style sheet or a script; the browser keeps it and asks each time whether it is still the same."""
    file = static_files().get(name)
    if file is None:
        return note(request, "There is no such file.", 404)
    headers = {"ETag": file.etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if unchanged(request, file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.content_type, headers=headers)
