"""An error on its way to a client, before it is known in which protocol."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error that the client shall see, in whatever protocol it speaks."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        """
        Describe the error.

        Args:
            code: Error code, as the service's model or documentation names it.
            message: For the reader.
            status: HTTP status.
            members: Further members of the error's shape.
        """
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        vars(self).update(members)  # where the serializer looks for members of the error's shape
