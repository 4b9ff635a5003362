"""What a recipe is: how one CRM hands out its records, request by request. Values only.

A recipe is written in TOML; `config.recipes` reads and checks it, `sources.recipe` follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from .templates import text_of

Item = Any
"""One kind of record to fetch: its name, or a table with at least `name`."""


def item_name(item: Item) -> str:
    """Return what an item is called."""
    return text_of(item.get("name", "")) if isinstance(item, Mapping) else text_of(item)


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list goes on: by a cursor that each page tells (`next`), or by counting (`count`)."""

    into: str
    """`url`, or `query.X`, `json.X` or `form.X`: where the cursor or number goes."""
    next: str = ""
    count: str = ""
    """`page` or `offset`."""
    start: int = 1
    by: int = 1
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Expect:
    """What must be so of what a step brings."""

    type: tuple[str, ...] = ()
    """Content types."""
    rows: str = ""
    """How many rows all files of the step have together, as a template."""
    total: str = ""
    """The same, as the answer tells it with each page."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request, and what is done with its answer. Spans are seconds."""

    name: str = ""
    method: str = "GET"
    url: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    auth: bool = True
    hosts: tuple[str, ...] = ()
    parse: str = ""
    once: bool = False
    job: float | None = None
    cooldown: float = 0.0
    save: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    fail: str = ""
    every: float = 15.0
    timeout: float | None = None
    unchanged: str = ""
    empty: tuple[int, ...] = ()
    skip: tuple[int, ...] = ()
    paginate: Paging | None = None
    records: str = ""
    to: str = ""
    expect: Expect = Expect()
    verify: str = ""
    renew: str = ""
    expires: str = ""

    @property
    def starts_a_job(self) -> bool:
        """Whether the vendor begins to work, and may count it."""
        return self.job is not None

    @property
    def only_reads(self) -> bool:
        """Whether asking again changes nothing at the vendor's."""
        return not self.starts_a_job

    @property
    def downloads(self) -> bool:
        """Whether the answer itself becomes a file."""
        return bool(self.to) and not self.records


@dataclass(frozen=True, slots=True)
class Quota:
    """How many jobs a vendor lets one start."""

    starts: int
    per_seconds: float

    @property
    def per(self) -> timedelta:
        """Within which span."""
        return timedelta(seconds=self.per_seconds)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How everything is fetched."""

    steps: tuple[Step, ...]
    base: str = ""
    hosts: tuple[str, ...] = ()
    auth: Mapping[str, Any] = field(default_factory=dict)
    each: tuple[Item, ...] | str = ()
    """Items, or the template of a list that a `once` step saves; none: the steps run once."""
    repeat_while: str = ""
    quota: Quota | None = None
    keeps_seconds: float | None = None
    """How long the vendor keeps what it made."""
    title: str = ""
    scopes: tuple[str, ...] = ()


def from_json(told: Mapping[str, Any]) -> Recipe:
    """Given a recipe as `as_json` wrote it, return it."""
    quota = told.get("quota")
    each = told.get("each", ())
    known = _known(Recipe, told)
    return Recipe(
        **known
        | {
            "steps": tuple(_step(each) for each in told["steps"]),
            "hosts": tuple(told.get("hosts", ())),
            "scopes": tuple(told.get("scopes", ())),
            "each": each if isinstance(each, str) else tuple(each),
            "quota": Quota(**quota) if quota else None,
        }
    )


def _step(told: Mapping[str, Any]) -> Step:
    expect, paginate = told.get("expect") or {}, told.get("paginate")
    return Step(
        **_known(Step, told)
        | {
            "hosts": tuple(told.get("hosts", ())),
            "empty": tuple(told.get("empty", ())),
            "skip": tuple(told.get("skip", ())),
            "expect": Expect(**expect | {"type": tuple(expect.get("type", ()))}),
            "paginate": Paging(**paginate) if paginate else None,
        }
    )


def _known(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {key: value for key, value in told.items() if key in names}
