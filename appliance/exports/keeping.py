"""The only home of the decision how one member is stored: whole, as a chain, or opened.

A decision is a Draft: nothing of it is in the archive's folder yet, everything of it is proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from math import ceil
from pathlib import Path, PurePosixPath
from shutil import rmtree

from ..core.model import StoredFile
from ..core.ports import Watch
from .contents import Chain, Kept, Likeness, Manifest
from .differences import Before, Growth, packed_size
from .extracted import Extracted
from .likeness import likeness, pair
from .original import Recipe
from .parts import PART_BYTES, Cut, Stretch, evenly, follow
from .unpack import Limits, Member, open_spreadsheet

TINY_BYTES = 4 << 10
"""Smaller members are stored whole: a patch with its name and hash would weigh as much."""
SPREADSHEETS = frozenset({".xlsx", ".xlsm", ".ods"})


@dataclass(frozen=True, slots=True)
class Link:
    """A file to be stored: where its bytes are now, and what is known of them."""

    content: Stretch
    stored: StoredFile | None = None
    """None: to be hashed while it is stored."""
    is_new: bool = True
    """Whether it is of today: the new bytes, or a patch that leads to them."""


@dataclass(frozen=True, slots=True)
class ChainDraft:
    """One part of a member, as a chain to be stored."""

    links: tuple[Link, ...]
    size_bytes: int
    packed_bytes: int
    since: datetime | None = None
    """See `contents.Chain`."""

    @property
    def is_fresh(self) -> bool:
        """Whether it begins today and gains nothing from what was before."""
        return len(self.links) == 1 and self.links[0].is_new

    @property
    def growing_bytes(self) -> int:
        """What it adds today, packed, not counting a base that is yesterday's."""
        if self.is_fresh:
            return self.packed_bytes
        return self.links[-1].content.size_bytes if self.links[-1].is_new else 0


@dataclass(frozen=True, slots=True)
class Draft:
    """How a member will be stored: whole where there are neither parts nor a recipe."""

    member: Member
    likeness: Likeness
    parts: tuple[ChainDraft, ...] = ()
    recipe: Recipe | None = None
    inside: tuple[Draft, ...] = ()
    is_known: bool = False
    """Whether the archive before has these very bytes."""

    @property
    def growing_bytes(self) -> int:
        """What days like this one cost, packed, once there are bases."""
        if self.is_known:
            return 0
        if self.recipe:
            return sum(draft.growing_bytes for draft in self.inside)
        if not self.parts:
            return packed_size(Stretch(self.member.file, 0, self.member.size_bytes))
        return sum(part.growing_bytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class Leaning:
    """How long what is stored may lean on versions that the export no longer has."""

    now: datetime
    """When the export was pulled."""
    at_most: timedelta | None = None
    """None: as long as it saves room."""

    def is_over(self, chain: Chain | ChainDraft) -> bool:
        """Return whether a chain must begin anew; one that does not say since when must, too."""
        if self.at_most is None or len(chain.links) == 1:
            return False
        return chain.since is None or abs(self.now - chain.since) > self.at_most


@dataclass(frozen=True, slots=True)
class Keeper:
    """Decides; `work` is a folder for what is only needed until the archive's folder is made."""

    work: Path
    limits: Limits
    watch: Watch
    leaning: Leaning
    part_bytes: int = PART_BYTES
    _numbers: count[int] = field(default_factory=count)
    _looks: dict[Path, Likeness] = field(default_factory=dict)

    def draft(self, member: Member, before: Extracted | None, old: Kept | None) -> Draft:
        """Given a member and its predecessor in the archive before, decide how to store it.

        Raise RepositoryDamaged where the predecessor does not rebuild to its SHA-256.
        """
        if before is None or old is None or min(member.size_bytes, old.size_bytes) < TINY_BYTES:
            return self._whole(member)
        if old.recipe is None and member.sha256 == old.sha256 and not self._leans_too_long(old):
            return self._again(member, before, old)
        if _is_spreadsheet(member.path) and _is_spreadsheet(old.path):
            opened = self._opened(member, before, old)
            if opened:
                return opened
        path, stretches = self._rebuilt(before, old)
        cuts = follow(stretches, Stretch(member.file, 0, member.size_bytes), self.part_bytes)
        parts = tuple(self._part(cut, stretches, before, old) for cut in cuts)
        if path.parent == self.work:
            self._forget_unless_base(path, parts)
        if all(part.is_fresh for part in parts) or self._is_in_shreds(member, cuts):
            return self._whole(member)
        return Draft(member, self.look(member), parts)

    def look(self, member: Member) -> Likeness:
        """Return what to recognise a member's next version by; it is looked at once."""
        if member.size_bytes < TINY_BYTES:
            return Likeness()
        if member.file not in self._looks:
            self._looks[member.file] = likeness(member.file, member.size_bytes)
        return self._looks[member.file]

    def clear(self) -> None:
        """Remove what was only needed until a draft was stored."""
        for path in self.work.iterdir():
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink()

    def _is_in_shreds(self, member: Member, cuts: Sequence[Cut]) -> bool:
        """Return whether cutting where others cut has left many more parts than needed."""
        return len(cuts) > 2 * ceil(member.size_bytes / self.part_bytes) + 2

    def _whole(self, member: Member) -> Draft:
        return Draft(member, self.look(member))

    def _again(self, member: Member, before: Extracted, old: Kept) -> Draft:
        """Store what is unchanged as it was, proved to rebuild."""
        if old.whole:
            return Draft(member, old.likeness, is_known=True)
        before.write(old, None, self.watch)
        parts = tuple(
            ChainDraft(_links(before, chain), chain.size_bytes, chain.packed_bytes, chain.since)
            for chain in old.chains
        )
        return Draft(member, old.likeness, parts, is_known=True)

    def _leans_too_long(self, old: Kept) -> bool:
        return any(self.leaning.is_over(chain) for chain in old.chains)

    def _rebuilt(self, before: Extracted, old: Kept) -> tuple[Path, tuple[Stretch, ...]]:
        """Return the version before as a proved file, and its parts."""
        if old.whole:
            path = before.file(old.whole)
            before.write(old, None, self.watch)
        else:
            path = self._scratch()
            with path.open("xb") as out:
                before.write(old, out, self.watch)
        if not old.chains:
            return path, evenly(Stretch(path, 0, old.size_bytes), self.part_bytes)
        starts = [0]
        for chain in old.chains:
            starts.append(starts[-1] + chain.size_bytes)
        sizes = (chain.size_bytes for chain in old.chains)
        return path, tuple(Stretch(path, *each) for each in zip(starts, sizes, strict=False))

    def _part(
        self, cut: Cut, stretches: Sequence[Stretch], before: Extracted, old: Kept
    ) -> ChainDraft:
        """Return a part as a chain with one patch more, or as a new base."""
        self.watch.check()
        fresh = ChainDraft((Link(cut.new),), cut.new.size_bytes, 0)
        if cut.old is None:
            return replace(fresh, packed_bytes=packed_size(cut.new))
        stretch = stretches[cut.old]
        chain = self._chain(stretch, before, old, cut.old)
        begins_anew = self.leaning.is_over(chain)
        if _equal(cut.new, stretch) and not begins_anew:
            return chain
        if begins_anew or stretch.size_bytes < 8:  # zstd takes no smaller dictionary
            return replace(fresh, packed_bytes=packed_size(cut.new))
        patch = self._scratch()
        stored = Before(stretch.read()).patch(cut.new, patch)
        growth = Growth(
            chain.links[0].content.size_bytes,
            chain.packed_bytes,
            tuple(link.content.size_bytes for link in chain.links[1:]),
            old.size_bytes,
        )
        if growth.takes(stored.size_bytes, cut.new.size_bytes):
            link = Link(Stretch(patch, 0, stored.size_bytes), stored)
            since = chain.since if len(chain.links) > 1 else self.leaning.now
            links = (*chain.links, link)
            return ChainDraft(links, cut.new.size_bytes, chain.packed_bytes, since)
        patch.unlink()
        return replace(fresh, packed_bytes=packed_size(cut.new))

    def _chain(self, stretch: Stretch, before: Extracted, old: Kept, number: int) -> ChainDraft:
        """Return the chain of a part of the version before; one that was whole becomes a base."""
        if old.chains:
            chain = old.chains[number]
            links = _links(before, chain)
            return ChainDraft(links, chain.size_bytes, chain.packed_bytes, chain.since)
        stored = StoredFile(old.size_bytes, old.sha256) if stretch.is_all else None
        base = Link(stretch, stored, is_new=False)
        return ChainDraft((base,), stretch.size_bytes, packed_size(stretch))

    def _forget_unless_base(self, path: Path, parts: Sequence[ChainDraft]) -> None:
        """Free the room of a rebuilt version that no part refers to."""
        if not any(link.content.file == path for part in parts for link in part.links):
            path.unlink()

    def _opened(self, member: Member, before: Extracted, old: Kept) -> Draft | None:
        """Return a spreadsheet as its members and their differences, where that saves half."""
        folder = self._scratch()
        folder.mkdir()
        opened = open_spreadsheet(member, folder, self.limits, self.watch)
        earlier = self._opened_before(before, old) if opened else None
        if opened is None or earlier is None or opened[0].recipe is None:
            rmtree(folder)
            return None
        container, members = opened
        pairs = pair(members, earlier.manifest.members, self.look)
        inside = tuple(self.draft(each, earlier, pairs.get(each.path)) for each in members)
        draft = Draft(member, self.look(member), (), container.recipe, inside)
        if draft.growing_bytes * 2 <= member.size_bytes:
            return draft
        rmtree(folder)
        return None

    def _opened_before(self, before: Extracted, old: Kept) -> Extracted | None:
        """Return the spreadsheet before as an archive of its members."""
        if old.recipe:
            return replace(before, manifest=replace(before.manifest, members=old.inside))
        path, _ = self._rebuilt(before, old)
        folder = self._scratch()
        folder.mkdir()
        earlier = Member(old.path, path, old.size_bytes, old.sha256, old.modified)
        opened = open_spreadsheet(earlier, folder, self.limits, self.watch)
        if opened is None:
            return None
        inside = tuple(
            Kept(
                each.path,
                each.size_bytes,
                each.sha256,
                each.modified,
                whole=str(each.file.relative_to(folder)),
                likeness=self.look(each),
            )
            for each in opened[1]
        )
        manifest = Manifest(before.manifest.source, before.manifest.pulled_at, members=inside)
        return Extracted(folder, manifest, before.scratch)

    def _scratch(self) -> Path:
        return self.work / f"{next(self._numbers):06d}"


def _is_spreadsheet(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SPREADSHEETS


def _links(before: Extracted, chain: Chain) -> tuple[Link, ...]:
    links = []
    for path in chain.links:
        stored = before.manifest.stored[path]
        links.append(Link(Stretch(before.file(path), 0, stored.size_bytes), stored, is_new=False))
    return tuple(links)


def _equal(one: Stretch, other: Stretch) -> bool:
    return one.size_bytes == other.size_bytes and all(
        a == b for a, b in zip(one.blocks(), other.blocks(), strict=True)
    )
