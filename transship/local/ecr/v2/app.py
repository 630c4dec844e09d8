"""
The registry API's front: paths, the token, and errors in the specification's shape.

Every request but a presigned download carries `Basic` credentials from GetAuthorizationToken, and nothing else is
accepted; a token is good for the registries of its own Region.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from transship.local.caller import Caller
from transship.local.ecr.downloads import PATH as DOWNLOADS
from transship.local.ecr.engine import Engine
from transship.local.ecr.errors import EcrError
from transship.local.ecr.registry import Registry
from transship.local.ecr.v2 import blobs, discovery, manifests, uploads
from transship.local.ecr.v2.errors import RegistryError
from transship.local.ecr.v2.exchange import Exchange

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Handler = Callable[[Exchange], Response]

_NAME = r"(?P<name>.+?)"
_REFERENCE = r"(?P<reference>[^/]+)"
_PATHS: dict[str, dict[str, Handler]] = {
    "": {"GET": discovery.ping, "HEAD": discovery.ping},
    "_catalog": {"GET": discovery.catalog},
    f"{_NAME}/tags/list": {"GET": discovery.tags},
    f"{_NAME}/referrers/{_REFERENCE}": {"GET": discovery.referrers},
    f"{_NAME}/manifests/{_REFERENCE}": {
        "GET": manifests.pull,
        "HEAD": manifests.pull,
        "PUT": manifests.push,
        "DELETE": manifests.delete,
    },
    f"{_NAME}/blobs/uploads/": {"POST": uploads.start},
    f"{_NAME}/blobs/uploads/{_REFERENCE}": {
        "GET": uploads.progress,
        "PATCH": uploads.add,
        "PUT": uploads.finish,
        "DELETE": uploads.cancel,
    },
    f"{_NAME}/blobs/{_REFERENCE}": {"GET": blobs.pull, "HEAD": blobs.head},
}
_ROUTES = tuple((re.compile(f"/v2/{path}"), handlers) for path, handlers in _PATHS.items())


class RegistryApp:
    """WSGI application of one registry."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine = engine
        self._registry = registry

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except EcrError as error:
            response = RegistryError.of(error).response()
        except RegistryError as error:
            response = error.response()
        except HTTPException as error:
            response = RegistryError(error.code or 400, "UNSUPPORTED", error.description or error.name).response()
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(DOWNLOADS):
            return blobs.download(self._engine, request)
        caller = self._authenticate(request)
        for pattern, handlers in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            handler = handlers.get(request.method)
            if handler is None:
                raise RegistryError(405, "UNSUPPORTED", "The operation is unsupported.")
            return handler(Exchange(self._engine, self._registry, caller, request, **match.groupdict()))
        raise RegistryError(404, "UNSUPPORTED", "404 page not found")

    def _authenticate(self, request: Request) -> Caller:
        given = request.authorization
        if given is not None and given.type == "basic":
            caller = self._engine.tokens.caller(given.username or "", given.password or "")
            if caller is not None and caller.region == self._registry.id.region:
                return caller
        challenge = f'Basic realm="{self._registry.url}/",service="ecr.amazonaws.com"'
        raise RegistryError(401, "UNAUTHORIZED", "Not Authorized", {"WWW-Authenticate": challenge})
