"""
Errors of the ECR API: each is one shape of botocore's model, with ECR's own text where it is known.

The texts come from ecr.md sections 1.5 and 1.7; texts that no source gives are worded alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transship.local.ecr.names import RegistryId


class ConnectionCut(Exception):  # noqa: N818 - it is no error of ours, it is what happens to the client
    """The connection is to be closed without a reply; raised only by a fault rule."""


class EcrError(Exception):
    """
    An answer that is an error.

    Attributes:
        code: Name of the shape.
        message: What ECR says.
        members: Modeled members beside the message.
        status: HTTP status; 400 for all but ServerException (ecr.md 1.0).
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def document(self) -> dict[str, Any]:
        """Return the body of the reply."""
        return {"__type": self.code, "message": self.message, **self.members}


def invalid_parameter(where: str, constraint: str) -> EcrError:
    """Return the error for parameter *where*, which does not satisfy *constraint*."""
    text = f"Invalid parameter at '{where}' failed to satisfy constraint: '{constraint}'"
    return EcrError("InvalidParameterException", text)


def repository_not_found(registry: RegistryId, name: str) -> EcrError:
    """Return the error for an absent repository."""
    text = f"The repository with name '{name}' does not exist in the registry with id '{registry.account}'"
    return EcrError("RepositoryNotFoundException", text)


def image_not_found(registry: RegistryId, repository: str, image_id: dict[str, str]) -> EcrError:
    """Return the error for an absent image, of an operation that has no failures list."""
    text = (
        f"The image with imageId {_given(image_id)} does not exist within the repository with name '{repository}' "
        f"in the registry with id '{registry.account}'"
    )
    return EcrError("ImageNotFoundException", text)


def scan_not_found(registry: RegistryId, repository: str, image_id: dict[str, str]) -> EcrError:
    """Return the error for an image that was never scanned."""
    text = (
        f"Image scan does not exist for the image with '{_given(image_id)}' in the repository with name '{repository}' "
        f"in the registry with id '{registry.account}'"
    )
    return EcrError("ScanNotFoundException", text)


def _given(image_id: dict[str, str]) -> str:
    named = ", ".join(f"{key}:'{value}'" for key, value in sorted(image_id.items()))
    return f"{{{named}}}"


def missing_content(code: str, what: str, digests: Iterable[str], registry: RegistryId, repository: str) -> EcrError:
    """Return the error for *what* (layers, images) that a manifest needs and the repository lacks."""
    text = (
        f"{what} with digests '[{', '.join(digests)}]' required for pushing image into repository with name "
        f"'{repository}' in the registry with id '{registry.account}' do not exist"
    )
    return EcrError(code, text)


def upload_not_found(registry: RegistryId, repository: str, upload_id: str) -> EcrError:
    """Return the error for an upload that is unknown, expired, or another repository's."""
    text = (
        f"The upload with id '{upload_id}' does not exist in the repository with name '{repository}' "
        f"in the registry with id '{registry.account}'"
    )
    return EcrError("UploadNotFoundException", text)


def limit_exceeded(what: str, limit: int) -> EcrError:
    """Return the error for more *what* than *limit*."""
    return EcrError("LimitExceededException", f"The operation would exceed the limit of {limit} {what}")


def server_error(message: str) -> EcrError:
    """Return the one error that is a 5xx."""
    return EcrError("ServerException", message, status=500)


def throttled() -> EcrError:
    """Return the answer to calls above a rate; not in the model, sent by the protocol (ecr.md 8.7)."""
    return EcrError("ThrottlingException", "Rate exceeded")
