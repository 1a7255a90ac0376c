"""A real S3 server on loopback (moto's), and a proxy before it that answers as busy stores and bad networks do."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SLOW_DOWN = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>1</RequestId></Error>"""

NO_SUCH_UPLOAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchUpload</Code><Message>The specified upload does not exist.</Message></Error>"""

# What can happen to a request, by name:
#   slow down   503, and the server never hears of it
#   drop        the connection is reset, and the server never hears of it
#   lose        the server does it, and the connection is reset before the answer
#   cut         the answer's head says how long it is, and half of it comes
#   wait        the answer comes late
#   forget      404, and the server never hears of it: there is no such upload
Fault = str | None


@dataclass(frozen=True)
class Request:
    """`number` counts from 1, of all requests since the proxy's rule was set."""

    number: int
    method: str
    path: str


class Proxy:
    """Passes requests on to `server`, but for those that `rule` names a fault for. `seen` has all of them."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.rule: Callable[[Request], Fault] = lambda request: None
        self.seen: list[Request] = []
        self.late = 0.5  # seconds
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def set(self, rule: Callable[[Request], Fault]) -> None:
        with self._lock:
            self.rule, self.seen = rule, []

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def judge(self, method: str, path: str) -> Fault:
        with self._lock:
            request = Request(len(self.seen) + 1, method, path)
            self.seen.append(request)
            return self.rule(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # a client that gave up waiting
                    super().handle()

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.judge(self.command, self.path)
                if fault == "slow down":
                    self.answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                elif fault == "forget":
                    self.answer(404, [("Content-Type", "application/xml")], NO_SUCH_UPLOAD)
                elif fault == "drop":
                    self.reset()
                else:
                    status, headers, data = self.forward(body)
                    if fault == "lose":
                        return self.reset()
                    if fault == "wait":
                        time.sleep(proxy.late)
                    self.answer(status, headers, data, cut=fault == "cut")

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do

            def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                to = http.client.HTTPConnection(urlsplit(proxy.server).netloc, timeout=30)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                    to.request(self.command, self.path, body, headers)
                    found = to.getresponse()
                    return found.status, found.getheaders(), found.read()
                finally:
                    to.close()

            def answer(self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False) -> None:
                self.send_response_only(status)
                length = str(len(data))
                for name, value in headers:
                    if name.lower() == "content-length" and self.command == "HEAD":
                        length = value
                    elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if cut else data)
                if cut:
                    self.wfile.flush()
                    self.reset()

            def reset(self) -> None:
                """A connection that is closed at once, without the usual farewell."""
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        return Handler


@dataclass
class Bucket:
    """A bucket of the server that the environment names, through a proxy that as yet does nothing."""

    name: str
    proxy: Proxy
    client: Any  # boto3's, past the proxy: what is really there
    secret: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def backend(self) -> Any:
        """The server's own state, which takes thousands of keys a second."""
        from moto.s3.models import s3_backends

        return s3_backends["123456789012"]["aws"]

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def uploads(self) -> list[str]:
        """Keys with an upload in parts that was neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return [each["Key"] for each in found.get("Uploads", ())]
