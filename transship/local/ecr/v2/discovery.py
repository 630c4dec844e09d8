"""What there is: the API itself, repositories, tags and referrers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from transship.local.ecr.manifests import OCI_INDEX
from transship.local.ecr.model import largest_page
from transship.local.ecr.names import is_digest
from transship.local.ecr.v2.errors import RegistryError
from transship.local.ecr.v2.exchange import Exchange

_MAX_PAGE = 1000


def ping(_: Exchange) -> Response:
    """Say that this is version 2, to who has a token."""
    return Response("{}", content_type="application/json; charset=utf-8")


def catalog(exchange: Exchange) -> Response:
    """List the repositories."""
    names = [entry["repositoryName"] for entry in _all(exchange, "DescribeRepositories", "repositories")]
    return _listing(exchange, {}, "repositories", names)


def tags(exchange: Exchange) -> Response:
    """List a repository's tags in lexical order."""
    ids = _all(exchange, "ListImages", "imageIds", filter={"tagStatus": "TAGGED"})
    names = sorted(entry["imageTag"] for entry in ids)
    return _listing(exchange, {"name": exchange.name}, "tags", names)


def referrers(exchange: Exchange) -> Response:
    """Return an index of the artifacts whose subject is the digest, which need not exist."""
    subject, wanted = exchange.reference, exchange.request.args.get("artifactType")
    if not is_digest(subject):
        raise RegistryError(400, "DIGEST_INVALID", f"{subject} is not a sha256 digest")
    filters: dict[str, Any] = {"filter": {"artifactTypes": [wanted]}} if wanted else {}
    found = _all(exchange, "ListImageReferrers", "referrers", subjectId={"imageDigest": subject}, **filters)
    members = ("mediaType", "digest", "size", "artifactType", "annotations")
    manifests = [{key: entry[key] for key in members if entry.get(key)} for entry in found]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    response = Response(json.dumps(document), content_type=OCI_INDEX)
    if wanted:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    return response


def _all(exchange: Exchange, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    size = largest_page(operation)
    token: dict[str, str] = {}
    while True:
        answer = exchange.perform(operation, maxResults=size, **parameters, **token)
        yield from answer[member]
        if "nextToken" not in answer:
            return
        token = {"nextToken": answer["nextToken"]}


def _listing(exchange: Exchange, head: dict[str, str], member: str, names: list[str]) -> Response:
    arguments = exchange.request.args
    size = min(arguments.get("n", _MAX_PAGE, int), _MAX_PAGE)
    if size < 0:
        raise RegistryError(400, "PAGINATION_NUMBER_INVALID", "n must not be negative")
    last = arguments.get("last")
    rest = [name for name in names if last is None or name > last]
    response = Response(json.dumps(head | {member: rest[:size]}), content_type="application/json; charset=utf-8")
    if 0 < size < len(rest):
        query = urlencode({"n": size, "last": rest[size - 1]})
        response.headers["Link"] = f'<{exchange.request.path}?{query}>; rel="next"'
    return response
