"""Real servers that the tests of messengers send to: SMTP with TLS and log-in, and HTTP that fails as it is told.

Job: take in what is sent, on loopback, and keep it. Promise: each has its own port and thread, and ends with its `with`. Limits: certificates are
made with the openssl command, for 127.0.0.1 alone.
"""

import json
import socket
import ssl
import subprocess
import threading
import time
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


def certificate(folder: Path, name: str = "own") -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test"]
    subprocess.run(
        ["openssl", "req", *words, "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made), "-keyout", str(key)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return made, key


def context(pair: tuple[Path, Path]) -> ssl.SSLContext:
    """A server's side of TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pair)
    return made


class MailServer:
    """An SMTP server; ``security`` as a channel writes it, ``user`` has to log in, ``refuse`` is answered to RCPT."""

    def __init__(self, security: str = "none", pair: tuple[Path, Path] | None = None, user: str = "", refuse: str = "") -> None:
        self.mails: list[Mail] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self._refuse = refuse
        given: dict[str, Any] = {}
        if user:
            given = {"auth_required": True, "authenticator": self._log_in, "auth_require_tls": security == "starttls"}
        if pair and security == "starttls":
            given |= {"tls_context": context(pair), "require_starttls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port(), **given)
        if pair and security == "tls":
            self._controller.ssl_context = context(pair)
        self._user = user

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    def _log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(handled=False, success=given.login == self._user.encode() and given.password == b"secret")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """Takes or refuses a recipient."""
        if self._refuse and address.startswith("nobody"):
            return self._refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Takes a mail."""
        self.mails.append(message_from_bytes(envelope.content))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Hook:
    """An HTTP server that answers as ``script`` says, one word a request: a status, ``hang``, ``reset``, ``redirect``; then 204."""

    def __init__(self, *script: str, pair: tuple[Path, Path] | None = None, host: str = "127.0.0.1", listening: socket.socket | None = None) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.taken: list[Any] = []
        """The bodies that were answered with success."""
        self.script = list(script)
        self._leave = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.answer(self)

            def do_GET(self) -> None:
                hook.requests.append(({"GET": self.path}, b""))
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, address: object) -> None:
                pass

        self._server = Server((host, 0), Handler, bind_and_activate=listening is None)
        if listening is not None:
            self._server.socket.close()
            self._server.socket = listening
        self.port = int(self._server.socket.getsockname()[1])
        if pair:
            self._server.socket = context(pair).wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Takes a request in and answers it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        self.requests.append((dict(handler.headers), body))
        word = self.script.pop(0) if self.script else "204"
        if word == "hang":
            self._leave.wait(60)
        elif word == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
        else:
            handler.send_response(307 if word == "redirect" else int(word))
            if word == "redirect":
                handler.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            if word.startswith("2"):
                self.taken.append(json.loads(body))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._server.shutdown()
        self._server.server_close()


def now() -> int:
    """The time, in microseconds."""
    return time.time_ns() // 1000
