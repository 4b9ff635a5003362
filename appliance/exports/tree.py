"""The only home of the names inside an archive: turns Drafts into files below its folder.

export/PATH                  a member stored whole
history/PATH/00, 01.zst ...  a member stored as a base and patches
history/PATH/part-0001/00 .. the same for each part of a large one
original/PATH                a container that only its own bytes can give back
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..core.model import StoredFile
from .contents import Chain, Kept
from .keeping import Draft, Link
from .parts import Stretch

_LIKE_A_PART = re.compile(r"(?:^|/)part-\d{4}$")


class Tree:
    """The folder that will be archived, and the size and hash of every file put there."""

    def __init__(self, root: Path, earlier: Mapping[str, StoredFile]) -> None:
        self.root = root
        self.stored: dict[str, StoredFile] = {}
        self.new_bytes = 0
        self._known = {file.sha256 for file in earlier.values()}
        root.mkdir()

    def keep(self, draft: Draft) -> Kept:
        """Store a member as its draft says, and return what the manifest is to say."""
        member = draft.member
        kept = Kept(
            member.path,
            member.size_bytes,
            member.sha256,
            member.modified,
            likeness=draft.likeness,
            hidden=member.hidden,
        )
        if draft.recipe:
            inside = tuple(self.keep(each) for each in draft.inside)
            return replace(kept, recipe=draft.recipe, inside=inside)
        if not draft.parts or may_be_a_part(member.path):
            path = f"export/{member.path}"
            self.put(path, member.file, StoredFile(member.size_bytes, member.sha256))
            if member.modified:
                seconds = member.modified.timestamp()
                os.utime(self.root / path, (seconds, seconds))
            return replace(kept, whole=path)
        folder = f"history/{member.path}"
        chains = []
        for number, part in enumerate(draft.parts, 1):
            home = folder if len(draft.parts) == 1 else f"{folder}/part-{number:04d}"
            names = tuple(link_name(home, place) for place in range(len(part.links)))
            for name, link in zip(names, part.links, strict=True):
                self._store(name, link)
            chains.append(Chain(names, part.size_bytes, part.packed_bytes, part.since))
        return replace(kept, chains=tuple(chains))

    def put(self, path: str, file: Path, stored: StoredFile) -> None:
        """Store a file whose hash is known; both names share its bytes where the disk can."""
        place = self._place(path, stored)
        try:
            os.link(file, place)
        except OSError:  # another filesystem, or one without links
            shutil.copy2(file, place)

    def write(self, path: str, content: bytes) -> StoredFile:
        """Store some bytes."""
        stored = StoredFile(len(content), hashlib.sha256(content).hexdigest())
        self._place(path, stored).write_bytes(content)
        return stored

    def _store(self, path: str, link: Link) -> None:
        if link.stored and link.content.is_all:
            self.put(path, link.content.file, link.stored)
            return
        self._place(path, self._copied(path, link.content), is_new=link.is_new)

    def _copied(self, path: str, content: Stretch) -> StoredFile:
        hasher, place = hashlib.sha256(), self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as out:
            for block in content.blocks():
                hasher.update(block)
                out.write(block)
        return StoredFile(content.size_bytes, hasher.hexdigest())

    def _place(self, path: str, stored: StoredFile, *, is_new: bool = True) -> Path:
        """Enter a file in the list and return where it goes.

        A part of what lay there whole (`is_new` False) has another hash, but nothing new in it.
        """
        self.stored[path] = stored
        if is_new and stored.sha256 not in self._known:
            self.new_bytes += stored.size_bytes
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def link_name(folder: str, place: int) -> str:
    """Given a chain's folder and a link's place in it, return its name: `00`, `01.zst` ..."""
    return f"{folder}/00" if place == 0 else f"{folder}/{place:02d}.zst"


def may_be_a_part(path: str) -> bool:
    """Whether a member's own name could be taken for a part of another member."""
    return bool(_LIKE_A_PART.search(path))
