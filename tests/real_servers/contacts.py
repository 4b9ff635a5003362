"""Real contacts servers on loopback, each with one account: Radicale, Xandikos and DAViCal."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from appliance.demo.authority import Authority
from tests.servers import free_port

from .account import uid, unprivileged

USER, PASSWORD = "ann", "only for a test"
_STARTS_WITHIN_SECONDS = 30
_TOOLS = {"PYTHONPATH": os.pathsep.join(sys.path)}
_DAVICAL = "/usr/share/davical/htdocs"
_ROUTER = """<?php
$_SERVER['SCRIPT_NAME'] = '/caldav.php';
$_SERVER['SCRIPT_FILENAME'] = '{0}/caldav.php';
$path = preg_replace('{{\\?.*$}}', '', $_SERVER['REQUEST_URI']);
$_SERVER['PATH_INFO'] = rawurldecode(preg_replace('{{^/caldav\\.php}}', '', $path));
chdir('{0}');
require '{0}/caldav.php';
"""
_BOOK = """<?xml version="1.0" encoding="utf-8"?>
<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype>
<D:collection/><C:addressbook/></D:resourcetype><D:displayname>{0}</D:displayname></D:prop></D:set>
</D:mkcol>"""


@dataclass(frozen=True)
class Contacts:
    """A server with an account; `home` is the path that its address books lie below."""

    url: str
    home: str
    ca_file: str = ""
    user: str = USER
    """Empty where nobody is asked who they are."""

    @property
    def login(self) -> dict[str, str]:
        if not self.user:
            return {"kind": "none"}
        return {"kind": "basic", "user": self.user, "password": PASSWORD}

    def make_book(self, name: str, title: str = "") -> None:
        self.call("MKCOL", f"{name}/", _BOOK.format(escape(title or name)), {201})

    def put(self, book: str, name: str, card: str) -> None:
        self.call("PUT", f"{book}/{quote(name)}", card, {200, 201, 204}, "text/vcard")

    def delete(self, book: str, name: str = "") -> None:
        self.call("DELETE", f"{book}/{quote(name)}", "", {200, 204})

    def call(self, method, path, body="", fine=(200,), kind="application/xml; charset=utf-8"):
        """Ask as any client would; return the answer's body."""
        place = urlsplit(self.url)
        headers = {"Content-Type": kind}
        if self.user:
            known = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
            headers["Authorization"] = f"Basic {known}"
        connection = _connection(place.hostname, place.port, self.ca_file)
        try:
            connection.request(method, self.home + path, body.encode(), headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status in fine, f"{method} {path}: {answer.status} {said[:500]}"
            return said
        finally:
            connection.close()


def card(uid: str, name: str, *more: str, version: str = "3.0") -> str:
    """A card as clients send them: lines end with CRLF."""
    head = ["BEGIN:VCARD", f"VERSION:{version}", *([f"UID:{uid}"] if uid else [])]
    return "\r\n".join([*head, f"FN:{name}", f"N:{name};;;;", *more, "END:VCARD", ""])


@contextmanager
def radicale(folder: Path, ca: Authority | None = None) -> Iterator[Contacts]:
    """Radicale, over TLS where there is an authority."""
    port = free_port()
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n")
    lines = [
        *("[server]", f"hosts = 127.0.0.1:{port}"),
        *_tls(ca, port),
        *("[auth]", "type = htpasswd", f"htpasswd_filename = {folder / 'users'}"),
        *("htpasswd_encryption = plain", "delay = 0"),
        *("[storage]", f"filesystem_folder = {folder / 'collections'}"),
        *("[logging]", "level = warning"),
    ]
    (folder / "radicale.conf").write_text("\n".join(lines) + "\n")
    argv = [sys.executable, "-m", "radicale", "--config", str(folder / "radicale.conf")]
    scheme, file = ("https", str(ca.certificate)) if ca else ("http", "")
    with _running(argv, folder, port, **_TOOLS):
        yield Contacts(f"{scheme}://localhost:{port}/", f"/{USER}/", file)


def _tls(ca: Authority | None, port: int) -> list[str]:
    if ca is None:
        return []
    pair = ca.issue(f"contacts-{port}", ("localhost", "127.0.0.1"))
    return ["ssl = True", f"certificate = {pair.certificate}", f"key = {pair.key}"]


@contextmanager
def xandikos(folder: Path) -> Iterator[Contacts]:
    """Xandikos, which asks nobody who they are: that is for a proxy in front of it."""
    port, data = free_port(), folder / "data"
    argv = [sys.executable, "-m", "xandikos", "serve", "-d", str(data), "--autocreate"]
    argv += ["-l", "127.0.0.1", "-p", str(port), "--current-user-principal", f"/{USER}/"]
    with _running([*argv, "--defaults"], folder, port, **_TOOLS):
        yield Contacts(f"http://localhost:{port}/", f"/{USER}/contacts/", user="")


@contextmanager
def davical() -> Iterator[Contacts]:
    """DAViCal on PHP's own server, with a PostgreSQL of its own.

    Both run as nobody where the tests are root, as PostgreSQL wants. Their folder has a short
    name, as its socket's may have no more than a hundred letters.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        (folder / "router.php").write_text(_ROUTER.format(_DAVICAL))
        if os.geteuid() == 0:
            os.chown(folder, uid(), uid())
        with _postgres(folder):
            _run(folder, "sh", "/usr/share/davical/dba/create-database.sh", "davical", PASSWORD)
            php = ["php", "-S", f"127.0.0.1:{port}", "-t", _DAVICAL, str(folder / "router.php")]
            with _running(unprivileged(php), folder, port, **_where(folder)):
                url = f"http://localhost:{port}/caldav.php/"
                yield Contacts(url, "/caldav.php/admin/", user="admin")


@contextmanager
def _postgres(folder: Path) -> Iterator[None]:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, listens = folder / "db", folder / ".s.PGSQL.5432"
    made = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    _run(folder, str(programs / "initdb"), "-D", str(data), *made)
    argv = [str(programs / "postgres"), "-D", str(data), "-c", "fsync=off"]
    argv += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    with _running(unprivileged(argv), folder, listens, **_where(folder)):
        yield


def _run(folder: Path, *argv: str) -> None:
    done = subprocess.run(
        unprivileged([*argv]),
        env=os.environ | _where(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _where(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PGHOST": str(folder), "PGUSER": "postgres"}


@contextmanager
def _running(argv: list[str], folder: Path, port: int | Path, **more: str) -> Iterator[None]:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder, env=os.environ | more)
    try:
        _wait_for(process, port, folder / "server.log")
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], place: int | Path, log: Path) -> None:
    """Wait until somebody listens at a port, or at a socket."""
    until = monotonic() + _STARTS_WITHIN_SECONDS
    while process.poll() is None and monotonic() < until:
        is_socket = isinstance(place, Path)
        kind = socket.AF_UNIX if is_socket else socket.AF_INET
        with socket.socket(kind) as one, suppress(OSError):
            one.connect(str(place) if is_socket else ("127.0.0.1", place))
            return
        sleep(0.02)
    raise AssertionError(log.read_text())


def _connection(host: str | None, port: int | None, ca_file: str) -> http.client.HTTPConnection:
    assert host
    if not ca_file:
        return http.client.HTTPConnection(host, port, timeout=30)
    trust = ssl.create_default_context(cafile=ca_file)
    return http.client.HTTPSConnection(host, port, timeout=30, context=trust)
