"""The only home of lay-out: an export goes in, a folder that can restore itself comes out.

What is odd becomes one of two things. A *note* makes the Run a warning: only where a person must
look, as something may be missing or an older backup is not whole (an empty ZIP, a predecessor that
does not rebuild). A *remark* is only recorded in the manifest: every byte is kept, and it would be
said again each day until nobody reads warnings any more (a name that is there twice, links, a ZIP
of another kind, `original = "drop"`, another zlib).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from ..core.errors import ApplianceError, RepositoryDamaged
from ..core.model import Archive, Export, ExportFile, SeenFile, StepName, StoredFile
from ..core.ports import Layout, Watch
from . import guard, how_to_restore, manifest, restore
from .contents import Box, Kept, Manifest
from .extracted import Extracted
from .keeping import Draft, Keeper, Leaning
from .likeness import pair
from .original import NotReproduced
from .parts import PART_BYTES
from .privacy import Privacy, may_lie_beside, refuse_renamed
from .restore import disk_full_of
from .tables.grouping import TableRule
from .tables.telling import sentence
from .tree import Tree
from .understanding import Understanding, files_of
from .unpack import Container, Limits, Member, Unpacked


def _no_key() -> bytes:
    raise ApplianceError("There is no key to mask columns with.")


@dataclass(frozen=True, slots=True)
class _Said:
    notes: list[str]
    remarks: list[str]
    tables: list[Mapping[str, Any]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What an archive is made with: the one before it, its own folder, and who decides how each
    file is stored.
    """

    before: Extracted | None
    tree: Tree
    keeper: Keeper


@dataclass(frozen=True, slots=True)
class Anew:
    """An archive that is to be made again: what it says of itself, and its files."""

    content: Manifest
    members: Sequence[Member]
    originals: Mapping[str, Path]
    """The containers that are kept as they came, by their paths."""


@dataclass(frozen=True, slots=True)
class ExportFolder:
    """Understands exports; implements `core.ports.Exports`.

    `original` says what becomes of a ZIP or gzip whose exact bytes its members cannot give back:
    "keep" stores it beside them, "drop" does without it.
    """

    original: Literal["keep", "drop"] = "keep"
    limits: Limits = field(default_factory=Limits)
    rules: Sequence[TableRule] = ()
    """What somebody said of its tables."""
    part_bytes: int = PART_BYTES
    comes_in_parts: bool = False
    """Whether an export may lack tables that the one before had: somebody brings them singly."""
    leans_at_most: timedelta | None = None
    """How long an archive may lean, as a difference, on versions that the export no longer has;
    None: as long as that saves room."""
    pseudonym_key: Callable[[], bytes] = _no_key
    """What columns are masked with; asked for where a rule masks any."""

    def lay_out(self, export: Export, previous: Path | None, work: Path, watch: Watch) -> Layout:
        """Given an export and the extracted archive before it, make the folder to archive.

        What does not rebuild from that archive is stored whole, with a note. See
        `core.ports.Exports`.
        """
        with disk_full_of("the working space"):
            members = work / "members"
            members.mkdir()
            bench = self._bench(previous, work, export.pulled_at, watch)
            was = bench.before.manifest.tables if bench.before else ()
            unpacked = self._privacy(was, watch).unpacked(export, members)
            said = _Said(list(unpacked.notes), list(unpacked.remarks))
            self._understand(unpacked.members, bench, said)
            self._judge(unpacked.members, bench, said)
            kept = self._keep(unpacked.members, bench, said)
            boxes = tuple(self._box(each, bench.tree, said) for each in unpacked.containers)
            content = replace(_about(export, unpacked), containers=boxes, members=kept)
            return _finish(content, bench, said)

    def lay_again(self, anew: Anew, previous: Path | None, work: Path, watch: Watch) -> Layout:
        """Given an archive as it is to be from now on, make the folder to archive.

        It goes on from the extracted archive `previous`, and from nothing that was stored before.
        """
        content = anew.content
        with disk_full_of("the working space"):
            said = _Said(list(content.notes), list(content.remarks), held=list(content.held))
            bench = self._bench(previous, work, content.pulled_at, watch)
            self._understand(anew.members, bench, said)
            kept = self._keep(anew.members, bench, said)
            for box in content.containers:
                if box.original:
                    stored = StoredFile(box.size_bytes, box.sha256)
                    bench.tree.put(box.original, anew.originals[box.path], stored)
            return _finish(replace(content, members=kept), bench, said)

    def read(self, archive_root: Path) -> Layout:
        """Given an extracted archive, return its layout from its manifest, hashing nothing."""
        content, itself = manifest.load(archive_root)
        return _layout(archive_root, content, itself, new_bytes=0)

    def restore(
        self,
        archive_root: Path,
        into: Path,
        watch: Watch,
        *,
        only: Sequence[str] = (),
        original: bool = False,
    ) -> tuple[Path, ...]:
        """Given an extracted archive, rebuild its files into `into`; see `core.ports.Exports`."""
        return restore.restore(archive_root, into, watch, only=only, original=original)

    def _privacy(self, before: Sequence[Mapping[str, Any]], watch: Watch) -> Privacy:
        """Opens what came; what is never to be stored in clear is hidden before anybody looks."""
        is_some, key = self.comes_in_parts, self.pseudonym_key
        return Privacy(self.rules, key, self.limits, watch, is_some, before)

    def _bench(self, previous: Path | None, work: Path, now: datetime, watch: Watch) -> _Bench:
        scratch = work / "scratch"
        scratch.mkdir()
        before = Extracted.at(previous, scratch) if previous else None
        leaning = Leaning(now, self.leans_at_most)
        keeper = Keeper(scratch, self.limits, watch, leaning, self.part_bytes)
        return _Bench(before, Tree(work / "tree", before.manifest.stored if before else {}), keeper)

    def _understand(self, members: Sequence[Member], bench: _Bench, said: _Said) -> None:
        """Say what the tables are."""
        hidden = {member.path: member.hidden for member in members}
        keeper = bench.keeper
        understanding = Understanding(self.rules, keeper.work, keeper.watch, hidden)
        files = files_of(members, self.rules)
        said.tables.extend(understanding.tell(files, bench.before, said.remarks))

    def _judge(self, members: Sequence[Member], bench: _Bench, said: _Said) -> None:
        """Say why a person must look at it first; raise ExportUnsafe where something that is to be
        hidden may be there under another name.
        """
        was = bench.before.manifest.tables if bench.before else ()
        refuse_renamed(said.tables, was, {member.path: member.hidden for member in members})
        files, parts = files_of(members, self.rules), self.comes_in_parts
        said.held.extend(guard.reasons(said.tables, was, files, comes_in_parts=parts))

    def _keep(self, members: Sequence[Member], bench: _Bench, said: _Said) -> tuple[Kept, ...]:
        """Store every member, one at a time, each with its own predecessor."""
        before, keeper, kept = bench.before, bench.keeper, list[Kept]()
        pairs = pair(members, before.manifest.members if before else (), keeper.look)
        total, done = sum(member.size_bytes for member in members), 0
        for member in members:
            keeper.watch.report(StepName.INSPECT, done, total, note=member.path)
            old = self._beside(member, pairs.get(member.path), before)
            kept.append(bench.tree.keep(_draft(member, before, old, keeper, said)))
            keeper.clear()
            done += member.size_bytes
        keeper.watch.report(StepName.INSPECT, total, total)
        return tuple(kept)

    def _box(self, container: Container, tree: Tree, said: _Said) -> Box:
        """Store a container's own bytes where nothing else gives them back."""
        original = ""
        if container.recipe is None and not container.inside and not container.is_masked:
            if self.original == "keep":
                original = f"original/{container.path}"
                stored = StoredFile(container.size_bytes, container.sha256)
                tree.put(original, container.file, stored)
            else:
                said.remarks.append(
                    f"Of {container.path} only what is inside was kept: the file itself cannot "
                    'be made again from that, and original = "drop" is set.'
                )
        return Box(
            container.path,
            container.size_bytes,
            container.sha256,
            container.modified,
            container.inside,
            container.recipe,
            original,
            container.is_masked,
        )

    def _beside(self, member: Member, old: Kept | None, before: Extracted | None) -> Kept | None:
        """The predecessor whose bytes will be stored as the member's base: never what is hidden."""
        if before is None or old is None:
            return None
        tables = before.manifest.tables
        return old if may_lie_beside(old, member, tables, self.rules) else None


def _about(export: Export, unpacked: Unpacked) -> Manifest:
    shown = {box.file for box in unpacked.containers if not box.is_masked}
    shown |= {member.file for member in unpacked.members}
    files = tuple(_seen(file, shown) for file in export.files)
    return Manifest(source=export.source, pulled_at=export.pulled_at, files=files)


def _seen(file: ExportFile, shown: AbstractSet[Path]) -> SeenFile:
    """What came, as the manifest tells it: of what is not shown no hash, by which one could guess
    what is hidden in it.
    """
    sha256, validator = (file.sha256, file.validator) if file.path in shown else ("", "")
    return SeenFile(file.name, file.size_bytes, sha256, file.modified, validator)


def _finish(content: Manifest, bench: _Bench, said: _Said) -> Layout:
    """Write what an archive says of itself beside its files, and tidy up."""
    tree, archive = bench.tree, Archive.name_for(content.source, content.pulled_at)
    tree.write(how_to_restore.NAME, how_to_restore.text(archive).encode())
    content = replace(
        content,
        stored=dict(tree.stored),
        notes=tuple(dict.fromkeys(said.notes)),
        remarks=tuple(dict.fromkeys(said.remarks)),
        tables=tuple(said.tables),
        held=tuple(said.held),
    )
    itself = tree.write(manifest.NAME, manifest.encode(content))
    rmtree(bench.keeper.work)
    return _layout(tree.root, content, itself, tree.new_bytes)


def _draft(
    member: Member, before: Extracted | None, old: Kept | None, keeper: Keeper, said: _Said
) -> Draft:
    """Decide how to store a member; whole where its predecessor is not what it should be."""
    try:
        return keeper.draft(member, before, old)
    except NotReproduced:
        said.remarks.append(f"{member.path} is stored whole: its packing cannot be made here.")
    except RepositoryDamaged as error:
        said.notes.append(
            f"{member.path} is stored whole: its version in the backup before cannot be read back "
            f"({error.detail or error.message})."
        )
    keeper.clear()
    return keeper.draft(member, None, None)


def _layout(root: Path, content: Manifest, itself: StoredFile, new_bytes: int) -> Layout:
    stored = {**content.stored, manifest.NAME: itself}
    return Layout(
        root=root,
        stored=stored,
        manifest_sha256=itself.sha256,
        export_bytes=sum(kept.size_bytes for kept in content.members),
        stored_bytes=sum(file.size_bytes for file in stored.values()),
        new_bytes=new_bytes,
        notes=content.notes,
        held=content.held,
        tables=content.tables,
        changes=sentence(content.tables),
    )
