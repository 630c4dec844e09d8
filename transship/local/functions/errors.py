"""
Errors of Lambda's Invoke API, with the codes and statuses of botocore's model.

    InvokeError
    ├── ResourceNotFoundError      404  no such function
    ├── InvalidRequestContentError 400  the payload is not JSON
    ├── RequestTooLargeError       413  the payload is longer than Lambda takes
    ├── TooManyRequestsError       429  no concurrency left
    ├── RecursiveInvocationError   400  the chain of invocations came back too often
    ├── InvalidRuntimeError        502  the function asks for another Python than this one
    ├── InvalidZipFileError        502  its code is no zip
    └── ServiceError               500  the function cannot be run here

A function that fails is no error of Invoke: see `invocation.Outcome`.
"""

from __future__ import annotations

from typing import ClassVar


class InvokeError(Exception):
    """An invocation was refused; `str()` is the message for the caller."""

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500

    def members(self) -> dict[str, str]:
        """Return the members of the error's shape beside the message."""
        return {"Type": "User" if self.status < 500 else "Service"}


class ResourceNotFoundError(InvokeError):
    """There is no such function."""

    code, status = "ResourceNotFoundException", 404


class InvalidRequestContentError(InvokeError):
    """The payload is not JSON."""

    code, status = "InvalidRequestContentException", 400


class RequestTooLargeError(InvokeError):
    """The payload is longer than Lambda takes."""

    code, status = "RequestTooLargeException", 413


class TooManyRequestsError(InvokeError):
    """The function's or the account's concurrency is used up."""

    code, status = "TooManyRequestsException", 429

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason

    def members(self) -> dict[str, str]:
        """Return the members of the error's shape beside the message."""
        return {**super().members(), "Reason": self.reason}


class RecursiveInvocationError(InvokeError):
    """Lambda has detected the function being invoked in a recursive loop."""

    code, status = "RecursiveInvocationException", 400


class InvalidRuntimeError(InvokeError):
    """The function asks for a runtime that this machine does not have."""

    code, status = "InvalidRuntimeException", 502


class InvalidZipFileError(InvokeError):
    """Lambda could not unzip the deployment package."""

    code, status = "InvalidZipFileException", 502


class ServiceError(InvokeError):
    """The function cannot be run here."""
