"""The only home of turning a vendor's names into safe, unique paths for people and the manifest.

A path made here is relative, `/`-separated, without `.` or `..`, without control or invisible
direction-changing characters, and no two differ only by case or by how an accent is written.
It still never becomes a path in staging: files there have names of our own.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from ..core.errors import ExportUnsafe

_LONGEST_NAME_BYTES = 200
"""A file system takes 255; the archive's layout and `~2` add a little."""
_LONGEST_PATH_BYTES = 1000
_DRIVE = re.compile(r"^[A-Za-z]:(?=[/\\]|$)")
_UNSEEN = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f"}


def clean(name: str) -> str:
    """Given a vendor's name, return it as a safe relative path.

    A leading slash or drive letter is dropped, a backslash divides folders, what cannot be seen
    becomes `_`. Raise ExportUnsafe where the name climbs out of its folder with `..`.
    """
    inside = _DRIVE.sub("", name).replace("\\", "/")
    parts = [part for part in inside.split("/") if part not in ("", ".")]
    if any(part.strip(" \0") == ".." for part in parts):
        raise ExportUnsafe(
            "The export holds a file whose name would put it outside its folder.",
            hint="No honest program makes such a name: ask the vendor; nothing of it was kept.",
            detail=ascii(name),
        )
    path = "/".join(_shortened(_visible(part)) for part in parts) or "unnamed"
    return path if len(path.encode()) <= _LONGEST_PATH_BYTES else path.rpartition("/")[2]


class Names:
    """The paths given out within one folder; hands each out once."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._numbers: dict[str, int] = {}

    def claim(self, path: str) -> str:
        """Given a clean path, return it, or the next free one: `notes~2.csv`."""
        folder = ""
        *parents, last = path.split("/")
        for parent in parents:
            folder = self._free(folder + parent, is_folder=True)
            self._folders.add(_key(folder))
            folder += "/"
        unique = self._free(folder + last, is_folder=False)
        self._files.add(_key(unique))
        return unique

    def _free(self, path: str, *, is_folder: bool) -> str:
        """Return the path, or the first numbered one that is not taken."""
        wanted, number = path, 1 if is_folder else self._numbers.get(_key(path), 1)
        while _key(path) in self._files or (not is_folder and _key(path) in self._folders):
            number += 1
            path = _numbered(wanted, number)
        if not is_folder and number > 1:
            self._numbers[_key(wanted)] = number  # a thousand of one name are found at once
        return path


def _numbered(path: str, number: int) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    name = f"{stem}~{number}{dot}{suffix}" if stem else f"{name}~{number}"
    return f"{folder}{slash}{name}"


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _visible(part: str) -> str:
    return "".join("_" if _is_unseen(letter) else letter for letter in part)


def _is_unseen(letter: str) -> bool:
    return letter in _UNSEEN or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _shortened(part: str) -> str:
    if len(part.encode()) <= _LONGEST_NAME_BYTES:
        return part
    suffix = PurePosixPath(part).suffix
    suffix = suffix if len(suffix.encode()) <= 20 else ""
    room = _LONGEST_NAME_BYTES - len(suffix.encode())
    return part.encode()[:room].decode("utf-8", "ignore") + suffix
