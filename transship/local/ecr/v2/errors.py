"""
Errors in the distribution specification's shape.

Codes and statuses follow the specification, but where ECR is known to differ ECR wins: what PutImage calls an invalid
parameter is 405 UNSUPPORTED, an immutable tag 400 TAG_INVALID, a missing child "manifest blob unknown".
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from transship.local.ecr.errors import EcrError

_STATUS_AND_CODE = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageNotFoundException": (404, "MANIFEST_UNKNOWN"),
    "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "LayerInaccessibleException": (404, "BLOB_UNKNOWN"),
    "UploadNotFoundException": (404, "BLOB_UPLOAD_UNKNOWN"),
    "InvalidLayerException": (400, "DIGEST_INVALID"),
    "ImageDigestDoesNotMatchException": (400, "DIGEST_INVALID"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "InvalidParameterException": (405, "UNSUPPORTED"),
    "LimitExceededException": (403, "DENIED"),
    "AccessDeniedException": (403, "DENIED"),
    "ThrottlingException": (429, "TOOMANYREQUESTS"),
    "ServerException": (500, "UNKNOWN"),
}


class RegistryError(Exception):
    """An answer that is an error of the registry API."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    @classmethod
    def of(cls, error: EcrError) -> RegistryError:
        """Return what the registry API says where the JSON API says *error*."""
        status, code = _STATUS_AND_CODE.get(error.code, (error.status, "UNKNOWN"))
        return cls(status, code, error.message)

    def response(self) -> Response:
        """Return the reply."""
        document: dict[str, Any] = {"errors": [{"code": self.code, "message": self.message}]}
        return Response(json.dumps(document), self.status, self.headers, content_type="application/json; charset=utf-8")


def unknown_manifest(reason: str) -> RegistryError:
    """Return the error for an absent image."""
    return RegistryError(404, "MANIFEST_UNKNOWN", reason)


def unknown_blob(digest: str) -> RegistryError:
    """Return the error for an absent layer."""
    return RegistryError(404, "BLOB_UNKNOWN", f"blob {digest} unknown to registry")
