"""Recipes as they are written: their keys, what each may be, and where they are found.

Shipped ones lie beside the code that follows them, an office's own wherever it likes.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..core import selectors, templates
from ..core.errors import ConfigError, Problem, did_you_mean
from ..core.recipes import Recipe, from_json
from .section import Section
from .values import Duration

SHELF = Path(__file__).parent.parent / "sources" / "recipes"
"""Where the shipped ones lie."""
_LONGEST_BYTES = 1 << 20
_SHORTEST_PAUSE = timedelta(seconds=1)
FORMATS = (
    *("csv", "text", "json", "jsonl", "vcf", "sql", "xml", "zip", "xlsx", "gzip", "tar", "7z"),
    *("rar", "xz", "bzip2", "zstd", "ole", "sqlite", "pgdump"),
)
"""What `sources.content` tells files for."""


def _expression(value: str) -> str:
    if problem := selectors.problem(value):
        raise ValueError(f"this is not JMESPath: {problem}")
    return str(_template(value))


def _template(value: Any) -> Any:
    for _ in templates.holes(value):
        pass
    return value


def _kinds(value: str) -> str:
    for each in value.split("|") if value else ():
        kind = each.partition(":")[0].strip()
        if kind not in FORMATS:
            raise ValueError(f'"{kind}" is no kind of file{did_you_mean(kind, FORMATS)}')
    return value


def _item(value: Any) -> Any:
    named = value.get("name") if isinstance(value, dict) else value
    if not isinstance(named, str) or not named:
        raise ValueError('an item is a name, or a table with a name: { name = "contacts" }')
    return value


Expression = Annotated[str, AfterValidator(_expression)]
"""JMESPath over status, headers, body, page and rows, with `${...}` in it."""
Text = Annotated[str, AfterValidator(_template)]
"""With `${...}` in it."""
Value = Annotated[Any, AfterValidator(_template)]
Items = tuple[Annotated[Any, AfterValidator(_item)], ...]
Status = Annotated[int, Field(ge=100, le=599)]


class PagingSection(Section):
    """How a list goes on."""

    next: Expression = ""
    count: Literal["page", "offset", ""] = ""
    into: str = Field(pattern=r"^(url|(query|json|form)\..+)$")
    start: int = Field(default=1, ge=0)
    by: int = Field(default=1, ge=1)
    stop: Expression = ""

    @model_validator(mode="after")
    def _goes_on_in_one_way(self) -> Self:
        if bool(self.next) == bool(self.count):
            raise ValueError("give next (a cursor that each page tells) or count, one of them")
        if self.count and not self.stop:
            raise ValueError("count needs stop: when the last page was had")
        if self.count and self.into == "url":
            raise ValueError('a number goes into "query.X", "json.X" or "form.X"')
        return self


class ExpectSection(Section):
    """What must be so of what a step brings."""

    type: tuple[str, ...] = ()
    rows: Text = ""
    total: Expression = ""


class StepSection(Section):
    """One request."""

    name: str = Field(default="", pattern=r"^[a-z0-9_-]*$")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT"] = "GET"
    url: Text = ""
    query: dict[str, Value] = Field(default_factory=dict)
    headers: dict[str, Text] = Field(default_factory=dict)
    json_: Value = Field(default=None, alias="json")
    form: dict[str, Value] | None = None
    auth: bool = True
    hosts: tuple[Text, ...] = ()
    parse: Literal["", "json", "lines"] = ""
    once: bool = False
    job: Duration | None = None
    cooldown: Duration | None = None
    save: dict[str, Expression] = Field(default_factory=dict)
    until: Expression = ""
    fail: Expression = ""
    every: Duration | None = None
    timeout: Duration | None = None
    unchanged: Text = ""
    empty: tuple[Status, ...] = ()
    skip: tuple[Status, ...] = ()
    paginate: PagingSection | None = None
    records: Expression = ""
    to: Text = ""
    expect: ExpectSection = ExpectSection()
    verify: Annotated[str, AfterValidator(_kinds)] = ""
    renew: str = ""
    expires: Expression = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for wrong, words in (
            (self.json_ is not None and self.form is not None, "give json or form, not both"),
            (self.records and not self.to, "records needs to: the file that they go into"),
            (self.every is not None and not self.until, "every needs until: what is waited for"),
            (self.job and not self.save, "job needs save: the number of what was started"),
            (self.cooldown and not self.job, "cooldown needs job: only what starts something"),
            (self.verify and not self.to, "verify needs to: there is no file to look at"),
            ("*" in self.hosts and self.auth, 'hosts = ["*"] needs auth = false'),
            (self.until and self.to, "until and to: let a step of its own fetch the file"),
            (self.job and (self.to or self.until), "job only starts: let steps of their own wait"),
            (self.renew and not self.to, "renew needs to: only files are fetched by links"),
            (
                self.records and (self.verify or self.renew or self.expect.type),
                "verify, renew and expect.type are for files, and records are none",
            ),
            (self.expect.rows and not self.to, "expect.rows needs to: there is nothing to count"),
            (self.expect.total and not self.records, "expect.total needs records"),
            (
                self.every is not None and self.every < _SHORTEST_PAUSE,
                "every is a second at least",
            ),
            (self.paginate and self._paging_problem(), self._paging_problem()),
        ):
            if wrong:
                raise ValueError(words)
        return self

    def _paging_problem(self) -> str:
        """Return why a list could not go on like this; nothing where it can."""
        if self.paginate is None:
            return ""
        if not self.to or self.until or self.job:
            return "paginate needs to: of all pages but the last nothing would be kept"
        into = self.paginate.into.partition(".")[0]
        if into == "url" and self.renew:
            return "renew cannot find its way back to a page: let the list go on by a parameter"
        sent = {"json": self.json_, "form": self.form}
        if into in sent and sent[into] is None:
            return f"paginate.into names {into}, and this step sends none"
        return ""


class QuotaSection(Section):
    """How many jobs may be started."""

    starts: int = Field(ge=1)
    per: Duration


class SettingSection(Section):
    """What an office gives in its configuration."""

    title: str
    hint: str = ""
    secret: bool = False
    kind: Literal["text", "host", "url"] = "text"
    example: str = ""
    default: str | None = None


class HeadSection(Section):
    """What people are told of a recipe."""

    title: str
    about: str
    office: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    quota: str = ""
    missing: tuple[str, ...] = ()
    fragile: str = ""
    keeps: Duration | None = None
    checked: str = ""
    documents: tuple[str, ...] = ()


class RecipeTable(Section):
    """A table of the exports, where a recipe knows better than the box."""

    match: str = Field(min_length=1)
    id: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_id_is_a_list(cls, told: Any) -> Any:
        if isinstance(told, dict) and isinstance(told.get("id"), str):
            return {**told, "id": [told["id"]]}
        return told


class RecipeBody(Section):
    """How everything is fetched."""

    base: Text = ""
    hosts: tuple[Text, ...] = ()
    auth: dict[str, Value] = Field(default_factory=dict)
    each: Items | Text = ()
    repeat_while: str = ""
    quota: QuotaSection | None = None
    step: tuple[StepSection, ...] = ()


class RecipeFile(RecipeBody):
    """A whole recipe."""

    recipe: HeadSection | None = None
    setting: dict[str, SettingSection] = Field(default_factory=dict)
    sftp: dict[str, Any] | None = None
    """Instead of steps: what an SFTP source of this vendor's looks like."""
    table: tuple[RecipeTable, ...] = ()

    def followed(self) -> Recipe:
        """Return it as who follows it wants it."""
        return from_json(as_json(self))


def as_json(file: RecipeFile) -> dict[str, Any]:
    """Given a recipe, return it as plain values that cross to the child."""
    head = file.recipe
    return {
        "base": file.base,
        "hosts": list(file.hosts),
        "auth": file.auth,
        "each": file.each if isinstance(file.each, str) else list(file.each),
        "repeat_while": file.repeat_while,
        "quota": _quota(file.quota),
        "keeps_seconds": head.keeps.total_seconds() if head and head.keeps else None,
        "title": head.title if head else "",
        "scopes": list(head.scopes) if head else [],
        "steps": [_step(each) for each in file.step],
    }


def _quota(quota: QuotaSection | None) -> dict[str, Any] | None:
    if quota is None:
        return None
    return {"starts": quota.starts, "per_seconds": quota.per.total_seconds()}


def _step(step: StepSection) -> dict[str, Any]:
    told = step.model_dump(exclude_none=True, by_alias=True)
    for key in ("job", "cooldown", "every", "timeout"):
        if key in told:
            told[key] = told[key].total_seconds()
    return told


def secrets_named(file: RecipeFile) -> list[str]:
    """Return the names of the secrets that a recipe mentions itself, as `${secret:NAME}`."""
    whole = as_json(file)
    told = list(templates.names([whole[key] for key in ("steps", "auth", "base", "hosts", "each")]))
    return sorted({name.partition(":")[2] for name in told if name.startswith("secret:")})


def shelf() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(path.stem for path in SHELF.glob("*.toml"))


def named(name: str) -> RecipeFile:
    """Given a shipped recipe's name or the path of a file, return it; raise ConfigError."""
    path = _path(name)
    try:
        stat = path.stat()
    except OSError:
        words = f'there is no recipe named "{name}"{did_you_mean(name, shelf())}'
        raise ConfigError([Problem("recipe", words)]) from None
    return _read(path, stat.st_mtime_ns)


def _path(name: str) -> Path:
    return Path(name) if "/" in name or name.endswith(".toml") else SHELF / f"{name}.toml"


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> RecipeFile:
    """Read it once for each time that it was changed."""
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise ConfigError([Problem("", f"{path} is too long for a recipe.")])
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"{path} cannot be read: {error}.")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("", f"{path} is not valid TOML: {error}.")]) from None
    return checked(raw)


def checked(raw: dict[str, Any]) -> RecipeFile:
    """Given a recipe's tables, return it; raise ConfigError with all that is wrong with it."""
    from .problems import in_words  # noqa: PLC0415 - it knows every section, these too
    from .recipe_problems import problems  # noqa: PLC0415 - as above

    try:
        file = RecipeFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([in_words(each, raw, RecipeFile) for each in error.errors()]) from None
    if found := list(problems(file)):
        raise ConfigError(found)
    return file


def with_recipes(raw: dict[str, Any]) -> dict[str, Any]:
    """Given the file's tables, say of which type a source with a recipe or steps is; one whose
    recipe is a folder on an SFTP server becomes a source of that type. Raise ConfigError.
    """
    sources = raw.get("source")
    if not isinstance(sources, list):
        return raw
    return {**raw, "source": [_with_recipe(each) for each in sources]}


def _with_recipe(source: Any) -> Any:
    if not isinstance(source, dict) or not ({"recipe", "step"} & source.keys()):
        return source
    if source.get("type", "http") not in ("http", "recipe", "sftp"):
        return source
    if isinstance(name := source.get("recipe"), str) and _is_there(name):
        file = _named_in_a_source(name)
        if file.sftp is not None:
            own = {key: value for key, value in source.items() if key != "recipe"}
            return {**file.sftp, **own, "type": "sftp"}
    return {**source, "type": "recipe"}


def _named_in_a_source(name: str) -> RecipeFile:
    """Its problems are in a file that is not the one which is read."""
    try:
        return named(name)
    except ConfigError as error:
        told = [Problem(f"{name} {each.path}".strip(), each.message) for each in error.problems]
        raise ConfigError(told) from None


def _is_there(name: str) -> bool:
    return _path(name).is_file()
