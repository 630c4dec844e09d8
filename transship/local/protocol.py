"""
One signed AWS request: whose key, which Region and service, which operation with which parameters.

moto's router, parsers and serializers read and write every AWS protocol from botocore's models; this file is the
one place that leans on them, so that nothing else of ours parses a query string or writes an XML error.

Left out: the check of the signature itself (`signatures.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.moto_api._internal import mock_random
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound

from transship.local.picker import RememberingPicker
from transship.local.protocol_error import AwsError
from transship.local.shapes import check_body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

    from transship.local.server import FileSlices

BODY_LIMIT = 100 << 20
"""Bytes of a request body that is parsed as a whole; CreateFunction's 50 MB zip is 67 MB as base64."""

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_MODELS = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi", "states": "stepfunctions"}
"""Service names as they are signed, where botocore's model has another."""


@dataclass(slots=True)
class Answer:
    """A response, ready to be sent."""

    status: int
    body: bytes | FileSlices = b""
    headers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of a signature."""

    access_key: str
    region: str
    service: str

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Scope | None:
        """Return the scope of a request signed by header or by query; None for an unsigned one."""
        text = environ.get("HTTP_AUTHORIZATION", "")
        if not text and "Signature=" in environ.get("QUERY_STRING", ""):
            query = _unreferred(environ).args
            if key := query.get("AWSAccessKeyId"):  # SigV2, which boto3 still uses for presigned URLs of S3
                return cls(key, "us-east-1", "s3")
            text = "Credential=" + query.get("X-Amz-Credential", "")
        match = _CREDENTIAL.search(text)
        return cls(match[1], match[2], match[3]) if match else None


class AwsRequest:
    """A request that has been matched to an operation of a service's model."""

    def __init__(self, environ: WSGIEnvironment, scope: Scope) -> None:
        """
        Match the request in *environ*.

        Every body but those of S3, which stream, is read into memory (at most `BODY_LIMIT` bytes), so that it
        can be parsed and passed on.

        Raises:
            AwsError: The service has no such operation, or the body is too large.
        """
        self.environ, self.scope = environ, scope
        self.service = _MODELS.get(scope.service, scope.service)
        self.streams: Final = self.service == "s3"
        if not self.streams:
            self._keep_body()
        self.http = _unreferred(environ)
        self.model, self.path_params = self._match()
        self.operation = str(self.model.name)

    @property
    def headers(self) -> Headers:
        """Request headers, names without regard to case."""
        return self.http.headers

    @property
    def protocol(self) -> str:
        """What the client speaks: `json`, `rest-json`, `query` or `rest-xml`."""
        return determine_request_protocol(get_service_model(self.service), self.http.content_type)

    @cached_property
    def query(self) -> dict[str, str]:
        """Parameters of the query string; one without a value is an empty text."""
        return dict(self.http.args.items())

    @cached_property
    def params(self) -> dict[str, Any]:
        """
        Members of the operation's input; where the body streams only those in path and query.

        Raises:
            AwsError: The body is not what the operation takes.
        """
        if self.streams:
            return {**self.path_params, **self.query}
        request = self.http
        if self.protocol == "json":
            check_body(self.service, self.model.input_shape, self.body)
        parsed = PROTOCOL_PARSERS[self.protocol](self.model, map_type=dict).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.data,
                "url_path": request.path,
                "url_params": self.path_params,
            }
        )
        self.environ["wsgi.input"] = BytesIO(self.body)
        return parsed or {}

    def answer(self, result: Mapping[str, Any]) -> Answer:
        """Return *result*, the members of the operation's output, in the client's protocol."""
        return self._serialized(result)

    def refuse(self, error: AwsError) -> Answer:
        """Return *error* in the client's protocol."""
        answer = self._serialized(error)
        answer.status = error.status
        if self.http.method == "HEAD":
            answer.body = b""
        return answer

    def _serialized(self, result: Any) -> Answer:
        serializer = get_serializer_class(self.service, self.protocol)
        response = serializer(operation_model=self.model, value_picker=RememberingPicker()).serialize(result)
        body = response["body"]
        headers = Headers(response["headers"])
        headers["x-amzn-RequestId"] = str(mock_random.uuid4())
        return Answer(int(response["status_code"]), body.encode() if isinstance(body, str) else body, headers)

    def _keep_body(self) -> None:
        self.body = self.environ["wsgi.input"].read(BODY_LIMIT + 1)
        if len(self.body) > BODY_LIMIT:
            raise AwsError("RequestEntityTooLargeException", f"the body exceeds {BODY_LIMIT} bytes", 413)
        self.environ["wsgi.input"] = BytesIO(self.body)
        self.environ["CONTENT_LENGTH"] = str(len(self.body))
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)

    def _match(self) -> tuple[Any, dict[str, Any]]:
        try:
            matched: tuple[Any, dict[str, Any]] = get_service_router(self.service).match(self.http)
        except NotFound as unknown:
            raise AwsError("UnknownOperationException", f"{self.scope.service} has no such operation", 404) from unknown
        if not self.streams:  # the router of the query protocols reads the form
            self.environ["wsgi.input"] = BytesIO(self.body)
            self.http = _unreferred(self.environ)
        return matched


def _unreferred(environ: WSGIEnvironment) -> Request:
    """Return the request in *environ*, to which that does not refer: in such a circle the body of a part stays long."""
    return Request(environ, populate_request=False)
