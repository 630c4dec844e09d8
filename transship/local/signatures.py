"""
Signatures: whoever names an access key must have signed with its secret ("AWS Signature Version 4", IAM User Guide).

The expected signature is computed by botocore's signers from what came over the wire: the headers that the client
says it signed, the path and the query as they were written, and the payload's hash. Signed in headers or in the query
(a presigned URL), by version 4, or by version 2 where boto3 still presigns for S3 by it.

Left out: the signatures of single chunks of an aws-chunked body, and the age of a signature in headers, since the
stack's clock may be a test's.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from botocore.auth import HmacV1QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotoCredentials

from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transship.local.accounts import Credentials
    from transship.local.protocol import AwsRequest

_PRESIGNED_SECONDS = 7 * 24 * 3600
"""Longest life of a presigned URL (Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters")."""

_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class SignatureMismatch(Exception):  # noqa: N818 - AWS's own name for it is SignatureDoesNotMatch
    """What was signed is not what came, or was not signed with the key's secret."""


def check_signature(request: AwsRequest, credentials: Credentials) -> None:
    """
    Return if *request* was signed with *credentials*.

    Raises:
        SignatureMismatch: It was not, or not with the session's token.
        AwsError: A presigned URL has expired or says for how long in no valid way.
    """
    if "AWSAccessKeyId" in request.query:
        given, expected = request.query.get("Signature", ""), _version_2(request, credentials)
    elif "X-Amz-Signature" in request.query:
        given, expected = request.query["X-Amz-Signature"], _presigned(request, credentials)
    else:
        fields = _authorization(request.headers.get("Authorization", ""))
        given, expected = fields.get("Signature", ""), _by_headers(request, credentials, fields)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise SignatureMismatch


def _authorization(header: str) -> dict[str, str]:
    pairs = (field.strip().partition("=") for field in header.partition(" ")[2].split(","))
    return {name: value for name, _, value in pairs}


def _by_headers(request: AwsRequest, credentials: Credentials, fields: Mapping[str, str]) -> str:
    _check_token(credentials, request.headers.get("X-Amz-Security-Token"))
    payload = _payload_hash(request)
    stamp = request.headers.get("X-Amz-Date", "")
    return _Version4(request, credentials, fields.get("SignedHeaders", ""), payload).expected(stamp)


def _presigned(request: AwsRequest, credentials: Credentials) -> str:
    query = request.query
    _check_token(credentials, query.get("X-Amz-Security-Token"))
    _check_age(query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", ""))
    payload = _UNSIGNED_PAYLOAD if request.service == "s3" else _payload_hash(request)
    return _Version4(request, credentials, query.get("X-Amz-SignedHeaders", ""), payload).expected(query["X-Amz-Date"])


def _check_token(credentials: Credentials, given: str | None) -> None:
    if (given or "") != (credentials.session_token or ""):
        raise SignatureMismatch


def _check_age(stamp: str, seconds: str) -> None:
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        life = int(seconds)
    except ValueError:
        life = -1
    if not 0 <= life <= _PRESIGNED_SECONDS:
        message = "X-Amz-Date must be a time and X-Amz-Expires a number of seconds of at most a week"
        raise AwsError("AuthorizationQueryParametersError", message, 400)
    if time.time() > signed + life:
        raise AwsError("AccessDenied", "Request has expired", 403)


def _payload_hash(request: AwsRequest) -> str:
    """Return the payload's hash; for S3 what it is told, which it checks while the body streams."""
    told = request.headers.get("X-Amz-Content-SHA256")
    if request.service == "s3":
        if not told:
            raise AwsError(
                "MissingContentSHA256", "Missing required header for this request: x-amz-content-sha256", 400
            )
        return told
    computed = hashlib.sha256(request.body).hexdigest()
    if told not in {None, computed}:  # botocore's signer would believe the header
        raise SignatureMismatch
    return computed


class _Version4(SigV4Auth):
    """botocore's signer, told which headers were signed and what the payload's hash is."""

    def __init__(self, request: AwsRequest, credentials: Credentials, signed: str, payload: str) -> None:
        scope = request.scope
        super().__init__(BotoCredentials(credentials.access_key, credentials.secret_key), scope.service, scope.region)
        self._request, self._signed, self._payload = request, frozenset(signed.split(";")), payload

    def expected(self, stamp: str) -> str:
        """Return the signature that a client at the time *stamp* must have come to."""
        asked = AWSRequest(self._request.http.method, _url(self._request, without="X-Amz-Signature"))
        for name, value in self._request.headers.items():
            asked.headers[name] = value
        asked.context["timestamp"] = stamp
        return str(self.signature(self.string_to_sign(asked, self.canonical_request(asked)), asked))

    def headers_to_sign(self, request: Any) -> Any:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self._signed:
                chosen[name.lower()] = value
        return chosen

    def payload(self, request: Any) -> str:
        del request
        return self._payload

    def _normalize_url_path(self, path: str) -> str:
        # S3 signs the path as it is: `a/../b` is a key.
        return path if self._request.service == "s3" else str(super()._normalize_url_path(path))  # type: ignore[misc]


class _Version2(HmacV1QueryAuth):
    """botocore's signer of presigned URLs, told when they expire."""

    def __init__(self, credentials: Credentials, expires: str) -> None:
        super().__init__(BotoCredentials(credentials.access_key, credentials.secret_key, credentials.session_token))
        self._until = expires

    def _get_date(self) -> str:
        return self._until


def _version_2(request: AwsRequest, credentials: Credentials) -> str:
    query = request.query
    _check_token(credentials, query.get("x-amz-security-token"))
    expires = query.get("Expires", "")
    if not expires.isdigit() or time.time() > int(expires):
        raise AwsError("AccessDenied", "Request has expired", 403)
    headers = HTTPHeaders()
    given = {name.lower(): value for fields in (query, dict(request.headers)) for name, value in fields.items()}
    for name, value in given.items():
        if name.startswith("x-amz-") or name in {"content-md5", "content-type"}:
            headers[name] = value
    signer = _Version2(credentials, expires)
    return str(signer.get_signature(request.http.method, urlsplit(_url(request)), headers))  # type: ignore[arg-type]


def _url(request: AwsRequest, *, without: str | None = None) -> str:
    """Return the URL as the client wrote it, *without* one parameter of the query."""
    path, _, query = request.environ["RAW_URI"].partition("?")
    kept = [pair for pair in query.split("&") if without is None or unquote(pair.partition("=")[0]) != without]
    return f"http://{request.headers['Host']}{path}?{'&'.join(kept)}"
