"""Changes the configuration for a person: what they wrote, their comments too, stays as it is.

Part of the rim, and the only home of tomlkit.
"""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from .config import parse
from .core.errors import ApplianceError, ConfigError, DiskFull, Problem
from .system.files import replace_durably


def add_disk(file: Path, name: str, uuid: str, serial: str) -> None:
    """Add a repository on a disk to the file, or correct the one of that name.

    Raise ConfigError, changing nothing, where the file would not be right afterwards or the name
    belongs to a repository that is no disk; DiskFull where there is no room for it.
    """
    _replace(file, _with_disk(file, name, uuid, serial))


def require_addable(file: Path, name: str, serial: str) -> None:
    """Raise what `add_disk` would, changing nothing: before a disk is erased for it."""
    parse(_with_disk(file, name, "00000000-0000-4000-8000-000000000000", serial))


def _with_disk(file: Path, name: str, uuid: str, serial: str) -> str:
    document = _read(file)
    if not document.get("repository"):
        document["repository"] = tomlkit.aot()
    tables = document["repository"]
    if not isinstance(tables, AoT):
        raise ConfigError([Problem("repository", "write each as a [[repository]] table")])
    table = next((one for one in tables if one.get("name") == name), None)
    if table is None:
        table = tomlkit.table()
        table["name"] = name
        tables.append(table)
    _describe(table, name, uuid, serial)
    return tomlkit.dumps(document)


def add_folder(file: Path, name: str, folder: Path) -> None:
    """Add a repository in a folder to the file; raise as `add_disk` does."""
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
    document = _read(file)
    table = document.setdefault("appliance", tomlkit.table())
    table["name"], table["timezone"] = name, timezone
    _replace(file, tomlkit.dumps(document))


def remove_disk(file: Path, name: str) -> None:
    """Take a repository out of the file again; the parts that are left need not fit together."""
    document = _read(file)
    tables = document.get("repository", ())
    for number, table in reversed(list(enumerate(tables))):
        if table.get("name") == name:
            del tables[number]
    if "repository" in document and not tables:
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
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError([Problem("", f"{file} cannot be read: {error}.")]) from None


def _replace(file: Path, text: str, *, complete: bool = True) -> None:
    """Put the new text in the old one's place; raise DiskFull, or ConfigError."""
    parse(text, complete=complete)
    try:
        replace_durably(file, text.encode())
    except DiskFull:
        raise
    except ApplianceError as error:
        raise ConfigError([Problem("", error.message)]) from error
