"""The only home of where a form may come from (E6): this page, with the session's token."""

from __future__ import annotations

from flask import Flask, abort, current_app, request
from flask_wtf import CSRFProtect

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def keep(app: Flask) -> None:
    """Have each request that could change something checked; call it after `policy.enforce`."""
    app.config.update(
        WTF_CSRF_TIME_LIMIT=None,  # the session's own end is the token's, whatever the clock says
        WTF_CSRF_SSL_STRICT=False,  # it wants a Referer; we look at Origin, below
    )
    app.before_request(_look_where_from)
    CSRFProtect(app)


def _look_where_from() -> None:
    """A browser says where a form is from; what says nothing has the token to show."""
    origin = request.headers.get("Origin")
    if request.method not in _CHANGES or origin is None:
        return
    if origin != f"{request.scheme}://{request.host}":
        current_app.logger.warning("page=form refused: it came from elsewhere")
        abort(400)
