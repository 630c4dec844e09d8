"""The HTTP server by hand-written requests: connections that persist, bodies of every kind, files, cuts."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from transship.local.ecr.errors import ConnectionCut
from transship.local.server import FileSlices, WsgiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Application = Callable[[dict[str, Any], Any], Any]
    Serve = Callable[[Application], WsgiServer]


@pytest.fixture(name="serve")
def _serve() -> Iterator[Serve]:
    started: list[WsgiServer] = []

    def serve(application: Application) -> WsgiServer:
        server = WsgiServer(application)
        server.start()
        started.append(server)
        return server

    yield serve
    for server in started:
        server.stop()


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Method", environ["REQUEST_METHOD"])])
    return [body]


def deaf(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    del environ
    start_response("403 Forbidden", [])
    return [b"no"]


def exchange(server: WsgiServer, *requests: bytes) -> bytes:
    """Send the bytes of *requests* on one connection and return all that comes until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        for request in requests:
            connection.sendall(request)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


def test_connection_serves_many_requests(serve: Serve) -> None:
    connection = http.client.HTTPConnection(serve(echo).host_port)
    sockets = set()
    for body in (b"one", b"", b"three" * 100_000):
        connection.request("POST", "/", body)
        assert connection.getresponse().read() == body
        sockets.add(connection.sock)

    assert len(sockets) == 1
    connection.close()


def test_chunked_body_ends_where_its_last_chunk_does(serve: Serve) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

    answer = exchange(serve(echo), request + chunks, last)

    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"\r\n\r\nabc0123456789HTTP/1.1" in answer


def test_unread_body_is_drained_so_that_the_connection_lives(serve: Serve) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345"
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

    assert exchange(serve(deaf), request, last).count(b"HTTP/1.1 403") == 2


class Closing(WsgiServer):
    """Closes its port, and ends after that when it is told to."""

    def server_close(self) -> None:
        super().server_close()
        self.closed.set()
        self.may_end.wait(10)

    def __init__(self, app: Application) -> None:
        self.closed, self.may_end = threading.Event(), threading.Event()
        super().__init__(app)


def test_stops_while_it_is_closing_its_port_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Closing(deaf)
    server.start()
    server.stopping = True
    socket.create_connection(("127.0.0.1", server.port)).close()
    assert server.closed.wait(10)
    connect, refused = socket.create_connection, []

    def try_to_wake(address: tuple[str, int]) -> socket.socket:
        server.may_end.set()
        refused.append(address)
        return connect(address)

    monkeypatch.setattr(socket, "create_connection", try_to_wake)
    server.stop()

    assert refused == [("127.0.0.1", server.port)]


def test_refused_upload_is_never_sent(serve: Serve) -> None:
    request = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    answer = exchange(serve(deaf), request)

    assert b"100 Continue" not in answer
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"Connection: close" in answer


def test_answer_reaches_a_client_that_sends_all_of_a_large_body_first(serve: Serve) -> None:
    body = bytes(24 << 20)  # more than is drained, and more than the sockets' buffers hold
    connection = http.client.HTTPConnection(serve(deaf).host_port, timeout=20)

    connection.request("PUT", "/", body)
    answer = connection.getresponse()

    assert (answer.status, answer.read(), answer.getheader("Connection")) == (403, b"no", "close")
    connection.close()


def test_client_that_tries_tls_first_is_told_at_once_and_in_silence(
    serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = serve(echo)

    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection,
        pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"),
    ):
        context.wrap_socket(connection, server_hostname="127.0.0.1")

    assert (caplog.text, capfd.readouterr().err) == ("", "")


def test_garbage_is_refused_without_a_line_on_the_screen(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    assert b"400" in exchange(serve(echo), b"\x00garbage\r\n\r\n")
    assert capfd.readouterr().err == ""


def test_wanted_upload_is_asked_for(serve: Serve) -> None:
    with socket.create_connection(("127.0.0.1", serve(echo).port), timeout=5) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        asked = connection.recv(100)
        connection.sendall(b"12345")
        answer = connection.recv(1000)

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.endswith(b"12345")


def test_body_that_ends_too_soon_ends_the_connection(serve: Serve) -> None:
    server = serve(echo)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n123")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(100) == b""


def test_answer_without_length_is_chunked(serve: Serve) -> None:
    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        del environ
        start_response("200 OK", [])
        return iter([b"one", b"", b"two"])

    connection = http.client.HTTPConnection(serve(stream).host_port)
    connection.request("GET", "/")
    response = connection.getresponse()

    assert (response.getheader("Transfer-Encoding"), response.read()) == ("chunked", b"onetwo")
    connection.close()


def test_head_has_the_headers_alone(serve: Serve) -> None:
    connection = http.client.HTTPConnection(serve(deaf).host_port)
    connection.request("HEAD", "/")
    response = connection.getresponse()

    assert (response.status, response.getheader("Content-Length"), response.read()) == (403, "2", b"")
    connection.close()


def test_slices_of_files_arrive_in_order(serve: Serve, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(bytes(range(256)) * 8000)
    second.write_bytes(b"second")

    def files(environ: dict[str, Any], start_response: Any) -> FileSlices:
        del environ
        start_response("200 OK", [("Content-Length", str(2_000_000 + 0 + 4))])
        return FileSlices([(first, 5, 2_000_000), (first, 0, 0), (second, 1, 4)])

    connection = http.client.HTTPConnection(serve(files).host_port)
    connection.request("GET", "/")

    expected = first.read_bytes()[5:2_000_005] + b"econ"
    assert connection.getresponse().read() == expected
    assert b"".join(FileSlices([(first, 5, 2_000_000), (second, 1, 4)])) == expected
    connection.close()


def test_cut_connection_has_no_answer(serve: Serve) -> None:
    def cut(*_: object) -> list[bytes]:
        raise ConnectionCut

    assert exchange(serve(cut), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") == b""


def test_failing_application_ends_its_connection_alone(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def fail(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/bad":
            raise KeyError("bad")
        return echo(environ, start_response)

    server = serve(fail)

    assert exchange(server, b"GET /bad HTTP/1.1\r\nHost: h\r\n\r\n") == b""
    assert b"200 OK" in exchange(server, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert "GET /bad failed while it was answered" in caplog.text
