"""Sources and recipes: which there are, what one does and needs, whether it works."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core import recipe_words, words
from ..core.activity_words import MARKS
from ..core.errors import ConfigError
from ..core.model import Outcome
from ..core.ports import Watch
from ..screen import complain, say, say_json, table
from .office import Office, json_option, main, names, office

if TYPE_CHECKING:
    from ..config.recipes import HeadSection, RecipeFile

_WIDTH = 78


@main.group(short_help="Which CRMs the box knows, and how it asks them.")
def recipe() -> None:
    """A recipe says how one CRM hands out its records; a source names one: recipe = "hubspot"."""


@recipe.command("list", short_help="List the shipped recipes.")
@json_option
def list_recipes(as_json: bool) -> None:
    """List the recipes that came with the box; `appliance recipe show NAME` says what one needs."""
    from ..config import recipes

    found = {name: recipes.named(name) for name in recipes.shelf()}
    if as_json:
        say_json({name: _head_json(file) for name, file in found.items()})
        return
    rows = [(name, *_title(file)) for name, file in found.items()]
    table(("recipe", "for", ""), rows)


def _title(file: RecipeFile) -> tuple[str, str]:
    head = file.recipe
    return (head.title, "fragile" if head.fragile else "") if head else ("", "")


@recipe.command("show", short_help="What a recipe needs, does, and leaves out.")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Say what an office must do, what goes into the source, and what is not in the backup."""
    from ..config import recipes

    file = recipes.named(name)
    if as_json:
        say_json({**_head_json(file), "settings": _settings_json(file)})
        return
    head = file.recipe
    if head is not None:
        _say_head(head)
    _say_paragraph("In the configuration:", _example(name, file))


def _say_head(head: HeadSection) -> None:
    say(f"{head.title}: {head.about}")
    if head.fragile:
        say(f"! {head.fragile}")
    _say_list("What to do there:", head.office, numbered=True)
    _say_list("Permissions it needs:", head.scopes)
    if head.quota:
        say("")
        say(head.quota)
    _say_list("Not in this backup:", head.missing)
    _say_list("Told by:", head.documents)
    if head.checked:
        say(f"Checked {head.checked}.")


def _say_list(title: str, lines: Sequence[str], *, numbered: bool = False) -> None:
    if lines:
        marks = [f"{n}." if numbered else "-" for n in range(1, len(lines) + 1)]
        _say_paragraph(title, [f"{mark} {line}" for mark, line in zip(marks, lines, strict=True)])


def _say_paragraph(title: str, lines: Sequence[str]) -> None:
    say("")
    say(title)
    for line in lines:
        say(f"  {line}")


def _example(name: str, file: RecipeFile) -> list[str]:
    """Return the lines of a source that follows this recipe."""
    lines = ["[[source]]", f'name = "{Path(name).stem}"', f'recipe = "{name}"']
    for key, each in file.setting.items():
        value = f"${{secret:{key}}}" if each.secret else each.example or each.default or "..."
        mark = "" if each.default is None else "# "
        lines.append(f'{mark}{key} = "{value}"  # {each.title}. {each.hint}'.rstrip(" .") + ".")
    if file.sftp is not None:
        lines += ['host = "..."', 'user = "..."', f'key = "${{secret:{Path(name).stem}}}"']
    return lines


@recipe.command("check", short_help="Explain a recipe in words, or what is wrong with it.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check_recipe(file: Path, as_json: bool) -> None:
    """Read a recipe, name all that is wrong with it, or say step by step what it would do."""
    from ..config import recipes

    try:
        checked = recipes.named(str(file.absolute()))
    except ConfigError as error:
        if as_json:
            say_json({"problems": error.problems, "steps": []})
        else:
            complain(error)
        sys.exit(2)
    lines = _in_words(checked)
    if as_json:
        say_json({"problems": [], "steps": lines})
        return
    say(f"{file} is fine. What it does:")
    for line in lines:
        say(f"  {line}")


def _in_words(file: RecipeFile) -> list[str]:
    if file.sftp is None:
        return recipe_words.told(file.followed())
    where = ", ".join(f"{key} = {value}" for key, value in file.sftp.items())
    return [f"Makes the source one of type sftp: {where}."]


def _head_json(file: RecipeFile) -> dict[str, Any]:
    return file.recipe.model_dump(mode="json") if file.recipe else {}


def _settings_json(file: RecipeFile) -> dict[str, Any]:
    return {key: each.model_dump(mode="json") for key, each in file.setting.items()}


@main.group(short_help="Where exports come from.")
def source() -> None:
    """A source is a place that offers exports."""


@source.command("test", short_help="See whether a source works, taking nothing.")
@click.argument("name", shell_complete=names("source"))
@json_option
@office
def test(office: Office, name: str, as_json: bool) -> None:
    """Sign in, and say what a backup would fetch and what is missing.

    Nothing is stored, and nothing is started that the vendor counts. It ends with 1 where
    something would be missing.
    """
    known = office.settings.source_named(name).name
    sight, error = office.box.sources[known].look(Watch())
    sight.pop("blob", None)
    if as_json:
        told = {"message": error.message, "hint": error.hint} if error else None
        say_json({"source": name, **sight, "error": told})
    else:
        for line in _seen(sight):
            say(line)
        if error is not None:
            complain(error)
    sys.exit(int(error is not None or not all(each["ok"] for each in sight["checks"])))


def _seen(sight: Mapping[str, Any]) -> Iterator[str]:
    if sight["fingerprint"]:
        yield f"{sight['server']} answers ({sight['proof']})."
    if sight["fingerprint"] and not sight["confirmed"]:
        yield f"Its key {sight['fingerprint']} is not confirmed: nothing was sent to it."
    for each in sight["checks"]:
        mark = MARKS[Outcome.OK if each["ok"] else Outcome.FAILED]
        yield f"{mark} {each['what']}: {str(each['says']).rstrip('.')}."
    for each in sight["files"]:
        size = each["size_bytes"]
        known = each.get("amount", "") if size is None else words.size(size)
        yield f"It would take {each['name']}{known and f', {known}'}."
    if sight["more"]:
        yield f"And {sight['more']} more."
    if sight["note"]:
        yield sight["note"]
