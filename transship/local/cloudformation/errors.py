"""What can be wrong with a template or a resource."""

from __future__ import annotations

from transship.local.protocol_error import AwsError


class TemplateError(AwsError):
    """The template, or what was passed with it, is refused before anything is made."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message)


class ResourceError(Exception):
    """A resource cannot be made as its properties say; the stack fails with this reason."""
