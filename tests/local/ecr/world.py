"""
The local ECR behind real HTTP, seen through real boto3 clients.

One server and one client per account and Region serve the whole run; each test gets a service of its own behind them.
Time is moved by hand, and what happens later happens when a test calls `settle`.
Every answer is held against botocore's output shape.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.ecr.shapes import check_answer
from transship.local.caller import AccessDenied, AccessRequest, Caller
from transship.local.clock import ManualClock
from transship.local.ecr import EcrService, parse_fault
from transship.local.server import WsgiServer

ACCOUNT, OTHER = "111122223333", "444455556666"
SOURCE = (ACCOUNT, "us-east-1")
MIB = 1024 * 1024

_CREDENTIAL = re.compile(r"Credential=AKIA(?P<account>\d{12})[^/]*/\d+/(?P<region>[a-z0-9-]+)/ecr/")


class RecordingAuthorizer:
    """Allows all but the actions in `denied`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.asked: list[AccessRequest] = []

    def authorize(self, caller: Caller, request: AccessRequest) -> None:
        self.asked.append(request)
        if request.action in self.denied:
            message = (
                f"User: {caller.arn} is not authorized to perform: {request.action} on resource: {request.resource}"
            )
            raise AccessDenied(message)


def caller_of(account: str, region: str) -> Caller:
    return Caller(account, region, f"arn:aws:iam::{account}:user/tester", "AIDATESTER", f"AKIA{account}")


class JsonFront:
    """The part of a front door that ECR needs: who calls, which operation."""

    def __init__(self) -> None:
        self.service: EcrService | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        match = _CREDENTIAL.search(environ["HTTP_AUTHORIZATION"])
        assert match is not None
        assert self.service is not None
        operation = environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2]
        caller = caller_of(match["account"], match["region"])
        status, headers, body = self.service.json_api(caller, operation, environ["wsgi.input"].read())
        start_response(f"{status} ", list(headers.items()))
        return [body]


class RegistryFront:
    """The registry API of one registry of whichever service is current."""

    def __init__(self, front: JsonFront, account: str, region: str) -> None:
        self.front, self.account, self.region = front, account, region

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.front.service is not None
        return self.front.service.registry_app(self.account, self.region)(environ, start_response)


@dataclass
class Servers:
    """The HTTP servers of the run, and the clients that talk to them."""

    front: JsonFront
    api: WsgiServer
    registries: dict[tuple[str, str], WsgiServer] = field(default_factory=dict)
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    session: boto3.Session = field(default_factory=boto3.Session)

    def client(self, account: str, region: str) -> Any:
        if (account, region) not in self.clients:
            self.clients[account, region] = self.session.client(
                "ecr",
                region_name=region,
                endpoint_url=self.api.url,
                aws_access_key_id=f"AKIA{account}AAAA",
                aws_secret_access_key="secret",
                # A boundary is judged by the server, not by botocore; and a fault is seen once.
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=20),
            )
            self.clients[account, region].meta.events.register("after-call.ecr", check_answer)
        return self.clients[account, region]

    def registry(self, account: str, region: str) -> WsgiServer:
        if (account, region) not in self.registries:
            server = WsgiServer(RegistryFront(self.front, account, region))
            server.start()
            self.registries[account, region] = server
        return self.registries[account, region]


@dataclass
class RegistryClient:
    """Plain HTTP to one registry, with the token of GetAuthorizationToken."""

    url: str
    token: str

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """Send one request; underscores in header names stand for dashes. Redirects are not followed."""
        sent = {"Authorization": f"Basic {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        target = path if path.startswith("http") else self.url + path
        return _pool.request(method, target, body=body, headers=sent, redirect=False, retries=False)

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """GET *path*."""
        return self.request("GET", path, **headers)

    def put_blob(self, repository: str, data: bytes) -> str:
        """Upload a blob by POST and PUT, and return its digest."""
        session = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        digest = sha256(data)
        answer = self.request("PUT", f"{session.headers['Location']}?digest={digest}", data)
        assert answer.status == 201, answer.data
        return digest


def error_code(answer: urllib3.BaseHTTPResponse) -> str:
    """Return the code of the first error in the specification's shape."""
    return str(answer.json()["errors"][0]["code"])


_pool = urllib3.PoolManager(maxsize=4)


@dataclass
class World:
    """One service and all that a test asks of it."""

    servers: Servers
    service: EcrService
    clock: ManualClock
    authorizer: RecordingAuthorizer
    events: list[dict[str, Any]]

    def client(self, account: str = ACCOUNT, region: str = "us-east-1") -> Any:
        return self.servers.client(account, region)

    @property
    def ecr(self) -> Any:
        return self.client()

    def fault(self, text: str) -> None:
        self.service.faults.add(parse_fault(text))

    def settle(self) -> None:
        self.service.settle()

    def repository(self, name: str = "team/app", **settings: Any) -> str:
        self.ecr.create_repository(repositoryName=name, **settings)
        return name

    def upload(self, repository: str, data: bytes, client: Any = None, part: int = 10 * MIB) -> str:
        ecr = client or self.ecr
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        for first in range(0, len(data), part):
            send_part(ecr, repository, upload, first, data[first : first + part])
        digest = sha256(data)
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
        return digest

    def push(self, repository: str, tag: str | None = None, content: bytes = b"layer", **parameters: Any) -> str:
        """Push an image of one layer, and return its digest."""
        manifest = self.manifest(repository, content)
        named = {"imageTag": tag} if tag else {}
        image = self.ecr.put_image(repositoryName=repository, imageManifest=manifest, **named, **parameters)["image"]
        return str(image["imageId"]["imageDigest"])

    def manifest(self, repository: str, content: bytes = b"layer", **more: Any) -> str:
        """Upload what a manifest of one layer needs, and return its text."""
        config = b'{"architecture":"amd64","os":"linux","layer":"%s"}' % sha256(content).encode()
        for blob in (config, content):
            try:
                self.upload(repository, blob)
            except ClientError as error:
                if code_of(error) != "LayerAlreadyExistsException":
                    raise
        return manifest_of(config, [content], **more)

    def replicate_to(self, *destinations: tuple[str, str], **rule: Any) -> None:
        entry = {
            "destinations": [{"region": region, "registryId": account} for account, region in destinations],
            **rule,
        }
        self.ecr.put_replication_configuration(replicationConfiguration={"rules": [entry]})

    def registry_client(self, account: str = ACCOUNT, region: str = "us-east-1") -> RegistryClient:
        """Return a client of the registry API with a fresh token."""
        server = self.servers.registry(account, region)
        self.service.set_endpoint(account, region, server.host_port)
        data = self.client(account, region).get_authorization_token()["authorizationData"][0]
        return RegistryClient(data["proxyEndpoint"], data["authorizationToken"])

    def statuses(self, repository: str, digest: str) -> dict[str, str]:
        answer = self.ecr.describe_image_replication_status(repositoryName=repository, imageId={"imageDigest": digest})
        return {f"{entry['registryId']}/{entry['region']}": entry["status"] for entry in answer["replicationStatuses"]}

    def tags(self, repository: str, account: str, region: str) -> dict[str, str]:
        """Return digests by tag, as another registry has them."""
        ids = self.client(account, region).list_images(repositoryName=repository)["imageIds"]
        return {entry["imageTag"]: entry["imageDigest"] for entry in ids if "imageTag" in entry}


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def manifest_of(config: bytes, layers: Iterable[bytes], /, **more: Any) -> str:
    document: Mapping[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer) for layer in layers],
    }
    return json.dumps({**document, **more})


def send_part(ecr: Any, repository: str, upload: str, first: int, data: bytes) -> Any:
    return ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=upload,
        partFirstByte=first,
        partLastByte=first + len(data) - 1,
        layerPartBlob=data,
    )


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def running(target: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread
