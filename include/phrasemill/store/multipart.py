"""Uploads in parts, for objects above a limit: several puts that become one object, or nothing at all."""

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from phrasemill.errors import StoreError
from phrasemill.store.refusals import FAILURES, code_of

MEBI = 2**20
MULTIPART_ABOVE = 100 * MEBI
"""Bytes above which an object goes up in parts. Amazon's S3 guide advises it from 100 MB on; one put may have 5 GB."""
PART_BYTES = 16 * MEBI
"""Bytes of a part: S3 wants 5 MiB at least and 10,000 parts at most, so this carries 160 GB."""
VARIABLE = "PHRASEMILL_MULTIPART_ABOVE"


def multipart_above() -> int:
    """The limit in bytes: MULTIPART_ABOVE, or what the variable PHRASEMILL_MULTIPART_ABOVE says.

    Raises:
        StoreError: the variable is no number of bytes that S3 takes.
    """
    told = os.environ.get(VARIABLE, "")
    if not told:
        return MULTIPART_ABOVE
    if not told.isdecimal() or not 0 < int(told) <= 5 * 2**30:
        raise StoreError(f"{VARIABLE}={told!r} is no limit: write bytes, up to 5 GiB (5368709120), or leave it out")
    return int(told)


def content_md5(content: bytes) -> str:
    """The Content-MD5 header of some bytes, which the server compares with what it got."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def put_in_parts(client: Any, content: bytes, *, bucket: str, key: str, **headers: Any) -> None:  # noqa: ANN401
    """Put an object in parts of PART_BYTES; each part's MD5 is checked by the server.

    The upload is aborted when anything fails, Ctrl-C included; what a killed process leaves is found by
    `phrasemill verify`. A completion whose answer was lost is recognised by the object's sha256.

    Raises:
        botocore's errors.
    """
    where = {"Bucket": bucket, "Key": key}
    with _upload(client, where, headers) as upload:
        parts = []
        for number, start in enumerate(range(0, len(content), PART_BYTES), 1):
            part = content[start : start + PART_BYTES]
            answer = client.upload_part(**upload, PartNumber=number, Body=part, ContentMD5=content_md5(part))
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        try:
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except FAILURES as error:
            # botocore retries a completion whose answer was lost; the upload is gone by then.
            if code_of(error) != "NoSuchUpload" or not _is_there(client, where, headers["Metadata"]["sha256"]):
                raise


@contextmanager
def _upload(client: Any, where: dict[str, str], headers: dict[str, Any]) -> Iterator[dict[str, str]]:  # noqa: ANN401
    upload = where | {"UploadId": client.create_multipart_upload(**where, **headers)["UploadId"]}
    finished = False
    try:
        yield upload
        finished = True
    finally:
        if not finished:
            with suppress(*FAILURES):  # what failed is told, not this
                client.abort_multipart_upload(**upload)


def _is_there(client: Any, where: dict[str, str], sha256: str) -> bool:  # noqa: ANN401
    return bool(client.head_object(**where)["Metadata"].get("sha256") == sha256)
