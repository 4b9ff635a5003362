"""A plain client for the vendors' own tests: it follows nothing and repeats nothing."""

from __future__ import annotations

import json
from typing import Any, Self

import urllib3

from .serving import API, Premises


class Client:
    """Asks one vendor; `headers` go along with everything."""

    def __init__(self, house: Premises) -> None:
        self._house = house
        self._pool = urllib3.PoolManager(ca_certs=str(house.ca_file), retries=False)
        self.headers: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def ask(
        self,
        method: str,
        target: str,
        *,
        role: str = API,
        json: Any = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Said:
        """`target` is a path, or a whole address."""
        url = target if target.startswith("https:") else self._house.url(role, target)
        more: dict[str, Any] = {"fields": form, "encode_multipart": False} if form else {}
        if json is not None:
            more = {"json": json}
        elif query:
            more = {"fields": query}
        sent = self.headers | (headers or {})
        return Said(self._pool.request(method, url, headers=sent, redirect=False, **more))

    def get(self, target: str, **more: Any) -> Said:
        return self.ask("GET", target, **more)

    def post(self, target: str, **more: Any) -> Said:
        return self.ask("POST", target, **more)


class Said:
    """One answer."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status, self.data, self.headers = response.status, response.data, response.headers

    @property
    def json(self) -> Any:
        return json.loads(self.data)
