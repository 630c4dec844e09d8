"""
The one door of the local AWS: every request is named, judged and sent to the service that answers it.

1. the credential scope gives access key, Region and service; the key gives the `Caller` and the secret that it must
   have signed with;
2. the service's model gives the operation and its parameters;
3. `actions.py` says which actions on which resources that takes, and the `Authorizer` whether the caller may;
4. one of our services answers, or else moto.

Left out: requests without a signature (anonymous reads of public buckets do not exist here).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from transship.local.actions import required_access
from transship.local.caller import AccessDenied, Authorizer, Caller, SessionExpired
from transship.local.context import current_caller
from transship.local.ecr.errors import ConnectionCut
from transship.local.protocol import Answer, AwsRequest, Scope
from transship.local.protocol_error import AwsError
from transship.local.signatures import SignatureMismatch, check_signature

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from transship.local.accounts import Credentials

Service = Callable[[AwsRequest, Caller], Answer | None]
"""Answers a request, or returns None to leave it to moto."""


_UNLOCKED = frozenset({"dynamodb"})
"""Services in which moto looks and then writes without a lock, where a caller counts on both being one."""

_log = logging.getLogger(__name__)


class Identities(Protocol):
    """Knows whose an access key is."""

    def resolve(self, access_key: str, region: str) -> Caller:
        """
        Return the principal that owns *access_key*.

        Raises:
            SessionExpired: A session did that is over.
            LookupError: Nobody does.
        """

    def credentials(self, access_key: str) -> Credentials:
        """
        Return what belongs to *access_key*.

        Raises:
            LookupError: Nobody owns it.
        """


class FrontDoor:
    """The WSGI application in front of all services."""

    def __init__(
        self,
        identities: Identities,
        authorizer: Authorizer,
        services: Mapping[str, Service],
        fallback: WSGIApplication,
    ) -> None:
        """
        Compose the door.

        Args:
            identities: Resolves access keys.
            authorizer: Judges what `actions.py` asks of the caller.
            services: By botocore's service name; the others are *fallback*'s.
            fallback: moto.
        """
        self._identities, self._authorizer = identities, authorizer
        self._services, self._fallback = services, fallback
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)  # only we say in whose name moto acts
        scope = Scope.of(environ)
        if scope is None:
            return _send(_UNSIGNED, start_response)
        try:
            request = AwsRequest(environ, scope)
        except AwsError as error:
            return _send(_plain(error), start_response)
        try:
            return self._serve(request, start_response)
        except AwsError as error:
            return _send(request.refuse(error), start_response)

    def _serve(self, request: AwsRequest, start_response: StartResponse) -> Iterable[bytes]:
        caller = self._caller(request)
        token = current_caller.set(caller)
        try:
            with _reported(request):
                request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._judge(request, caller)
                service = self._services.get(request.service)
                answer = service(request, caller) if service else None
                if answer is None:
                    return self._fall_back(request, start_response)
                return _send(answer, start_response)
        finally:
            current_caller.reset(token)

    def _fall_back(self, request: AwsRequest, start_response: StartResponse) -> Iterable[bytes]:
        with self._one_at_a_time if request.service in _UNLOCKED else nullcontext():
            return self._fallback(request.environ, start_response)

    def _caller(self, request: AwsRequest) -> Caller:
        key = request.scope.access_key
        try:
            caller = self._identities.resolve(key, request.scope.region)
            check_signature(request, self._identities.credentials(key))
        except SessionExpired:
            raise _EXPIRED.error(request, "The security token included in the request is expired") from None
        except LookupError:
            raise _INVALID_KEY.error(request, "The security token included in the request is invalid.") from None
        except SignatureMismatch:
            raise _MISMATCH.error(request, _MISMATCH_TEXT) from None
        return caller

    def _judge(self, request: AwsRequest, caller: Caller) -> str:
        """Return the account that owns what the request is about, once the caller may do it."""
        owner = caller.account
        for access in required_access(request, caller):
            if access.action != "iam:PassRole":  # the role is handed along, the request is about something else
                owner = access.resource_account
            try:
                self._authorizer.authorize(caller, access)
            except AccessDenied as denied:
                raise _DENIED.error(request, str(denied)) from denied
        return owner


@contextmanager
def _reported(request: AwsRequest) -> Iterator[None]:
    """Turn whatever fails into an error that the client can read."""
    try:
        yield
    except (AwsError, ConnectionCut):
        raise
    except NotImplementedError as missing:
        message = f"The local AWS has no {request.operation} of {request.service}. {missing}".strip()
        raise AwsError("NotImplemented", message, 501) from missing
    except Exception as failure:
        _log.exception("%s of %s failed", request.operation, request.service)
        raise AwsError("InternalFailure", f"The local AWS failed: {failure!r}", 500) from failure


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A code and a status by the client's protocol, and by service where one differs."""

    by_protocol: Mapping[str, tuple[str, int]]
    by_service: Mapping[str, tuple[str, int]]

    def error(self, request: AwsRequest, message: str) -> AwsError:
        code, status = self.by_service.get(request.service) or self.by_protocol[request.protocol]
        return AwsError(code, message, status)


# Codes and statuses as the services send them: IAM User Guide, "Troubleshoot access denied error messages", and
# "Common errors" in each service's API Reference. SQS keeps its query protocol's codes under JSON.
_DENIED = _Refusal(
    {
        "json": ("AccessDeniedException", 400),
        "rest-json": ("AccessDeniedException", 403),
        "query": ("AccessDenied", 403),
        "rest-xml": ("AccessDenied", 403),
    },
    {"sqs": ("AccessDenied", 403)},
)
_INVALID_KEY = _Refusal(
    {
        "json": ("UnrecognizedClientException", 400),
        "rest-json": ("UnrecognizedClientException", 403),
        "query": ("InvalidClientTokenId", 403),
        "rest-xml": ("InvalidClientTokenId", 403),
    },
    {"s3": ("InvalidAccessKeyId", 403), "sqs": ("InvalidClientTokenId", 403)},
)
_EXPIRED = _Refusal(
    {
        "json": ("ExpiredTokenException", 400),
        "rest-json": ("ExpiredTokenException", 403),
        "query": ("ExpiredToken", 403),
        "rest-xml": ("ExpiredToken", 400),
    },
    {"sqs": ("ExpiredToken", 403)},
)
_MISMATCH = _Refusal(
    {
        "json": ("InvalidSignatureException", 400),
        "rest-json": ("InvalidSignatureException", 403),
        "query": ("SignatureDoesNotMatch", 403),
        "rest-xml": ("SignatureDoesNotMatch", 403),
    },
    {"sqs": ("SignatureDoesNotMatch", 403)},
)
_MISMATCH_TEXT = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method."
)


def _plain(error: AwsError) -> Answer:
    """Return *error* for a request whose protocol is unknown."""
    text = f"<ErrorResponse><Error><Code>{error.code}</Code><Message>{error.message}</Message></Error></ErrorResponse>"
    return Answer(error.status, text.encode())


_UNSIGNED = _plain(AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403))


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(str(answer.status), list(answer.headers.items()))
    return answer.body if not isinstance(answer.body, bytes) else [answer.body]
