"""The only home of leaving out of one backup in hand what was to be erased, and of looking again.

Wherever it comes from: the disk may have been away, a cloud copy may be older. What still says it
afterwards is neither given out nor gone on from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..core.erasure import gone_from
from ..core.errors import ApplianceError
from ..core.model import Archive
from ..core.ports import Layout, Watch
from . import register
from .journal import Journal
from .kit import Kit
from .places import wipe
from .rotation import Reference

_TIMES_THE_EXPORT = 3
"""How much room it takes to make a backup again: its files, those that stay, what is stored."""
_GIVEN_TO_NOBODY = "It is given to nobody, and goes by its age; choose another backup."
Goes = Callable[[str], bool]


def left_out(  # noqa: PLR0917 - a backup, the one before it, and what goes
    kit: Kit,
    archive: Archive,
    stored: Path,
    before: Path | None,
    goes: Goes,
    work: Path,
    watch: Watch,
) -> Layout:
    """Given an extracted archive, make the folder to archive in its place inside `work`, going on
    from `before`, and look through all of it once more.

    Raise ApplianceError where what goes cannot be taken out or is still there, DiskFull.
    """
    wipe(work)
    work.mkdir()
    kit.staging.require(_TIMES_THE_EXPORT * kit.exports.read(stored).export_bytes)
    layout = kit.exports.without(stored, before, goes, work, watch)
    if holds(kit, layout.root, goes, watch):
        words = f"{archive.name} still says what was to be erased."
        raise ApplianceError(words, hint=_GIVEN_TO_NOBODY)
    return layout


def holds(kit: Kit, root: Path, goes: Goes, watch: Watch) -> bool:
    """Return whether an extracted archive has what is to go; raise RepositoryDamaged."""
    look = root.with_name(f"{root.name}-look")
    wipe(look)
    look.mkdir()
    try:
        return kit.exports.holds(root, goes, look, watch)
    finally:
        wipe(look)


def leave_out(kit: Kit, archive: Archive, stored: Path, watch: Watch) -> bool:
    """Given an archive that was taken out for somebody, leave out of it what was to be erased.

    Return whether anything was; raise ApplianceError where that cannot be.
    """
    goes = gone_from(register.registered(kit.ledger, archive.source), archive.sequence)
    if goes is None or not holds(kit, stored, goes, watch):
        return False
    _made_again(kit, archive, stored, goes, watch)
    return True


def fit_to_go_on_from(kit: Kit, journal: Journal, reference: Reference) -> Reference | None:
    """Given the newest backup from a place where something is to be erased still, return it with
    no trace of that, also in what it was stored as; None where it cannot be made so.
    """
    archive, root = reference.archive, reference.layout.root
    goes = gone_from(register.registered(kit.ledger, archive.source), archive.sequence)
    if goes is None:
        return reference
    try:
        return replace(reference, layout=_made_again(kit, archive, root, goes, journal.watch))
    except ApplianceError as error:
        journal.warn(error)
        return None


def _made_again(kit: Kit, archive: Archive, stored: Path, goes: Goes, watch: Watch) -> Layout:
    work = stored.with_name(f"{stored.name}-work")
    layout = left_out(kit, archive, stored, None, goes, work, watch)
    wipe(stored)
    layout.root.rename(stored)
    wipe(work)
    return kit.exports.read(stored)
