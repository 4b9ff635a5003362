"""The threshold: what is answered before the page itself is asked.

A request for another host is turned away (E5). Plain HTTP is sent to HTTPS, and told nothing but
that the box is alive (E10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from . import hosts, plain
from .office import Office

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ALIVE = "/alive"
_ALIVE = b"alive\n"
_LOOPBACK = "127.0.0.1"
_FOREIGN = (
    "The box does not know itself by this name. Use its address, such as "
    "https://192.168.1.20:8080, or add the name to <code>names</code> below <code>[web]</code> in "
    "its settings file."
)
_MOVED = "This page is at https://, with an s."


class Threshold:
    """A WSGI application in front of the page's."""

    def __init__(self, page: WSGIApplication, office: Callable[[], Office]) -> None:
        self._page, self._office = page, office

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request, or have the page answer it."""
        host = environ.get("HTTP_HOST", "")
        here = environ.get(hosts.HERE, _LOOPBACK)
        if not hosts.is_ours(host, here, self._office().names):
            refused = HTTPStatus.BAD_REQUEST
            return _answer(environ, start, refused, plain.said(refused, _FOREIGN))
        if environ.get("PATH_INFO") == ALIVE:
            return _answer(environ, start, HTTPStatus.OK, _ALIVE)
        if environ["wsgi.url_scheme"] != "https":
            there = f"https://{host}{quote(environ.get('PATH_INFO', '/'), encoding='latin-1')}"
            body = plain.said(HTTPStatus.FOUND, _MOVED)
            return _answer(environ, start, HTTPStatus.FOUND, body, ("Location", there))
        return self._page(environ, start)


def _answer(
    environ: WSGIEnvironment,
    start: StartResponse,
    status: HTTPStatus,
    body: bytes,
    *more: tuple[str, str],
) -> Iterable[bytes]:
    length = ("Content-Length", str(len(body)))
    start(f"{status.value} {status.phrase}", [*plain.HEADERS, length, *more])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
