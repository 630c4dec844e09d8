"""
An HTTP/1.1 server for WSGI applications, on 127.0.0.1.

werkzeug's own server closes the connection after every response, which costs a client about half of each small
call, and drains unread bodies by waiting.
Here connections persist, Nagle's algorithm is off (it adds 40 ms to small answers), request bodies are streamed,
`Expect: 100-continue` is answered when the application first reads, and a slice of a file goes to the socket by
`sendfile`. An answer that comes before the end of a large body is read by its client, since the rest of the body is
thrown away after it ("lingering close"; RFC 9112, section 9.6).

Left out: TLS (a client that tries it first is told by a plain answer), pipelining, trailers of chunked transfer
coding (those of aws-chunked live in `s3/bodies.py`).
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from http.client import responses
from typing import TYPE_CHECKING, Any, Self

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from transship.local.ecr.errors import ConnectionCut
from transship.local.request_body import RequestBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from wsgiref.types import WSGIApplication

_log = logging.getLogger(__name__)

DRAIN_LIMIT = 1 << 20
"""Bytes of an unread request body that are read away to keep a connection; with more it is closed."""

LINGER_SECONDS = 30.0
"""How long the rest of a body is thrown away after the answer, so that its sender gets to read that answer."""

_LINGER_SILENCE = 2.0
"""Seconds without a byte after which a client that was answered sends no more."""

_UNSENT = 128 << 10
"""
Bytes of a slice that wait in the socket. What waits there longer is sent on by whoever reads at the other end, for on
loopback each acknowledgement is worked on by the thread that gives it: a client would pay for its server's work.
"""

_TLS_HANDSHAKE = b"\x16"
"""First byte of a TLS connection (RFC 8446, section 5.1), and of no HTTP request."""

Headers = list[tuple[str, str]]


class FileSlices:
    """A response body made of slices of files, in order: (path, offset, count), bytes."""

    def __init__(self, slices: Sequence[tuple[Path, int, int]]) -> None:
        self._slices = slices

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in blocks of 1 MiB."""
        for path, offset, count in self._slices:
            with path.open("rb") as file:
                file.seek(offset)
                left = count
                while left and (block := file.read(min(left, 1 << 20))):
                    left -= len(block)
                    yield block

    def send(self, connection: socket.socket) -> None:
        """Send the bytes without copying them through this process."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        for path, offset, count in self._slices:
            if count:  # to sendfile, a count of 0 means the whole file
                with path.open("rb") as file:
                    connection.sendfile(file, offset, count)


class _Response:
    """What the application said by `start_response`, until the first byte is sent."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: Headers = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        del exc_info  # headers are sent after the application returned, so that they can always be replaced
        self.status, self.headers = status, headers

    @property
    def code(self) -> int:
        return int(self.status.split(None, 1)[0])

    def length(self) -> int | None:
        return next((int(value) for name, value in self.headers if name.lower() == "content-length"), None)


class _Handler(MotoRequestHandler):
    """One connection; moto's base keeps underscores in the names of S3 metadata headers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: WsgiServer

    def handle_one_request(self) -> None:
        """Answer one request; one in TLS gets the plain answer by which clients find out that this is HTTP."""
        if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:  # type: ignore[attr-defined]
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks plain HTTP.\n")
            self.wfile.flush()
            self._linger()
            return
        super().handle_one_request()

    def run_wsgi(self) -> None:
        """Answer one request; keep the connection if nothing is left unread."""
        body = RequestBody.of_handler(self)
        environ = self.make_environ()
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        try:
            self._answer(environ, body)
        except ConnectionCut:
            self.close_connection = True
            _shut(self.connection)
        except Exception:  # noqa: BLE001 - whatever the application did, the server lives on
            self.close_connection = True
            if not self.server.stopping:
                _log.exception("%s %s failed while it was answered", self.command, self.path)

    def finish(self) -> None:
        """Close the connection; its client may have gone before it read the answer."""
        try:
            super().finish()
        except OSError:
            self.rfile.close()

    def _answer(self, environ: dict[str, Any], body: RequestBody) -> None:
        response = _Response()
        content = self.server.app(environ, response.start)
        try:
            blocks = _sized(response, content)
            if not body.drain(DRAIN_LIMIT):
                self.close_connection = True
            self._send_head(response)
            if self.command != "HEAD":
                self._send_blocks(response, blocks)
            self.wfile.flush()
        finally:
            if hasattr(content, "close"):
                content.close()
        if not body.ended:
            self._linger()

    def _linger(self) -> None:
        """Throw away what still comes: closing a socket with unread bytes resets it, and the answer is lost."""
        _shut(self.connection, socket.SHUT_WR)
        self.connection.settimeout(_LINGER_SILENCE)
        until = time.monotonic() + LINGER_SECONDS
        try:
            while time.monotonic() < until and self.connection.recv(1 << 18):
                continue
        except TimeoutError:
            _log.debug("a client sends nothing more, and does not close its connection either")

    def _send_head(self, response: _Response) -> None:
        self.send_response_only(response.code, response.status.partition(" ")[2] or responses.get(response.code, ""))
        names = set()
        for name, value in response.headers:
            self.send_header(name, value)
            names.add(name.lower())
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        if self._is_chunked(response):
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _is_chunked(self, response: _Response) -> bool:
        return response.length() is None and self.command != "HEAD" and response.code not in {204, 304}

    def _send_blocks(self, response: _Response, blocks: Iterable[bytes]) -> None:
        if isinstance(blocks, FileSlices):
            self.wfile.flush()
            blocks.send(self.connection)
            return
        chunked = self._is_chunked(response)
        for block in blocks:
            if block:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def handle_expect_100(self) -> bool:
        """Leave `100 Continue` to the body: it goes out when somebody reads."""
        return True

    def log_request(self, *args: object) -> None:
        """Stay silent: whoever wants a trace logs in the application."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - as its base names it
        """Note for a debugger what was no HTTP request."""
        _log.debug(format, *args)


def _sized(response: _Response, content: Iterable[bytes]) -> Iterable[bytes]:
    """Return *content*; one that is a single block gets the Content-Length that the application left out."""
    if isinstance(content, (list, tuple)) and response.length() is None and response.code not in {204, 304}:
        response.headers = [*response.headers, ("Content-Length", str(sum(map(len, content))))]
    return content


class WsgiServer(ThreadedWSGIServer):
    """Serves *app* on 127.0.0.1 in threads of its own; `stop` ends every one of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: WSGIApplication, port: int = 0) -> None:
        super().__init__("127.0.0.1", port, app, handler=_Handler)
        self.stopping = False
        self._connections: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name=f"http-{self.port}", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def host_port(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self.host_port}"

    def start(self) -> None:
        """Begin to serve; the port accepts connections from construction on."""
        self._listener.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for the threads to end (10 s each at most)."""
        self.stopping = True
        if self._listener.is_alive():
            # Refused: it was about to look whether it shall stop, and has closed the port by itself.
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()  # wakes it
            self._listener.join()
        with self._lock:
            connections, workers = list(self._connections), list(self._workers)
        for connection in connections:
            _shut(connection)
        for worker in workers:
            worker.join(timeout=10)

    def _listen(self) -> None:
        # `serve_forever` looks twice a second whether it shall stop; this waits without that, and stops at once.
        while not self.stopping:
            self.handle_request()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection *request* to a thread of its own."""
        worker = threading.Thread(target=self._work, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections.add(request)
            self._workers.add(worker)
        worker.start()

    def _work(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)
                self._workers.discard(threading.current_thread())


def _shut(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    try:
        connection.shutdown(how)
    except OSError:  # closed by its own thread, or by the client, in the meantime
        _log.debug("connection was closed already")
