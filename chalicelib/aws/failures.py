"""
AWS's errors as ours: one table, read from top to bottom, the first row that fits decides.

What a code means may depend on the call: `LimitExceededException` of PutImage is a full repository, of BatchGetImage
a moment's excess. What no row knows: a fault of the server (5xx) is temporary, anything else is a refusal for good.
"Already there" is not in the table; the adapter that made the call takes it for success.

An error raised while reaching AWS at all (no connection, no reply in time) is temporary, whether or not the call had
its effect: every call is either safe to repeat or says how far it got.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as UnconnectedError
from msgspec import Struct

from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    ImagesAbsent,
    LayerRejected,
    LayersAbsent,
    LayerUploadGone,
    PartOutOfOrder,
    RepositoryAbsent,
    TagTaken,
    TemporaryError,
    ThrottledError,
    TransshipError,
)

_ASSUMING: Final = "AssumeRole"
_ON_RESOURCE: Final = re.compile(r"on resource: (\S+)")
_UNREACHED: Final = (
    UnconnectedError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    CredentialRetrievalError,
)


class Refusal(Struct, frozen=True):
    """
    An error that AWS answered with.

    Attributes:
        action: What IAM calls the call: `ecr:PutImage`.
        resource: ARN that it was about, or `*`.
        code: AWS's name of the error.
        status: HTTP status.
        words: AWS's own message.
        response: All of the answer, as botocore parsed it.
    """

    action: str
    resource: str
    code: str
    status: int
    words: str
    response: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """What happened, in one line."""
        return f"{self.action} on {self.resource}: {self.code}: {self.words}"

    def failed(self, code: Code) -> FailedError:
        """Return the end of the upload under *code*."""
        return FailedError(code, self.sentence, facts={"action": self.action, "resource": self.resource})


Fate = Callable[[Refusal], TransshipError]


def _temporary(refusal: Refusal) -> TransshipError:
    return TemporaryError(refusal.sentence)


def _ends(code: Code) -> Fate:
    return lambda refusal: refusal.failed(code)


def _answer(answer: type[TransshipError]) -> Fate:
    return lambda refusal: answer(refusal.sentence)


def _part_out_of_order(refusal: Refusal) -> TransshipError:
    # Members of a modeled exception stand at the top of the parsed response (ecr.md 1.0).
    return PartOutOfOrder(refusal.response.get("lastValidByteReceived"))


_TABLE: Final[tuple[tuple[str, str, Fate], ...]] = (
    # action                          error of AWS                                       fate
    (r"ecr:.*", r"RepositoryNotFoundException", _answer(RepositoryAbsent)),
    (r"ecr:.*", r"KmsException", _ends(Code.KMS)),
    (r"ecr:UploadLayerPart", r"InvalidLayerPartException", _part_out_of_order),
    (r"ecr:.*", r"UploadNotFoundException", _answer(LayerUploadGone)),
    (r"ecr:.*", r"InvalidLayerException|LayerPartTooSmallException|EmptyUploadException", _answer(LayerRejected)),
    (r"ecr:.*", r"LayersNotFoundException", _answer(LayersAbsent)),
    (r"ecr:.*", r"ReferencedImagesNotFoundException", _answer(ImagesAbsent)),
    (r"ecr:.*", r"ImageTagAlreadyExistsException", _answer(TagTaken)),
    (r"ecr:.*", r"ImageDigestDoesNotMatchException", _ends(Code.REGISTRY_REFUSED)),
    (r"ecr:.*", r"ImageNotFoundException", _ends(Code.REGISTRY_REFUSED)),
    (r"ecr:BatchGetImage", r"LimitExceededException|UnableToGetUpstreamImageException", _temporary),
    (r"ecr:.*", r"LimitExceededException|TooManyTagsException", _ends(Code.REGISTRY_LIMIT)),
    (r"ecr:.*", r"(InvalidParameter|Validation|InvalidTagParameter)Exception", _ends(Code.REGISTRY_REFUSED)),
    (r"ecr:.*", r"ServerException", _temporary),
    (
        r"s3:.*",
        r"NoSuchVersion|NoSuchKey|NoSuchBucket|404|MethodNotAllowed|405|InvalidObjectState",
        _ends(Code.OBJECT_GONE),
    ),
    (r"s3:.*", r"PreconditionFailed|412|InvalidRange|416", _ends(Code.OBJECT_CHANGED)),
    (r"dynamodb:.*", r"ConditionalCheckFailedException|TransactionCanceledException", _answer(ConflictError)),
    # Every service. Credentials that expired, or that IAM does not know yet, are good at the next attempt.
    (r".*", r"(Expired|Invalid)(Token|TokenException|ClientTokenId)|RequestExpired|RequestTimeTooSkewed", _temporary),
    (r".*", r"UnrecognizedClientException", _temporary),
    (r".*", r"AccessDenied(Exception)?|AllAccessDisabled|UnauthorizedOperation|403", _ends(Code.ACCESS_DENIED)),
    (r".*", r".*(Throttl|TooManyRequests|LimitExceeded|ThroughputExceeded|SlowDown).*|429", _answer(ThrottledError)),
    (r".*", r"RequestTimeout(Exception)?|InternalFailure|InternalError|ServiceUnavailable.*|503|500", _temporary),
)


def fate(refusal: Refusal) -> TransshipError:
    """Return the error of ours that *refusal* means."""
    for action, code, make in _TABLE:
        if re.fullmatch(action, refusal.action) and re.fullmatch(code, refusal.code):
            return make(refusal)
    return _temporary(refusal) if refusal.status >= 500 else refusal.failed(Code.REGISTRY_REFUSED)


@contextmanager
def aws_call(action: str, resource: str = "*") -> Iterator[None]:
    """
    Make a call of AWS whose errors leave as ours, chained to the original.

    Args:
        action: What IAM calls it, `service:Operation`.
        resource: ARN that it is about.

    Raises:
        TransshipError: As the table says.
    """
    try:
        yield
    except ClientError as error:
        raise fate(_refusal(error, action, resource)) from error
    except _UNREACHED as error:
        raise TemporaryError(f"{action} on {resource}: {type(error).__name__}") from error


def _refusal(error: ClientError, action: str, resource: str) -> Refusal:
    response: Mapping[str, Any] = error.response
    if error.operation_name == _ASSUMING:
        # The role is assumed at the first call that needs it: what failed is that, not the call.
        words = _ON_RESOURCE.search(str(response.get("Error", {}).get("Message", "")))
        action, resource = f"sts:{_ASSUMING}", words[1] if words else "*"
    return Refusal(
        action=action,
        resource=resource,
        code=str(response.get("Error", {}).get("Code", "")),
        status=int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
        words=str(response.get("Error", {}).get("Message", "")),
        response=response,
    )
