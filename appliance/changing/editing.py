"""Changes the configuration for a person: what they wrote, their comments too, stays as it is.

Part of the rim, and the only home of tomlkit. A text that does not mean exactly what it should
afterwards is refused.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, InlineTable, Table

from ..config import parse, tables
from ..core.errors import ApplianceError, ConfigError, DiskFull, Problem
from ..system.files import replace_durably
from . import paragraphs

Values = Mapping[str, Any]
"""What a section is to say, by key; None: nothing any more. A table stands for an inline one."""
_BY_HAND = "this part of the file is written in a way that only a person can change; do it there"
_HERE = "appliance-stands-here"


def add_disk(file: Path, name: str, uuid: str, serial: str) -> None:
    """Add a repository on a disk to the file, or correct the one of that name.

    Raise ConfigError, changing nothing, where the file would not be right afterwards or the name
    belongs to a repository that is no disk; DiskFull where there is no room for it.
    """
    with alone(file):
        _replace(file, _with_disk(file, name, uuid, serial))


def require_addable(file: Path, name: str, serial: str) -> None:
    """Raise what `add_disk` would, changing nothing: before a disk is erased for it."""
    parse(_with_disk(file, name, "00000000-0000-4000-8000-000000000000", serial))


def _with_disk(file: Path, name: str, uuid: str, serial: str) -> str:
    document = _read(file)
    if not document.get("repository"):
        document["repository"] = tomlkit.aot()
    present = document["repository"]
    if not isinstance(present, AoT):
        raise ConfigError([Problem("repository", "write each as a [[repository]] table")])
    table = next((one for one in present if one.get("name") == name), None)
    if table is None:
        table = tomlkit.table()
        table["name"] = name
        present.append(table)
    _describe(table, name, uuid, serial)
    return tomlkit.dumps(document)


def add_folder(file: Path, name: str, folder: Path) -> None:
    """Add a repository in a folder to the file; raise as `add_disk` does."""
    with alone(file):
        document = _read(file)
        tables = document.setdefault("repository", tomlkit.aot())
        if any(one.get("name") == name for one in tables):
            raise ConfigError([Problem(f"repository.{name}", "there is one of this name already")])
        table = tomlkit.table()
        table["name"], table["path"] = name, str(folder)
        table["passphrase"] = f"${{secret:{name}}}"
        tables.append(table)
        _replace(file, tomlkit.dumps(document))


def describe_office(file: Path, name: str, timezone: str) -> None:
    """Write the box's name and its time zone into the file; raise as `add_disk` does."""
    with alone(file):
        document = _read(file)
        table = document.setdefault("appliance", tomlkit.table())
        table["name"], table["timezone"] = name, timezone
        _replace(file, tomlkit.dumps(document))


def remove_disk(file: Path, name: str) -> None:
    """Take a repository out of the file again; the parts that are left need not fit together."""
    with alone(file):
        _remove_disk(file, name)


def _remove_disk(file: Path, name: str) -> None:
    document = _read(file)
    present = document.get("repository", ())
    for number, table in reversed(list(enumerate(present))):
        if table.get("name") == name:
            del present[number]
    if "repository" in document and not present:
        del document["repository"]
    _replace(file, tomlkit.dumps(document), complete=False)


def _describe(table: Table, name: str, uuid: str, serial: str) -> None:
    if "path" in table or "url" in table:
        words = "this name belongs to a repository that is no disk; take another one"
        raise ConfigError([Problem(f"repository.{name}", words)])
    table["disk"] = uuid
    if serial:
        table["serial"] = serial
    elif "serial" in table:
        del table["serial"]
    table.setdefault("passphrase", f"${{secret:{name}}}")


def _read(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text_of(file))
    except TOMLKitError as error:
        raise ConfigError([Problem("", f"{file} cannot be read: {error}.")]) from None


def with_values(text: str, section: str, name: str, values: Values) -> str:
    """Given the file's text, return it with values of one section set; where there is no such
    section it is added. `name` tells sections apart of which there are several.

    Comments stay, and a value that goes becomes one. Raise ConfigError where the text is written
    in a way that we cannot change surely.
    """
    before = tables(text)
    if _section_in(before, section, name) is None:
        text = _with_section(text, section, name)
    for key, value in values.items():
        present = _section_in(tables(text), section, name) or {}
        if value is None and key in present:
            text = _without_value(text, section, name, key)
        elif value is not None and present.get(key) != value:
            text = _with_value(text, section, name, key, value)
    return _proved(text, _expected(before, section, name, values))


def without_section(text: str, section: str, name: str) -> str:
    """Return the text with one section made a comment; raise ConfigError as `with_values`."""
    before = tables(text)
    lines = text.splitlines(keepends=True)
    found = _paragraph(text, section, name)
    wanted = {**before, section: [one for one in before[section] if one.get("name") != name]}
    if not wanted[section]:
        del wanted[section]
    return _proved("".join(paragraphs.commented_out(lines, found.header, found.end)), wanted)


def _section_in(all_of_it: Values, section: str, name: str) -> dict[str, Any] | None:
    found = all_of_it.get(section)
    if isinstance(found, list):
        return next((one for one in found if one.get("name") == name), None)
    return found


def _expected(before: Values, section: str, name: str, values: Values) -> dict[str, Any]:
    """Return what the file must mean after a change."""
    now = dict(_section_in(before, section, name) or ({"name": name} if name else {}))
    now |= {key: value for key, value in values.items() if value is not None}
    for key in [key for key, value in values.items() if value is None]:
        now.pop(key, None)
    if not name:
        return {**before, section: now}
    others = list(before.get(section, ()))
    names = [one.get("name") for one in others]
    if name in names:
        others[names.index(name)] = now
    else:
        others.append(now)
    return {**before, section: others}


def _proved(text: str, expected: Values) -> str:
    """Return the text where it means exactly what it should; a person has to change it else."""
    with suppress(ConfigError):
        if tables(text) == expected:
            return text
    raise ConfigError([Problem("", _BY_HAND)])


def _with_section(text: str, section: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if not name:
        return "".join([*lines, "\n", f"[{section}]\n"])
    new = ["\n", f"[[{section}]]\n", f"name = {tomlkit.string(name).as_string()}\n"]
    names = [one.get("name") for one in tables(text).get(section, ())]
    at = _paragraph(text, section, str(names[-1])).end if names else len(lines)
    return "".join(paragraphs.with_lines(lines, at, new))


def _paragraph(text: str, section: str, name: str) -> paragraphs.Paragraph:
    lines = text.splitlines(keepends=True)
    if not name:
        found = paragraphs.first(lines, section)
    else:
        marked = _marked(text, section, name, "name").splitlines(keepends=True)
        number = next((n for n, line in enumerate(marked) if _HERE in line), 0)
        found = paragraphs.around(lines, number, section)
    if found is None:
        raise ConfigError([Problem(section, _BY_HAND)])
    return found


def _marked(text: str, section: str, name: str, key: str) -> str:
    """Return the text with a value replaced by a word that nobody writes: it shows the line."""
    document = tomlkit.parse(text)
    table = _section_of(document, section, name)
    table[key] = _HERE
    return tomlkit.dumps(document)


def _section_of(document: tomlkit.TOMLDocument, section: str, name: str) -> Any:
    found = document.get(section)
    if isinstance(found, AoT):
        found = next((one for one in found if one.get("name") == name), None)
    if not isinstance(found, Table):
        raise ConfigError([Problem(section, _BY_HAND)])
    return found


def _with_value(text: str, section: str, name: str, key: str, value: Any) -> str:
    document = tomlkit.parse(text)
    table = _section_of(document, section, name)
    if key in table:
        table[key] = _item(value)
        return tomlkit.dumps(document)
    line = f"{key} = {_item(value).as_string()}\n"
    lines = text.splitlines(keepends=True)
    at = _paragraph(text, section, name).own_end
    if at == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(paragraphs.with_lines(lines, at, [line]))


def _item(value: Any) -> Any:
    if not isinstance(value, dict):
        return tomlkit.item(value)
    table: InlineTable = tomlkit.inline_table()
    table.update(value)
    return table


def _without_value(text: str, section: str, name: str, key: str) -> str:
    """Make the lines of a value a comment: a value may go over several."""
    lines = text.splitlines(keepends=True)
    marked = _marked(text, section, name, key).splitlines(keepends=True)
    begin = next((number for number, line in enumerate(marked) if _HERE in line), len(lines))
    length = len(lines) - len(marked) + 1
    return "".join(paragraphs.commented_out(lines, begin, begin + length))


def text_of(file: Path) -> str:
    """Return the file's text; raise ConfigError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"{file} cannot be read: {error}.")]) from None


def replace_text(file: Path, text: str) -> None:
    """Put a new text in the old one's place, durably; raise ConfigError where it is not right
    or cannot be written, DiskFull. To be called `alone`.
    """
    _replace(file, text)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Be the only program of ours that changes the file; what a sudden end left is removed."""
    folder = file.resolve().parent
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for scrap in folder.glob(f".{file.resolve().name}.*.new"):
            with suppress(OSError):
                scrap.unlink()
        yield
    finally:
        os.close(handle)


def _replace(file: Path, text: str, *, complete: bool = True) -> None:
    """Put the new text in the old one's place; raise DiskFull, or ConfigError."""
    parse(text, complete=complete)
    try:
        replace_durably(file, text.encode())
    except DiskFull:
        raise
    except ApplianceError as error:
        raise ConfigError([Problem("", error.message)]) from error
