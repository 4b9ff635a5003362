"""The only home of opening what a vendor packed: ZIP, gzip and tar become folders of their name.

Kinds are told by bytes, never by name. What is opened at the top must be whole and harmless, or the
export is refused; what lies inside may be anybody's attachment, and stays a file as it came where
it cannot be opened. Files have names of our own; the vendor's names only label them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..core.errors import ExportUnsafe
from ..core.model import Export
from ..core.ports import Watch
from . import gzips, tars, zips
from .budget import Budget, Limits, TooMuch
from .entries import Entry, KeepWhole, Taken, take
from .members import Container, Member, Unpacked
from .names import Names, clean
from .original import Recipe
from .proof import Part, recipe_for

__all__ = ["Container", "Limits", "Member", "Unpacked", "open_spreadsheet", "unpack"]

_HEAD_BYTES = 512
_MOST_NOTES = 20


def unpack(export: Export, into: Path, limits: Limits, watch: Watch) -> Unpacked:
    """Given an export and an empty folder, return it with everything opened that can be.

    Raise ExportUnsafe where it is cut, damaged, locked with a password, a bomb, or names a place
    outside its folder; DiskFull or Cancelled.
    """
    budget = Budget(into, export.size_bytes, limits, watch)
    names = Names()
    several = []
    for file in export.files:
        path = names.claim(clean(file.name))
        member = Member(path, file.path, file.size_bytes, file.sha256, file.modified)
        opened = _opened(member, 1, budget) or Unpacked((member,), ())
        if path != clean(file.name):
            remark = _renamed(clean(file.name), path)
            opened = replace(opened, remarks=(remark, *opened.remarks))
        several.append(opened)
    unpacked = _joined(several)
    notes, remarks = _shortened(unpacked.notes), _shortened(unpacked.remarks)
    return replace(unpacked, notes=notes, remarks=remarks)


def open_spreadsheet(
    member: Member, into: Path, limits: Limits, watch: Watch
) -> tuple[Container, tuple[Member, ...]] | None:
    """Given an XLSX (or another ZIP kept whole), return it opened, or None where its exact bytes
    could not be made again.

    `Container.inside` is left empty. Where an outer recipe names the spreadsheet, it goes on as
    `outer.over(member.path, container.recipe)`. Raise DiskFull or Cancelled.
    """
    budget = Budget(into, member.size_bytes, limits, watch)
    try:
        with member.file.open("rb") as file:
            found = zips.read(file, member.size_bytes, limits)
            box = _boxed(member, file, found.entries, found.links, budget)
    except (ExportUnsafe, KeepWhole):
        return None
    recipe = _recipe(member, box, watch)
    files = _members(member, box)
    return (_container(member, files, recipe), files) if recipe else None


@dataclass(frozen=True, slots=True)
class _Box:
    """A container's files, taken out."""

    source: Member
    """What they lie in: the container itself, or the tar inside a gzip."""
    taken: tuple[Taken, ...]
    """Their names are paths in the container, unique."""
    remarks: tuple[str, ...] = ()
    tarball: Taken | None = None


def _opened(member: Member, depth: int, budget: Budget) -> Unpacked | None:
    """Return a container with what lies in it, or None for what is, or stays, a plain file."""
    if depth > budget.limits.max_depth:
        return None
    try:
        box = _read(member, budget)
    except KeepWhole as reason:
        remark = f"{member.path} is kept as it came: {reason}."
        return Unpacked((member,), (), remarks=(remark,)) if depth == 1 else None
    except TooMuch:
        raise
    except ExportUnsafe:
        if depth == 1:
            raise
        return None  # somebody's attachment: it is kept as it came, and harms nobody so
    return _folder(member, box, depth, budget) if box else None


def _read(member: Member, budget: Budget) -> _Box | None:
    """Take a container's files out; None where it is none, or a document."""
    with member.file.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if zips.is_zip(file, head, member.size_bytes):
            found = zips.read(file, member.size_bytes, budget.limits)
            if found.is_document:
                return None
            return _boxed(member, file, found.entries, found.links, budget)
        if gzips.is_gzip(head):
            file.seek(0)
            return _gunzipped(member, gzips.take(file, budget), budget)
        return _untarred(member, file, budget) if tars.is_tar(head) else None


def _untarred(member: Member, file: BinaryIO, budget: Budget) -> _Box:
    file.seek(0)
    found = tars.read(file, member.size_bytes, budget.limits)
    return _boxed(member, file, found.entries, found.links, budget)


def _gunzipped(member: Member, taken: Taken, budget: Budget) -> _Box:
    """A gzip is a folder with its one file, or with a tar's files where that file is a tar."""
    with taken.file.open("rb") as file:
        if tars.is_tar(file.read(_HEAD_BYTES)):
            inside = Member(_tar_path(member), taken.file, taken.size_bytes, taken.sha256)
            try:
                return replace(_untarred(inside, file, budget), tarball=taken)
            except KeepWhole:
                pass  # the tar is the gzip's one file
    name = PurePosixPath(clean(taken.name)).name if taken.name else _without_gz(member.path)
    return _Box(member, (replace(taken, name=name),))


def _boxed(
    source: Member, file: BinaryIO, entries: Sequence[Entry], links: int, budget: Budget
) -> _Box:
    """Give every entry its path, then take them out."""
    names = Names()
    paths = [names.claim(clean(entry.name)) for entry in entries]
    shown = source.path.rstrip("/")
    remarks = [
        _renamed(f"{shown}/{clean(entry.name)}", f"{shown}/{path}")
        for entry, path in zip(entries, paths, strict=True)
        if path != clean(entry.name)
    ]
    if links:
        remarks.append(f"{links} links or devices in {shown} are left out: they are no files.")
    taken = tuple(
        replace(take(file, entry, budget), name=path)
        for entry, path in zip(entries, paths, strict=True)
    )
    return _Box(source, taken, tuple(remarks))


def _folder(member: Member, box: _Box, depth: int, budget: Budget) -> Unpacked:
    """Open what lies in the container too, and find out how to make the container again.

    What cannot be made again stays closed where the outer container can be: it is then part of
    that recipe as it came, and need not be kept twice. Not where all must be opened.
    """
    files = _members(member, box)
    recipe = _recipe(member, box, budget.watch)
    inner = {file.path: _opened(file, depth + 1, budget) for file in files}
    made = {path: _recipe_of(opened) for path, opened in inner.items()}
    if budget.limits.opens_all and any(opened and not made[path] for path, opened in inner.items()):
        recipe = None
    if recipe:
        recipe = _with_inner(recipe, member, box, {path: one for path, one in made.items() if one})
        inner = {path: opened if made[path] else None for path, opened in inner.items()}
    notes = () if files else (f"{member.path} is empty.",)
    below = [inner[file.path] or Unpacked((file,), ()) for file in files]
    itself = Unpacked((), (_container(member, files, recipe),), notes, box.remarks)
    return _joined([itself, *(_lying_in(member, opened) for opened in below)])


def _members(member: Member, box: _Box) -> tuple[Member, ...]:
    return tuple(
        Member(f"{member.path}/{one.name}", one.file, one.size_bytes, one.sha256, one.modified)
        for one in box.taken
    )


def _container(member: Member, files: Sequence[Member], recipe: Recipe | None) -> Container:
    return Container(
        path=member.path,
        file=member.file,
        size_bytes=member.size_bytes,
        sha256=member.sha256,
        members=tuple(file.path for file in files),
        recipe=recipe,
        modified=member.modified,
    )


def _recipe(member: Member, box: _Box, watch: Watch) -> Recipe | None:
    recipe = _recipe_for(
        box.source, [(f"{member.path}/{one.name}", one) for one in box.taken], watch
    )
    if box.tarball is None:
        return recipe
    tar = _tar_path(member)
    gzip = _recipe_for(member, [(tar, box.tarball)], watch) if recipe else None
    box.tarball.file.unlink()
    return gzip.over(tar, recipe) if gzip and recipe else None


def _recipe_for(source: Member, taken: Sequence[tuple[str, Taken]], watch: Watch) -> Recipe | None:
    parts = [
        Part(
            member=path,
            file=one.file,
            offset=span.offset,
            packed_bytes=span.packed_bytes,
            size_bytes=span.size_bytes,
            is_deflated=span.is_deflated,
            start=span.start,
            likely_level=span.likely_level,
        )
        for path, one in taken
        for span in one.spans
    ]
    return recipe_for(source.file, source.sha256, parts, watch)


def _with_inner(recipe: Recipe, member: Member, box: _Box, inner: dict[str, Recipe]) -> Recipe:
    if box.tarball is None:
        return replace(recipe, inner=inner)
    tar = _tar_path(member)
    return recipe.over(tar, replace(recipe.inner[tar], inner=inner))


def _recipe_of(opened: Unpacked | None) -> Recipe | None:
    return opened.containers[0].recipe if opened else None


def _lying_in(member: Member, opened: Unpacked) -> Unpacked:
    if not opened.containers:
        return opened
    first, *others = opened.containers
    return replace(opened, containers=(replace(first, inside=member.path), *others))


def _tar_path(member: Member) -> str:
    """The tar inside a gzip is no member: this path is nobody else's."""
    return f"{member.path}//"


def _without_gz(path: str) -> str:
    name = PurePosixPath(path).name
    stem, _, suffix = name.rpartition(".")
    if not stem:
        return name
    return {"gz": stem, "gzip": stem, "tgz": f"{stem}.tar"}.get(suffix.lower(), name)


def _joined(several: Sequence[Unpacked]) -> Unpacked:
    return Unpacked(
        tuple(chain.from_iterable(one.members for one in several)),
        tuple(chain.from_iterable(one.containers for one in several)),
        tuple(chain.from_iterable(one.notes for one in several)),
        tuple(chain.from_iterable(one.remarks for one in several)),
    )


def _renamed(name: str, path: str) -> str:
    return f"There are two of {name}: this one is kept as {path}."


def _shortened(notes: tuple[str, ...]) -> tuple[str, ...]:
    more = len(notes) - _MOST_NOTES
    return (*notes[:_MOST_NOTES], f"And {more} more of this kind.") if more > 0 else notes
