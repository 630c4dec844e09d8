"""Connections in TLS: roots are read once, and verified is what botocore would verify."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.aws import tls
from chalicelib.aws.session import Session

ONCE = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Signed:
    """A certificate, who stands behind it, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def signed(name: str, by: Signed | None = None) -> Signed:
    """Return a certificate for *name*, signed *by* an authority, or an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(tz=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return Signed(made.sign(by.key if by else key, hashes.SHA256()), key)


class Answers(BaseHTTPRequestHandler):
    """Answers every call of a JSON service with nothing, and ends the connection."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serving(certificate: Signed, folder: Path) -> Iterator[str]:
    """Serve TLS under *certificate* and yield the address, by the name `localhost`."""
    (folder / "server.pem").write_bytes(certificate.pem() + certificate.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="authority")
def _authority() -> Signed:
    return signed("an authority")


@pytest.fixture(name="call")
def _call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str, Signed], list[Any]]]:
    """Lets three clients call an address in turn, the authority of whose certificate is the only root."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    tls._shared_context.cache_clear()

    def call(address: str, root: Signed) -> list[Any]:
        (tmp_path / "roots.pem").write_bytes(root.pem())
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "roots.pem"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(Session(ONCE)) as session:
            return [
                session.client("sqs").list_queues(),
                session.client("sqs").list_queues(),
                session.client("ecr").describe_registry(),
            ]

    yield call
    tls._shared_context.cache_clear()  # it trusts an authority of ours


def test_roots_are_read_once_for_all_connections(
    call: Callable[[str, Signed], list[Any]], authority: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(context: ssl.SSLContext, *files: Any) -> None:
        read.append(files)
        load(context, *files)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    with serving(signed("localhost", authority), tmp_path) as address:
        answers = call(address, authority)

    assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [200, 200, 200]
    assert read == [(str(tmp_path / "roots.pem"), None, None)]


def test_a_certificate_of_another_authority_is_refused(
    call: Callable[[str, Signed], list[Any]], authority: Signed, tmp_path: Path
) -> None:
    with serving(signed("localhost", authority), tmp_path) as address, pytest.raises(SSLError, match="VERIFY_FAILED"):
        call(address, signed("another authority"))


def test_a_certificate_for_another_name_is_refused(
    call: Callable[[str, Signed], list[Any]], authority: Signed, tmp_path: Path
) -> None:
    with serving(signed("elsewhere", authority), tmp_path) as address, pytest.raises(SSLError, match="localhost"):
        call(address, authority)
