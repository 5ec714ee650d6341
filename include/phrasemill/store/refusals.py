"""What S3 servers say when they refuse or fail, in the words of `phrasemill.errors`: what to change, and where."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from phrasemill.errors import StoreError, StoreUnavailable

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
NEED_MENDING = (NoCredentialsError, PartialCredentialsError, ParamValidationError)
CONFLICT = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
EXISTS = frozenset({"412", "PreconditionFailed"})
MISSING = frozenset({"404", "NoSuchKey"})
UNCONDITIONAL = frozenset({"501", "NotImplemented", "InvalidArgument"})
"""What servers say that do not know If-None-Match."""
WRONG_CHECKSUM = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})
TRANSIENT_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "InternalError"})
PERMISSIONS = {
    "get": "s3:GetObject (and s3:ListBucket: without it a missing object reads as forbidden)",
    "put": "s3:PutObject",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
    "list uploads of": "s3:ListBucketMultipartUploads",
    "abort an upload of": "s3:AbortMultipartUpload",
}
"""What each action needs. An upload in parts needs s3:PutObject too."""
KEYS = "correct access key and secret key of the S3 connection"
REGION = "set region_name of the S3 connection (or AWS_DEFAULT_REGION) to the bucket's region"
FIXES = {
    "NoSuchBucket": "create the bucket, or correct storage.bucket in the corpus file",
    "InvalidAccessKeyId": "correct the access key of the S3 connection",
    "SignatureDoesNotMatch": "correct the secret key of the S3 connection",
    "InvalidToken": KEYS,
    "RequestTimeTooSkewed": "set this machine's clock",
    "ExpiredToken": "renew the credentials of the S3 connection",
    "TokenRefreshRequired": "renew the credentials of the S3 connection",
    "NoCredentialsError": "give the S3 connection a key and a secret, or set AWS_ACCESS_KEY_ID and its fellows",
    "PartialCredentialsError": KEYS,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "PermanentRedirect": REGION,
    "301": REGION,
    "EntityTooLarge": "lower shard_phrases, or raise the server's limit on objects",
    "NotImplemented": "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required, or another S3 server",
}
NOT_S3 = "check that endpoint_url is the address of S3 itself, http or https, and that the S3 server runs"
UNREACHED = dict.fromkeys(("SSLError", "ResponseParserError", "ConnectionClosedError", "500"), NOT_S3)
"""500 as the code, not the status alone: the answer was none of S3's, such as a web page."""
FULL = frozenset({"507", "InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "QuotaExceededException"})


def code_of(error: Exception) -> str:
    """The S3 error code, or the status where the body has none; the class of an error without an answer."""
    if not isinstance(error, ClientError):
        return type(error).__name__
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: Exception, action: str, where: str) -> StoreError:
    """Our error for one of FAILURES: StoreUnavailable where a later try may succeed by itself.

    Args:
        error: what botocore raised.
        action: a key of PERMISSIONS.
        where: the s3:// address.
    """
    said = f"cannot {action} {where}: {' '.join(str(error).split())}"
    code = code_of(error)
    if code in FULL:
        return StoreUnavailable(f"{said}; the store is full: free space or raise its quota, then retry")
    if _may_pass(error):
        return StoreUnavailable(
            f"{said}; {UNREACHED.get(code, 'check that the S3 server runs and is reached')}, then retry"
        )
    if code in {"AccessDenied", "403"}:
        fix = f"grant {PERMISSIONS[action]} on the bucket" + (", and check the keys" if code == "403" else "")
        return StoreError(f"{said}; {fix}")
    return StoreError(f"{said}; {FIXES.get(code, 'check the S3 connection and the bucket policy')}")


def _may_pass(error: Exception) -> bool:
    """Whether a later try may succeed without anybody mending anything."""
    if not isinstance(error, ClientError):
        return not isinstance(error, NEED_MENDING)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code_of(error) in TRANSIENT_CODES | CONFLICT or status in {408, 429} or (status >= 500 and status != 501)
