"""The only home of how a step becomes a request: address, parameters, body, and where it may go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from ...core import templates
from ...core.errors import SourceRefused
from ...core.recipes import Recipe, Step
from ...core.selectors import CannotSelect
from ...core.templates import text_of
from ..asking import Question
from ..origins import Address, Reach, read
from .scope import Scope

_PATH = "/:@!$&'()*,;=-._~"
"""What a value may bring into the path of an address without being written otherwise."""


class Questions:
    """Makes the requests of one recipe."""

    def __init__(self, recipe: Recipe, scope: Scope) -> None:
        self._recipe, self._scope = recipe, scope
        self._hosts = tuple(scope.text(each) for each in recipe.hosts)
        self.reach = Reach(credential_hosts=tuple(map(_bare, self._hosts)))

    def targets(self, step: Step) -> list[Address]:
        """Return where a step asks: one address, or one for each link that was received."""
        url = step.url
        if not templates.is_one_hole(url):
            return [read(self._address(url))]
        told_at, found = self._scope.said_at(url), self._scope.fill(url)
        links = found if isinstance(found, list) else [found]
        return [self.link(each, told_at) for each in links]

    def target(self, step: Step) -> Address:
        """Return where a step asks that asks at one address; raise CannotSelect where is none."""
        targets = self.targets(step)
        if len(targets) != 1:
            raise CannotSelect(f"{len(targets)} addresses came, where one is asked")
        return targets[0]

    def link(self, link: object, told_at: Address | None) -> Address:
        """Given a link as it was received, return where it leads; raise CannotSelect where it is
        none: what it leads to would be missing.
        """
        if not isinstance(link, str) or not link.strip():
            raise CannotSelect("something else stands where a link should be")
        base = told_at or (read(self._address("")) if self._recipe.base else None)
        return read(link, base)

    def _address(self, url: str) -> str:
        values = self._scope.values()
        base = templates.fill_text(self._recipe.base, values) if url[:1] in ("", "/") else ""
        return base.rstrip("/") * bool(base) + templates.fill_text(url, values, _in_path)

    def question(
        self,
        step: Step,
        address: Address,
        paging: Mapping[str, Any],
        *,
        is_next_link: bool = False,
    ) -> Question:
        """Return a step's request to an address; `paging` has values by place, as `query.page`."""
        fill = self._scope.fill
        if is_next_link:  # which has its parameters
            step = replace(step, query={})
        query = {**fill(step.query), **_part(paging, "query")}
        pairs = [(name, text_of(value)) for name, value in query.items()]
        headers = {name: _header(name, value) for name, value in fill(step.headers).items()}
        body, kind = self._body(step, paging)
        return Question(
            address.without_query([name for name, _ in pairs]).with_query(pairs),
            step.method,
            ({"Content-Type": kind} if kind else {}) | headers,
            body,
            shows_who_we_are=step.auth,
            may_repeat=step.only_reads,
            reach=self._reach(step),
            idle_seconds=None if step.until else step.timeout,
        )

    def _body(self, step: Step, paging: Mapping[str, Any]) -> tuple[bytes | None, str]:
        if step.form is not None:
            form = {**self._scope.fill(step.form), **_part(paging, "form")}
            pairs = [(name, text_of(value)) for name, value in form.items()]
            return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
        if step.json is not None:
            told = self._scope.fill(step.json)
            for place, value in _part(paging, "json").items():
                _put(told, place.split("."), value)
            return json.dumps(told).encode(), "application/json"
        return None, ""

    def _reach(self, step: Step) -> Reach:
        if not step.hosts:
            return self.reach
        further = tuple(_bare(self._scope.text(each)) for each in step.hosts)
        own = self.reach.credential_hosts
        return Reach(None, further, own, anywhere="*" in further and not step.auth)


def _bare(host: str) -> str:
    """A setting may name a port or be an address; which hosts may be asked goes by their names."""
    if "://" in host:
        return read(host).host
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def _header(name: str, value: object) -> str:
    """Refuse what the library would refuse with the value, perhaps a secret, in its message."""
    text = text_of(value).strip()
    if text.isascii() and text.isprintable():
        return text
    raise SourceRefused(
        f"What is to be sent as {name} has letters or line breaks that cannot be sent.",
        hint="Check the settings of this source, and store its secrets again on one line.",
    )


def _in_path(value: str) -> str:
    if {".", ".."} & set(value.split("/")):
        raise SourceRefused("The vendor names something that would lead to another address.")
    return quote(value, safe=_PATH)


def _part(paging: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {
        place.partition(".")[2]: value
        for place, value in paging.items()
        if place.startswith(f"{part}.")
    }


def _put(told: Any, place: list[str], value: Any) -> None:
    """`params.1` is the second of a list, as JSON-RPC has its arguments."""
    part, *further = place
    key: Any = int(part) if isinstance(told, list) else part
    if not further:
        told[key] = value
    else:
        _put(told[key] if isinstance(told, list) else told.setdefault(key, {}), further, value)
