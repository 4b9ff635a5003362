"""The recipes that the page offers by name, and the fields that a source has on the page.

Part of the rim: recipes are the configuration's, and the page reads no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ..config import given, recipes
from ..config.recipes import RecipeFile, SettingSection
from ..core import templates, words
from ..core.errors import ConfigError
from ..core.offers import BY_RECIPE, KINDS, RARE, Ask, Offer, is_fit
from ..core.settable import SCHEDULED, SOURCES, Field, Kind, fields_of

Table = Mapping[str, Any]
"""A source as it stands in the file, or as somebody wishes for it."""

_STEPS = "This source has steps of its own; they are changed in the file."
_GONE = "Its recipe, {}, is not there any more or has mistakes. That is mended in the file."
_FILE = "This kind of source is changed in the file."
_STAR = "One on each line; the star stands for anything."
_MOST_NAMES = 12


def offered(sources: Sequence[Table]) -> list[Offer]:
    """Return what the page may offer, by title: the shipped recipes, and those that a source of
    this office names by its file.
    """
    found = (_offer(each) for each in choosable(sources))
    return sorted(filter(None, found), key=lambda each: each.title.casefold())


def choosable(sources: Sequence[Table]) -> list[str]:
    """Return the names that `recipe` may have in a source that the page adds: else it could have
    any file of the box read.
    """
    named = (_name(each) for each in sources if isinstance(each, Mapping))
    return list(dict.fromkeys([*recipes.shelf(), *filter(None, named)]))


def of(source: Table) -> Offer | None:
    """Return the recipe that a source follows; None where it names none that a form can show."""
    return _offer(_name(source)) if _name(source) and "step" not in source else None


def fields(section: str, table: Table) -> tuple[Field, ...]:
    """Given a section and what stands in it, return its fields on the page; none where it is
    changed in the file.
    """
    if section != "source" or not ({"recipe", "step"} & table.keys()):
        return fields_of(section, str(table.get("type", "")))
    offer = of(table)
    return offer.fields if offer else ()


def by_hand(source: Table) -> str:
    """Return why a source is changed in the file; empty where the page can do it."""
    if fields("source", source):
        return ""
    if "step" in source:
        return _STEPS
    try:
        recipes.named(_name(source))
    except ConfigError:
        return _GONE.format(_name(source)) if _name(source) else _FILE
    return _FILE


def problems(source: Table) -> list[tuple[str, str]]:
    """Return what is wrong with the settings that a source gives its recipe, by their keys."""
    if of(source) is None:
        return []
    wanted = recipes.named(_name(source)).setting
    return [found for key, each in wanted.items() for found in _problems(key, each, source)]


def _problems(key: str, setting: SettingSection, source: Table) -> Iterator[tuple[str, str]]:
    said = {key: source[key]} if key in source else {}
    for each in given.problems({key: setting}, said):
        told = each.removeprefix(f"{key}: ")
        yield key, f"it{each.removeprefix(key)}" if told == each else told


def _name(source: Table) -> str:
    name = source.get("recipe")
    return name if isinstance(name, str) else ""


def _offer(name: str) -> Offer | None:
    with suppress(ConfigError):
        file = recipes.named(name)
        if all(map(is_fit, file.setting)):
            return _told(name, file)
    return None


def _told(name: str, file: RecipeFile) -> Offer:
    asks = tuple(_of_sftp(file.sftp) if file.sftp is not None else _of_steps(file))
    kind = "sftp" if file.sftp is not None else BY_RECIPE
    if (head := file.recipe) is None:
        return Offer(name, kind, title=PurePath(name).stem, asks=asks)
    return Offer(
        name,
        kind,
        head.title,
        head.about,
        head.office,
        head.scopes,
        head.quota,
        head.missing,
        head.fragile,
        head.keeps.total_seconds() if head.keeps else None,
        head.checked,
        head.documents,
        asks,
    )


# --- fields ---------------------------------------------------------------------------------------


def _of_sftp(said: Mapping[str, Any]) -> Iterator[Ask]:
    """What the recipe says already stands apart, as what holds where the office says nothing."""
    for each in SOURCES["sftp"]:
        if each.key not in said:
            yield Ask(each)
            continue
        value = said[each.key]
        default = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
        yield Ask(replace(each, default=default), part="" if each in SCHEDULED else RARE)


def _of_steps(file: RecipeFile) -> Iterator[Ask]:
    places = given.places(file)
    for key, each in file.setting.items():
        yield _of_setting(key, each, file, is_place=key in places)
    if file.each:
        yield from _of_kinds(file)
    yield from (Ask(each) for each in SCHEDULED)


def _of_setting(key: str, setting: SettingSection, file: RecipeFile, *, is_place: bool) -> Ask:
    default = setting.default or ""
    kind = Kind.SECRET if setting.secret else Kind.TEXT
    one = Field(key, kind, "" if "${" in default else default, is_place=is_place)
    is_rare = setting.default is not None and key in given.in_hosts(file)
    return Ask(one, setting.title, _help(setting, file), RARE if is_rare else "")


def _help(setting: SettingSection, file: RecipeFile) -> str:
    said = [_sentence(setting.hint)]
    if setting.example:
        said.append(f"Such as {_sentence(setting.example)}")
    elif setting.kind == "url" and "https://" not in setting.hint:
        said.append("It begins with https://.")
    if setting.default is not None and "${" in setting.default:
        titles = {key: f"[{each.title}]" for key, each in file.setting.items()}
        filled = templates.fill_text(setting.default, {"setting": titles})
        said.append(f"Left empty, it is {_sentence(filled)}")
    return " ".join(filter(None, said))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _of_kinds(file: RecipeFile) -> Iterator[Ask]:
    each = file.each if not isinstance(file.each, str) else ()
    names = [str(one["name"]) if isinstance(one, dict) else str(one) for one in each]
    known = f" There are {words.listed(names)}." if 0 < len(names) <= _MOST_NAMES else ""
    yield Ask(Field("only", Kind.LINES), "Only these kinds of records", f"{_STAR}{known}", KINDS)
    yield Ask(Field("without", Kind.LINES), "All but these kinds of records", _STAR, KINDS)


# --- where credentials go -------------------------------------------------------------------------
