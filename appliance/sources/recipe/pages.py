"""The only home of how a list goes on from page to page, and of noticing that it never ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...core import selectors
from ...core.errors import ExportUnsafe
from ...core.recipes import Paging
from .answer import Envelope, next_cursor

MOST_PAGES = 1_000_000
MOST_EMPTY = 200
"""Pages in a row without a row: where a vendor leaves out what a user may not see, some are so."""


class Pages:
    """Where one list stands; without `paging` there is one page."""

    def __init__(self, paging: Paging | None) -> None:
        self._paging = paging
        self.page = 1
        self.link = ""
        """The next page's address, where pages tell it."""
        self.parameters: dict[str, Any] = {}
        """What goes into the request, by place: `query.cursor`, `json.page`."""
        if paging and paging.count:
            self.parameters[paging.into] = paging.start
        self._seen: set[bytes] = set()
        self._last_rows = b""
        self._empty = 0

    def go_on(self, told: Envelope, rows: list[Any], scope: Mapping[str, Any]) -> bool:
        """Given what a page told, return whether there is another, and be ready to ask for it.

        Raise ExportUnsafe where the list turns in a circle.
        """
        paging = self._paging
        if paging is None:
            return False
        more = (
            self._by_cursor(paging, told, scope)
            if paging.next
            else self._by_count(paging, told, scope)
        )
        self.page += 1
        if more:
            self._require_another(told, rows)
        return more

    def _require_another(self, told: Envelope, rows: list[Any]) -> None:
        mark = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).digest()
        if rows and mark == self._last_rows:
            raise _endless("it sends the same page again")
        self._last_rows = mark
        self._empty = 0 if rows or told["body"] is None else self._empty + 1
        if self._empty > MOST_EMPTY:
            raise _endless("it sends page after page with nothing on it")
        if self.page > MOST_PAGES:
            raise _endless("it has more pages than any office has records")

    def _by_cursor(self, paging: Paging, told: Envelope, scope: Mapping[str, Any]) -> bool:
        cursor = next_cursor(selectors.select(paging.next, told, scope))
        if not cursor:
            return False
        mark = hashlib.sha256(cursor.encode()).digest()
        if mark in self._seen:
            raise _endless("it sends us to a page that we had already")
        self._seen.add(mark)
        if paging.into == "url":
            self.link = cursor
        else:
            self.parameters[paging.into] = cursor
        return True

    def _by_count(self, paging: Paging, told: Envelope, scope: Mapping[str, Any]) -> bool:
        if selectors.select(paging.stop, told, scope):
            return False
        self.parameters[paging.into] += paging.by
        return True


def _endless(why: str) -> ExportUnsafe:
    return ExportUnsafe(
        "The vendor's list has no end: " + why + ".",
        hint="The vendor may have changed its service: see whether there is an update of the box.",
    )
