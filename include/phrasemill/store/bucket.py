"""One S3 bucket, over boto3: whole objects in and out, errors in the words of `phrasemill.errors`."""

import datetime as dt
import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, HTTPClientError, IncompleteReadError

from phrasemill.errors import ObjectDamaged, StoreError, StoreUnavailable
from phrasemill.store.multipart import content_md5, multipart_above, put_in_parts
from phrasemill.store.refusals import (
    CONFLICT,
    EXISTS,
    FAILURES,
    MISSING,
    UNCONDITIONAL,
    WRONG_CHECKSUM,
    code_of,
    translated,
)

CONFLICT_TRIES = 5  # 3 to 12 s in all
READ_TRIES = 3  # of a body that breaks off or reads otherwise than it was written; botocore retries headers only
BROKEN_OFF = (HTTPClientError, IncompleteReadError)
BEYOND_END = frozenset({"416", "InvalidRange"})
BINARY = "application/octet-stream"


def client_config() -> Config:
    """How we talk to S3: path style, bounded retries and time-outs.

    One call takes 5 tries of 60 s at most, and 10 s to connect for each. botocore's newer default adds checksum
    headers that several S3-compatible servers refuse; the standard variables AWS_REQUEST_CHECKSUM_CALCULATION and
    AWS_RESPONSE_CHECKSUM_VALIDATION bring them back.
    """
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        max_pool_connections=32,
        request_checksum_calculation=os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required").lower(),
        response_checksum_validation=os.environ.get("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required").lower(),
    )


def client_from_environment() -> Any:  # noqa: ANN401
    """An S3 client from boto3's own chain: AWS_ENDPOINT_URL, keys, profile.

    Raises:
        StoreError: no region or credentials make sense.
    """
    try:
        return boto3.session.Session().client(
            "s3", config=client_config(), region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
        )
    except (BotoCoreError, ValueError) as error:
        raise StoreError(f"S3 cannot be set up ({error}); set AWS_ENDPOINT_URL and the AWS keys") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `size` in bytes, `modified` in seconds since the epoch by the server's clock.

    `etag` changes with the content, and is the same in a listing and in the answer to a get; empty where the server
    tells none.
    """

    key: str
    size: int
    modified: float
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that was neither completed nor aborted; `begun` in seconds since the epoch."""

    key: str
    upload_id: str
    begun: float


class Bucket:
    """Whole-object access to one bucket.

    Every method raises StoreUnavailable where a later try may succeed and StoreError where somebody must mend
    something first.

    Args:
        client: boto3's, with `client_config`.
        name: the bucket's.
        parts_above: bytes above which an object is put in parts; see `phrasemill.store.multipart`.
    """

    def __init__(self, client: Any, name: str, *, parts_above: int | None = None) -> None:  # noqa: ANN401
        self._client = client
        self._parts_above = multipart_above() if parts_above is None else parts_above
        self.name = name

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is none.

        Bytes that differ from what was put are read again, since most often it is the way that spoils them.

        Raises:
            ObjectDamaged: they differ every time.
        """
        for attempt in range(1, READ_TRIES + 1):
            try:
                response = self._client.get_object(Bucket=self.name, Key=key)
            except FAILURES as error:
                if code_of(error) in MISSING:
                    return None
                raise self._translated(error, "get", key) from error
            try:
                content: bytes = response["Body"].read()
            except BROKEN_OFF as error:
                if attempt == READ_TRIES:
                    raise self._translated(error, "get", key) from error
                continue
            written = response["Metadata"].get("sha256")
            if not written or written == hashlib.sha256(content).hexdigest():
                return content
        raise ObjectDamaged(
            f"s3://{self.name}/{key}: its {len(content)} bytes are not those that were written there (sha256 "
            f"{written[:12]}); check the store's disks, then run phrasemill verify, which says what can be made again"
        )

    def get_range(self, key: str, first: int, length: int) -> bytes:
        """`length` bytes of an object from byte `first` on, fewer at its end; what is read is not checked.

        Raises:
            StoreError: there is no such object.
        """
        if length <= 0:
            return b""
        for attempt in range(1, READ_TRIES + 1):
            try:
                answer = self._client.get_object(Bucket=self.name, Key=key, Range=f"bytes={first}-{first + length - 1}")
                content: bytes = answer["Body"].read()
            except (*FAILURES, *BROKEN_OFF) as error:
                if code_of(error) in BEYOND_END:
                    return b""
                if code_of(error) in MISSING or attempt == READ_TRIES or not isinstance(error, BROKEN_OFF):
                    raise self._translated(error, "get", key) from error
            else:
                # Some servers send the whole object all the same.
                whole = answer["ResponseMetadata"]["HTTPStatusCode"] == 200
                return content[first : first + length] if whole else content
        raise StoreUnavailable(f"s3://{self.name}/{key}: cannot be read; retry later")

    def put(self, key: str, content: bytes, *, content_type: str = BINARY) -> None:
        """Write an object, whether or not there is one; the server checks its MD5. Large ones go up in parts."""
        try:
            if len(content) > self._parts_above:
                put_in_parts(
                    self._client,
                    content,
                    bucket=self.name,
                    key=key,
                    ContentType=content_type,
                    Metadata=_metadata(content),
                )
            else:
                self._put(key, content, content_type)
        except FAILURES as error:
            raise self._translated(error, "put", key) from error

    def put_if_absent(self, key: str, content: bytes, *, content_type: str = BINARY) -> bool:
        """Write an object only if there is none; true if the object there now has our bytes.

        A 412 may be our own success, retried by boto3 after a lost answer, and some servers ignore
        If-None-Match or refuse it: so what lies there is read back and compared in every case. It is one put,
        whatever its size: parts cannot be conditional on all servers.
        """
        condition = {"IfNoneMatch": "*"}
        for attempt in range(CONFLICT_TRIES):
            found = self.get(key)
            if found is not None:
                return found == content
            try:
                self._put(key, content, content_type, **condition)
            except FAILURES as error:
                code = code_of(error)
                if code in UNCONDITIONAL and condition:
                    condition = {}
                elif code in CONFLICT:
                    time.sleep(random.uniform(0.1, 0.4) * 2**attempt)  # noqa: S311
                elif code not in EXISTS:
                    raise self._translated(error, "put", key) from error
        found = self.get(key)
        if found is None:
            raise StoreUnavailable(f"s3://{self.name}/{key}: conditional puts keep colliding; retry later")
        return found == content

    def ignores_condition(self, key: str) -> bool:
        """Whether the server overwrites an existing object in spite of If-None-Match: *, or does not know it."""
        try:
            self._put(key, b"overwritten", BINARY, IfNoneMatch="*")
        except FAILURES as error:
            if code_of(error) in EXISTS | CONFLICT:
                return False
            if code_of(error) in UNCONDITIONAL:
                return True
            raise self._translated(error, "put", key) from error
        return True

    def ignores_checksum(self, key: str) -> bool:
        """Whether the server takes an object whose Content-MD5 is that of other bytes."""
        try:
            self._put(key, b"damaged on the way", BINARY, ContentMD5=content_md5(b"as it was sent"))
        except FAILURES as error:
            if code_of(error) in WRONG_CHECKSUM:
                return False
            raise self._translated(error, "put", key) from error
        return True

    def server_time(self) -> dt.datetime | None:
        """The server's clock, to the second, by the Date of a listing; None if it tells none."""
        try:
            answer = self._client.list_objects_v2(Bucket=self.name, MaxKeys=1)
        except FAILURES as error:
            raise self._translated(error, "list", "") from error
        told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(told).astimezone(dt.UTC)
        except ValueError:
            return None

    def entry(self, key: str) -> Entry | None:
        """What a listing would say of one object, or None if there is none; nothing of it is read."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except FAILURES as error:
            if code_of(error) in MISSING:
                return None
            raise self._translated(error, "get", key) from error
        return Entry(key, answer["ContentLength"], answer["LastModified"].timestamp(), _etag(answer))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Objects under a prefix, in key order."""
        for page in self._pages("list_objects_v2", "list", prefix):
            for item in page.get("Contents", ()):
                yield Entry(item["Key"], item["Size"], item["LastModified"].timestamp(), _etag(item))

    def folders(self, prefix: str) -> list[str]:
        """Prefixes one slash below `prefix`, such as `reports/2026-11-23/` below `reports/`, in order.

        A thousand of them come with one request, however many objects they hold.
        """
        pages = self._pages("list_objects_v2", "list", prefix, Delimiter="/")
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Uploads in parts under a prefix that were neither completed nor aborted."""
        for page in self._pages("list_multipart_uploads", "list uploads of", prefix):
            for item in page.get("Uploads", ()):
                if item["Key"].startswith(prefix):  # not all servers mind the prefix
                    yield Upload(item["Key"], item["UploadId"], item["Initiated"].timestamp())

    def abort(self, upload: Upload) -> None:
        """Remove the parts of an unfinished upload; one that is gone is passed over."""
        try:
            self._client.abort_multipart_upload(Bucket=self.name, Key=upload.key, UploadId=upload.upload_id)
        except FAILURES as error:
            if code_of(error) not in MISSING | {"NoSuchUpload"}:
                raise self._translated(error, "abort an upload of", upload.key) from error

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        for key in keys:
            try:
                # One by one: DeleteObjects wants an MD5 or a new checksum, on which servers differ.
                self._client.delete_object(Bucket=self.name, Key=key)
            except FAILURES as error:
                if code_of(error) not in MISSING:  # so some servers answer when a delete is tried again
                    raise self._translated(error, "delete", key) from error

    def _pages(self, operation: str, action: str, prefix: str, **how: str) -> Iterator[dict[str, Any]]:
        try:
            yield from self._client.get_paginator(operation).paginate(Bucket=self.name, Prefix=prefix, **how)
        except FAILURES as error:
            raise self._translated(error, action, prefix) from error

    def _put(self, key: str, content: bytes, content_type: str, **headers: str) -> None:
        checked = {"ContentMD5": content_md5(content)} | headers
        self._client.put_object(
            Bucket=self.name, Key=key, Body=content, ContentType=content_type, Metadata=_metadata(content), **checked
        )

    def _translated(self, error: Exception, action: str, key: str) -> StoreError:
        return translated(error, action, f"s3://{self.name}/{key}")


def _metadata(content: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(content).hexdigest()}


def _etag(answer: dict[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"')
