"""One S3 bucket, over boto3: whole objects in and out, errors in the words of `phrasemill.errors`."""

import base64
import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from phrasemill.errors import ObjectDamaged, StoreError, StoreUnavailable

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
NEED_MENDING = (NoCredentialsError, PartialCredentialsError, ParamValidationError)
CONFLICT_TRIES = 5
CONFLICT = frozenset({"409", "ConditionalRequestConflict"})
EXISTS = frozenset({"412", "PreconditionFailed"})
UNCONDITIONAL = frozenset({"501", "NotImplemented", "InvalidArgument"})
"""What servers say that do not know If-None-Match."""
TRANSIENT_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "InternalError"})
FIXES = {
    "NoSuchBucket": "create the bucket, or correct storage.bucket in the corpus file",
    "AccessDenied": "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on it",
    "403": "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on it, and check the keys",
    "InvalidAccessKeyId": "correct the access key of the S3 connection",
    "SignatureDoesNotMatch": "correct the secret key of the S3 connection",
    "RequestTimeTooSkewed": "set this machine's clock",
    "ExpiredToken": "renew the credentials of the S3 connection",
    "NoCredentialsError": "give the S3 connection a key and a secret, or set AWS_ACCESS_KEY_ID and its fellows",
}


def client_config() -> Config:
    """How we talk to S3: path style, bounded retries and time-outs.

    botocore's newer default adds checksum headers that several S3-compatible servers refuse; the standard
    variables AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION bring them back.
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
    """One object of a listing; `size` in bytes, `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


class Bucket:
    """Whole-object access to one bucket.

    Every method raises StoreUnavailable where a later try may succeed and StoreError where somebody must mend
    something first.
    """

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401
        self._client = client
        self.name = name

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None if there is none.

        Raises:
            ObjectDamaged: they differ from what was put.
        """
        try:
            response = self._client.get_object(Bucket=self.name, Key=key)
            content: bytes = response["Body"].read()
        except FAILURES as error:
            if _code(error) in {"NoSuchKey", "404"}:
                return None
            raise self._translated(error, "get", key) from error
        written = response["Metadata"].get("sha256")
        if written and written != hashlib.sha256(content).hexdigest():
            raise ObjectDamaged(
                f"s3://{self.name}/{key}: its {len(content)} bytes are not those that were written there (sha256 "
                f"{written[:12]}); check the store's disks, then remove the object so that it is made again"
            )
        return content

    def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Write an object, whether or not there is one; the server checks its MD5."""
        try:
            self._put(key, content, content_type)
        except FAILURES as error:
            raise self._translated(error, "put", key) from error

    def put_if_absent(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> bool:
        """Write an object only if there is none; true if the object there now has our bytes.

        A 412 may be our own success, retried by boto3 after a lost answer, and some servers ignore
        If-None-Match or refuse it: so what lies there is read back and compared in every case.
        """
        condition = {"IfNoneMatch": "*"}
        for attempt in range(CONFLICT_TRIES):
            found = self.get(key)
            if found is not None:
                return found == content
            try:
                self._put(key, content, content_type, **condition)
            except FAILURES as error:
                code = _code(error)
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
            self._put(key, b"overwritten", "application/octet-stream", IfNoneMatch="*")
        except FAILURES as error:
            if _code(error) in EXISTS | CONFLICT:
                return False
            if _code(error) in UNCONDITIONAL:
                return True
            raise self._translated(error, "put", key) from error
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Objects under a prefix, in key order."""
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"], item["Size"], item["LastModified"].timestamp())
        except FAILURES as error:
            raise self._translated(error, "list", prefix) from error

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        try:
            for key in keys:
                # One by one: DeleteObjects wants an MD5 or a new checksum, on which servers differ.
                self._client.delete_object(Bucket=self.name, Key=key)
        except FAILURES as error:
            raise self._translated(error, "delete", keys[0]) from error

    def _put(self, key: str, content: bytes, content_type: str, **condition: str) -> None:
        self._client.put_object(
            Bucket=self.name,
            Key=key,
            Body=content,
            ContentType=content_type,
            ContentMD5=base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            Metadata={"sha256": hashlib.sha256(content).hexdigest()},
            **condition,
        )

    def _translated(self, error: Exception, action: str, key: str) -> StoreError:
        said = f"cannot {action} s3://{self.name}/{key}: {' '.join(str(error).split())}"
        if _may_pass(error):
            return StoreUnavailable(f"{said}; check that the S3 server runs and is reached, then retry")
        return StoreError(f"{said}; {FIXES.get(_code(error), 'check the S3 connection and the bucket policy')}")


def _code(error: Exception) -> str:
    """The S3 error code, or the status where the body has none; the class of an error without an answer."""
    if not isinstance(error, ClientError):
        return type(error).__name__
    return str(error.response.get("Error", {}).get("Code", ""))


def _may_pass(error: Exception) -> bool:
    """Whether a later try may succeed without anybody mending anything."""
    if not isinstance(error, ClientError):
        return not isinstance(error, NEED_MENDING)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _code(error) in TRANSIENT_CODES or status in {408, 429} or (status >= 500 and status != 501)
