"""What every answer carries: nothing from elsewhere, in no frame, kept by no cache (E8).

There is no Strict-Transport-Security: a browser that had seen it would let nobody past the warning
about a certificate that nobody vouches for (E10).
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

_ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": browsers then send `Origin: null` with our own forms (Fetch, "append a
    # request Origin header"). Other sites are told nothing either way.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_VERSION = "v"
_FOR_EVER = "public, max-age=31536000, immutable"
_VERSION_SIGNS = 12


def carry(app: Flask) -> None:
    """Have every answer carry them, and each static file its version in its address."""
    versions = cache(lambda name: _version(Path(str(app.static_folder)) / name))

    def versioned(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "filename" in values:
            values[_VERSION] = versions(values["filename"])

    def finished(answer: Response) -> Response:
        answer.headers.update(_ALWAYS)
        name = (request.view_args or {}).get("filename")
        is_fixed = request.endpoint == "static" and answer.status_code in (200, 304)
        is_fixed = is_fixed and request.args.get(_VERSION) == versions(name)
        answer.headers["Cache-Control"] = _FOR_EVER if is_fixed else "no-store"
        return answer

    app.url_defaults(versioned)
    app.after_request(finished)


def _version(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:_VERSION_SIGNS]
    except OSError:
        return ""
