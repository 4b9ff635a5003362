"""The only home of answers that need no page: a sentence, for whoever cannot be shown more."""

from __future__ import annotations

from http import HTTPStatus

NOTHING_ELSE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", NOTHING_ELSE),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<p>{sentence}</p>
</html>
"""
SENTENCES = {
    HTTPStatus.BAD_REQUEST: "The box did not understand what the browser sent.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "That was too much at once. Go back and send less.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The browser sent too long a request.",
    HTTPStatus.NOT_IMPLEMENTED: "The box does not understand how the browser sent this.",
}
_BY_ITSELF = "Something went wrong in the box. Try again in a minute."


def said(status: HTTPStatus, sentence: str = "") -> bytes:
    """Given a status and a sentence of our own (HTML), return a page; nothing that was asked is
    ever in it.
    """
    words = sentence or SENTENCES.get(status, _BY_ITSELF)
    return _PAGE.format(title=status.phrase, sentence=words).encode()
