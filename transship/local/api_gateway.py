"""
API Gateway as far as Chalice deploys routes to it: moto's, which takes OpenAPI 3 where Chalice sends Swagger 2.0.

The document is relabelled on its way; what moto reads of it (paths, methods, integrations) is the same in both.
Nothing is served: routes are stored, not answered.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transship.local.caller import Caller
    from transship.local.protocol import AwsRequest


def take_swagger(request: AwsRequest, caller: Caller) -> None:
    """Relabel the document of ImportRestApi and PutRestApi; one of the front door's services."""
    del caller
    if request.operation not in {"ImportRestApi", "PutRestApi"}:
        return
    document = json.loads(request.body)
    if document.pop("swagger", None) is None:
        return
    document["openapi"] = "3.0.0"
    document["info"] = {"description": "", **document.get("info", {})}
    request.body = json.dumps(document).encode()
    request.environ["wsgi.input"] = BytesIO(request.body)
    request.environ["CONTENT_LENGTH"] = str(len(request.body))
