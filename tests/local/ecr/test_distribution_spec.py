"""
Every demand of the OCI distribution specification 1.1 on a registry, one by one: pull, push, discovery, management.

Each row names the endpoint (the specification's table "Endpoints"; end-14 is newer than 1.1), what is asked, and what
must come. Where ECR is
known to do something else, the row says "ECR" and demands that. What needs more than one request and one look stands
in test_registry_api.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.local.ecr.points_images import index_of
from tests.local.ecr.test_registry_api import INDEX, OCI, push
from tests.local.ecr.world import RegistryClient, World, error_code, manifest_of, sha256

ABSENT = sha256(b"absent")
LAYER = sha256(b"layer")
NEW = sha256(b"new")
AT = "/v2/team/app"


@dataclass(frozen=True)
class Point:
    """
    A request, after an image was pushed under the tags `1` and `2`, and what must come.

    `{digest}` is the image's digest, `{session}` an upload session that nothing was sent to, `{used}` one of 5 bytes.
    """

    method: str
    path: str
    status: int
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: dict[str, str] = field(default_factory=dict)
    json: Any = None


CHUNK = {"Content_Range": "5-9", "Content_Type": "application/octet-stream"}
PULL = {
    "end-1: the API says that it is there": Point("GET", "/v2/", 200),
    "end-2: GET of a blob (ECR redirects)": Point("GET", f"{AT}/blobs/{LAYER}", 307),
    "end-2: GET of an absent blob": Point("GET", f"{AT}/blobs/{ABSENT}", 404, "BLOB_UNKNOWN"),
    "end-2: HEAD of a blob": Point("HEAD", f"{AT}/blobs/{LAYER}", 200, headers={"Content-Length": "5"}),
    "end-2: HEAD of an absent blob": Point("HEAD", f"{AT}/blobs/{ABSENT}", 404),
    "end-3: GET of a manifest by tag": Point(
        "GET", f"{AT}/manifests/1", 200, headers={"Content-Type": OCI, "Docker-Content-Digest": "{digest}"}
    ),
    "end-3: GET of a manifest by digest": Point(
        "GET", f"{AT}/manifests/{{digest}}", 200, headers={"Content-Type": OCI, "Docker-Content-Digest": "{digest}"}
    ),
    "end-3: GET of an absent tag": Point("GET", f"{AT}/manifests/none", 404, "MANIFEST_UNKNOWN"),
    "end-3: GET of an absent digest": Point("GET", f"{AT}/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
    "end-3: GET in an absent repository": Point("GET", "/v2/no/such/manifests/1", 404, "NAME_UNKNOWN"),
    "end-3: HEAD of a manifest": Point(
        "HEAD", f"{AT}/manifests/1", 200, headers={"Content-Type": OCI, "Docker-Content-Digest": "{digest}"}
    ),
    "end-3: HEAD of an absent manifest": Point("HEAD", f"{AT}/manifests/none", 404),
}
PUSH = {
    "end-4a: POST opens a session": Point("POST", f"{AT}/blobs/uploads/", 202, headers={"Location": ""}),
    "end-4a: POST in an absent repository": Point("POST", "/v2/no/such/blobs/uploads/", 404, "NAME_UNKNOWN"),
    "end-4b: POST of a whole blob": Point(
        "POST", f"{AT}/blobs/uploads/?digest={NEW}", 201, headers={"Location": f"{AT}/blobs/{NEW}"}, body=b"new"
    ),
    "end-5: PATCH of a first chunk (ECR answers 201, not 202)": Point(
        "PATCH", "{session}", 201, headers={"Location": "{session}", "Range": "0-4"}, body=b"12345",
        sent={"Content_Range": "0-4"},
    ),
    "end-5: PATCH of a next chunk (ECR's Range stays)": Point(
        "PATCH", "{used}", 201, headers={"Location": "{used}", "Range": "0-4"}, body=b"67890", sent=CHUNK
    ),
    "end-5: PATCH out of order": Point(
        "PATCH", "{used}", 416, headers={"Location": "{used}", "Range": "0-4"}, body=b"67890",
        sent={"Content_Range": "6-10"},
    ),
    "end-5: PATCH of a stream without a range": Point("PATCH", "{session}", 201, body=b"stream"),
    "end-5: PATCH of an unknown session": Point(
        "PATCH", f"{AT}/blobs/uploads/00000000-0000-4000-8000-000000000000", 404, "BLOB_UPLOAD_UNKNOWN", body=b"x"
    ),
    "end-6: PUT of a whole blob": Point(
        "PUT", f"{{session}}?digest={NEW}", 201, headers={"Location": f"{AT}/blobs/{NEW}"}, body=b"new"
    ),
    "end-6: PUT after the last chunk": Point(
        "PUT", f"{{used}}?digest={sha256(b'12345')}", 201, headers={"Location": f"{AT}/blobs/{sha256(b'12345')}"}
    ),
    "end-6: PUT with the last chunk": Point(
        "PUT", f"{{used}}?digest={sha256(b'1234567890')}", 201, body=b"67890", sent=CHUNK
    ),
    "end-6: PUT with the wrong digest": Point("PUT", f"{{used}}?digest={NEW}", 400, "DIGEST_INVALID"),
    "end-6: PUT without a digest": Point("PUT", "{used}", 400, "DIGEST_INVALID"),
    "end-13: GET of a session": Point("GET", "{used}", 204, headers={"Location": "{used}", "Range": "0-4"}),
    "end-14: DELETE of a session": Point("DELETE", "{used}", 204),
    "end-11: POST that mounts (ECR, without the account setting: an upload)": Point(
        "POST", f"{AT}/blobs/uploads/?mount={LAYER}&from=team/other", 202, headers={"Location": ""}
    ),
    "end-11: POST that mounts what is nowhere": Point("POST", f"{AT}/blobs/uploads/?mount={ABSENT}&from=no/such", 202),
    "end-7: PUT of a manifest by tag": Point(
        "PUT", f"{AT}/manifests/3", 201, headers={"Location": "", "Docker-Content-Digest": "{digest}"},
        body=b"{manifest}", sent={"Content_Type": OCI},
    ),
    "end-7: PUT of a manifest by digest": Point(
        "PUT", f"{AT}/manifests/{{digest}}", 201, headers={"Location": ""}, body=b"{manifest}",
        sent={"Content_Type": OCI},
    ),
    "end-7: PUT of a manifest by another digest": Point(
        "PUT", f"{AT}/manifests/{ABSENT}", 400, "DIGEST_INVALID", body=b"{manifest}", sent={"Content_Type": OCI}
    ),
    "end-7: PUT of a manifest whose blob is absent": Point(
        "PUT", f"{AT}/manifests/3", 404, "MANIFEST_BLOB_UNKNOWN", body=manifest_of(b"{}", [b"absent"]).encode(),
        sent={"Content_Type": OCI},
    ),
    "end-7: PUT of an index whose child is absent (ECR refuses; the specification lets it)": Point(
        "PUT", f"{AT}/manifests/3", 404, "MANIFEST_BLOB_UNKNOWN", body=index_of(manifest_of(b"{}", [b"x"])).encode(),
        sent={"Content_Type": INDEX},
    ),
    "end-7: PUT of an index": Point(
        "PUT", f"{AT}/manifests/3", 201, body=b"{index}", sent={"Content_Type": INDEX}
    ),
    "end-7: PUT of a referrer whose subject is absent": Point(
        "PUT", f"{AT}/manifests/3", 201, headers={"OCI-Subject": ABSENT}, body=b"{referrer}", sent={"Content_Type": OCI}
    ),
}  # fmt: skip
DISCOVERY = {
    "end-8a: tags in lexical order": Point(
        "GET", f"{AT}/tags/list", 200, json={"name": "team/app", "tags": ["1", "2"]}
    ),
    "end-8a: tags of an absent repository": Point("GET", "/v2/no/such/tags/list", 404, "NAME_UNKNOWN"),
    "end-8b: so many tags at most, and where the rest is": Point(
        "GET", f"{AT}/tags/list?n=1", 200, headers={"Link": f'<{AT}/tags/list?n=1&last=1>; rel="next"'},
        json={"name": "team/app", "tags": ["1"]},
    ),
    "end-8b: tags after the last": Point(
        "GET", f"{AT}/tags/list?last=1", 200, json={"name": "team/app", "tags": ["2"]}
    ),
    "end-8b: no tags asked for": Point("GET", f"{AT}/tags/list?n=0", 200, json={"name": "team/app", "tags": []}),
    "end-12a: referrers of what has none": Point(
        "GET", f"{AT}/referrers/{{digest}}", 200, headers={"Content-Type": INDEX},
        json={"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    ),
    "end-12a: referrers of what is absent": Point(
        "GET", f"{AT}/referrers/{ABSENT}", 200, headers={"Content-Type": INDEX},
        json={"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    ),
    "end-12a: referrers of what is no digest": Point("GET", f"{AT}/referrers/1", 400, "DIGEST_INVALID"),
    "end-12b: a filter that was applied is said to be": Point(
        "GET", f"{AT}/referrers/{{digest}}?artifactType=a/b", 200, headers={"OCI-Filters-Applied": "artifactType"}
    ),
}  # fmt: skip
MANAGEMENT = {
    "end-9: DELETE of a tag": Point("DELETE", f"{AT}/manifests/1", 202),
    "end-9: DELETE of a manifest": Point("DELETE", f"{AT}/manifests/{{digest}}", 202),
    "end-9: DELETE of an absent manifest": Point("DELETE", f"{AT}/manifests/{ABSENT}", 404, "MANIFEST_UNKNOWN"),
    "end-10: DELETE of a blob (ECR has none)": Point("DELETE", f"{AT}/blobs/{LAYER}", 405, "UNSUPPORTED"),
}


POINTS = PULL | PUSH | DISCOVERY | MANAGEMENT


@pytest.fixture(name="client")
def _client(world: World) -> RegistryClient:
    world.repository()
    return world.registry_client()


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_demand_of_the_specification_is_met(client: RegistryClient, point: Point) -> None:
    names, bodies = prepared(client)

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    body = bodies.get(point.body, point.body)
    answer = client.request(point.method, filled(point.path), body, **point.sent)

    assert answer.status == point.status, answer.data
    if point.code:
        assert error_code(answer) == point.code
    if point.json is not None:
        assert answer.json() == point.json
    for name, value in point.headers.items():
        assert filled(value) in answer.headers[name]
        assert value == "" or answer.headers[name].partition(";")[0] == filled(value).partition(";")[0]
    if point.method == "HEAD":
        assert answer.data == b""


def prepared(client: RegistryClient) -> tuple[dict[str, str], dict[bytes, bytes]]:
    digest, manifest = push(client, "1")
    client.request("PUT", f"{AT}/manifests/2", manifest.encode(), Content_Type=OCI)
    session, used = (client.request("POST", f"{AT}/blobs/uploads/").headers["Location"] for _ in range(2))
    client.request("PATCH", used, b"12345", Content_Range="0-4")
    subject = {"mediaType": OCI, "digest": ABSENT, "size": 7}
    referrer = manifest_of(b'{"os":"linux"}', [b"layer"], subject=subject, artifactType="application/x.note")
    bodies = {
        b"{manifest}": manifest.encode(),
        b"{index}": index_of(manifest).encode(),
        b"{referrer}": referrer.encode(),
    }
    assert json.loads(manifest)["layers"][0]["digest"] == LAYER
    return {"digest": digest, "session": session, "used": used}, bodies


def test_every_endpoint_of_the_specification_has_a_demand() -> None:
    numbers = ("1", "2", "3", "4a", "4b", "5", "6", "7", "8a", "8b", "9", "10", "11", "12a", "12b", "13", "14")

    assert {demand.partition(":")[0] for demand in POINTS} == {f"end-{number}" for number in numbers}
