"""What is wrong with the file, in words: pydantic's findings, and parts that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.errors import Problem, did_you_mean
from .logins import KINDS
from .recipe_problems import body_problems
from .recipes import ExpectSection, PagingSection, QuotaSection, SettingSection, StepSection
from .section import Section
from .sections import (
    ApplianceSection,
    DisksSection,
    MessagesSection,
    MirrorSection,
    PanelSection,
    RepositorySection,
    RetentionSection,
    Settings,
    WebSection,
)
from .sources import (
    CardDavSource,
    HttpSource,
    InboxSource,
    LimitsSection,
    RecipeSource,
    SftpSource,
    TableSection,
)

_QUOTE = "'"


def in_words(error: Any, raw: dict[str, Any], whole: type[Section] = Settings) -> Problem:
    """Given one of pydantic's errors about a `whole` file, say it in our words with the key's
    path.
    """
    path = _path(error["loc"], raw)
    words = _WORDS.get(error["type"])
    if words is None:
        return Problem(path, str(error["msg"]).removeprefix("Value error, "))
    return Problem(path, words(error, whole))


def _unknown(error: Any, whole: type[Section]) -> str:
    key = str(error["loc"][-1])
    return f"this key is not known{did_you_mean(key, _keys_at(error['loc'][:-1], whole))}"


_WORDS: dict[str, Callable[[Any, type[Section]], str]] = {
    "too_long": lambda e, _: f"there may be {e['ctx']['max_length']} at most",
    "extra_forbidden": _unknown,
    "missing": lambda *_: "this key is missing",
    "union_tag_invalid": lambda e, _: f"must be one of {e['ctx']['expected_tags']}",
    "union_tag_not_found": lambda e, _: (
        f"the key {e['ctx']['discriminator'].strip(_QUOTE)} is missing"
    ),
    "literal_error": lambda e, _: f"must be {e['ctx']['expected']}",
}


def _path(loc: Sequence[str | int], raw: Any) -> str:
    """Given pydantic's location, return `source.crm-nightly.port` (names instead of numbers)."""
    words: list[str] = []
    here, was_number = raw, False
    for part in loc:
        if (
            isinstance(here, dict)
            and (part not in here or was_number)
            and here.get("type", here.get("kind")) == part
        ):
            was_number = False
            continue  # the tag of a union, not a key
        was_number = isinstance(part, int)
        here = _step(here, part)
        named = isinstance(part, int) and isinstance(here, dict) and "name" in here
        words.append(str(here["name"]) if named else str(part))
    return ".".join(words)


def _step(here: Any, part: str | int) -> Any:
    try:
        return here[part]
    except (KeyError, IndexError, TypeError):
        return None


def _keys_at(loc: Sequence[str | int], whole: type[Section]) -> list[str]:
    """Given the location of a table, return the keys it may have."""
    model: Any = whole
    for part in loc:
        name = str(part)
        model = _BY_TAG.get(name) or _BY_KEY.get(name) or _OF_RECIPES.get(name) or model
    return [field.alias or name for name, field in model.model_fields.items()]


_BY_KEY: dict[str, type[Section]] = {
    "appliance": ApplianceSection,
    "repository": RepositorySection,
    "mirror": MirrorSection,
    "retention": RetentionSection,
    "limits": LimitsSection,
    "table": TableSection,
    "disks": DisksSection,
    "panel": PanelSection,
    "web": WebSection,
    "messages": MessagesSection,
}
_OF_RECIPES: dict[str, type[Section]] = {
    "step": StepSection,
    "paginate": PagingSection,
    "expect": ExpectSection,
    "quota": QuotaSection,
    "setting": SettingSection,
}
_BY_TAG: dict[str, type[Section]] = {
    "sftp": SftpSource,
    "http": HttpSource,
    "carddav": CardDavSource,
    "inbox": InboxSource,
    "recipe": RecipeSource,
    **KINDS,
}


def cross_checks(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong between parts that are right by themselves."""
    for kind in ("source", "repository", "mirror"):
        yield from _twice(kind, [section.name for section in getattr(settings, kind)])
    yield from _mixed_up(settings)
    if settings.source and not settings.repository:
        yield Problem("repository", "there is no repository to put backups into")
    for source in settings.source:
        if source.schedule == "after backup":
            yield Problem(f"source.{source.name}.schedule", "only a mirror can run after backup")
        if isinstance(source, RecipeSource) and source.step:
            for one in body_problems(source, frozenset()):
                yield Problem(f"source.{source.name}.{one.path}", one.message)
        for number, table in enumerate(source.table):
            yield from _hidden_problems(table, f"source.{source.name}.table.{number}")
    if settings.disks.remind == "after backup":
        yield Problem("disks.remind", "this wants a time, as in weekly on fri at 16:00")
    for mirror in settings.mirror:
        yield from _mirror_problems(mirror, settings)


def _hidden_problems(table: TableSection, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the columns that are not to be stored as they come."""
    for column in table.mask:
        if column in table.drop:
            yield Problem(f"{where}.mask", f'"{column}" is in drop, too; it can be in one of them')
    for key, columns in (("mask", table.mask), ("drop", table.drop)):
        for column in columns:
            if column in table.id:
                words = f'"{column}" is the id: by it a record is known again in your CRM'
                yield Problem(f"{where}.{key}", words)
            if not column.strip():
                yield Problem(f"{where}.{key}", "a column has a name")


def _mixed_up(settings: Settings) -> Iterator[Problem]:
    """Two places must not be taken for one: by their name, or because they are one."""
    names = {repository.name for repository in settings.repository}
    for mirror in settings.mirror:
        if mirror.name in names:
            yield Problem(f"mirror.{mirror.name}.name", "a repository has this name already")
    lie_in = [str(each.disk or each.path or each.url).rstrip("/") for each in settings.repository]
    for repository, place in zip(settings.repository, lie_in, strict=True):
        if lie_in.index(place) < settings.repository.index(repository):
            words = "another repository lies there; each needs a place of its own"
            yield Problem(f"repository.{repository.name}", words)


def _mirror_problems(mirror: MirrorSection, settings: Settings) -> Iterator[Problem]:
    where = f"mirror.{mirror.name}.repository"
    known = {repository.name: repository for repository in settings.repository}
    if mirror.repository not in known:
        meant = did_you_mean(mirror.repository, known)
        yield Problem(where, f'there is no repository named "{mirror.repository}"{meant}')
    elif known[mirror.repository].url is not None:
        yield Problem(where, "only a repository on this machine can be mirrored, not an ssh:// one")


def _twice(kind: str, names: Sequence[str]) -> Iterator[Problem]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"{kind}.{name}.name", f"two {kind}s have this name")
