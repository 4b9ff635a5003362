"""The cloud copies: only of what is proved, never of what is damaged.

A mirror is pushed in the same worker as everything else, after verify, so nothing writes to the
repository meanwhile. A cloud that does not answer costs the backup nothing: it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ..core.errors import ApplianceError, MirrorRefused, RepositoryDamaged
from ..core.forgetting import EXPIRE_EVERY
from ..core.model import Copy, Outcome, Run, StepName, Trigger
from ..core.ports import Mirror, Watch
from ..core.words import plural
from . import memory, register, rotation
from .journal import Journal, Remarks, record
from .kit import Ended, Kit
from .places import Place, proved, strangers, trusts_the_clock
from .register import pending, registered

COMPARE_EVERY = timedelta(days=30)
LOOK_EVERY = timedelta(hours=23)
"""A token that died, or an emptied cloud, is found out within a day, and not an hour later each."""
_COMPARED_AT = "compared-at"
_TESTED_AT = "key-tested-at"
_KEPT_AT = "erased-but-kept-at"
_KEPT = "What was sent just now cannot be destroyed with this box's own key."
_NOT_KEPT = "With this box's own key the copy there could be destroyed."


def job_name(mirror: str) -> str:
    """Return the name under which a mirror's own Runs stand in the ledger."""
    return f"mirror:{mirror}"


def run_mirror(mirror: Mirror, trigger: Trigger, kit: Kit, watch: Watch, slot: str = "") -> Run:
    """Bring one mirror up to date on its own; return the finished Run."""
    return bring_up_to_date(mirror, trigger, kit, watch, slot).run


def bring_up_to_date(
    mirror: Mirror, trigger: Trigger, kit: Kit, watch: Watch, slot: str = ""
) -> Ended:
    """As `run_mirror`, with the errors themselves for whoever decides about trying again."""

    def story(journal: Journal, folder: Path) -> None:
        (place,) = rotation.reachable(kit, journal, only=mirror.repository)
        rotation.prove_strangers(kit, journal, [place], folder / "borrowed")
        _require_sound(kit, place)
        journal.step(StepName.MIRROR, lambda remarks: _push(mirror, place, journal, remarks))
        _settle(kit, journal, mirror, place)

    return record(kit, job_name(mirror.name), trigger, watch, story, slot)


def follow(kit: Kit, journal: Journal, places: Sequence[Place]) -> None:
    """After a backup: push each mirror whose repository is here; what fails is a warning."""
    by_name = {place.name: place for place in places}
    for mirror in kit.mirrors:
        place = by_name.get(mirror.repository)
        if place is not None and _is_wanted(kit, journal, mirror, place):
            _follow(kit, journal, mirror, place)


def _is_wanted(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> bool:
    """Whether there is anything to do: a day without news calls the cloud once, to look."""
    if journal.outcome is not Outcome.SKIPPED:
        return True
    there, here = proved(kit, mirror.name), {archive.name for archive in place.archives}
    news = there != here or _forgets(kit, mirror, place)
    return news or _looks(kit, mirror) or _compares(kit, mirror) or _expires(kit, mirror)


def _looks(kit: Kit, mirror: Mirror) -> bool:
    seen = [copy.verified for copy in kit.ledger.copies() if copy.place == mirror.name]
    return not seen or abs(kit.clock.now() - max(seen)) >= LOOK_EVERY


def _follow(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> None:
    def push(remarks: Remarks) -> None:
        _require_sound(kit, place)
        _push(mirror, place, journal, remarks)

    failure = journal.attempt(StepName.MIRROR, push, mirror.name)
    if not isinstance(failure, ApplianceError):
        _settle(kit, journal, mirror, place)
    elif failure.retry:
        journal.unmirrored.append(mirror.name)


def _settle(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> None:
    """What was pushed counts as a copy, unless the monthly comparison says otherwise."""
    if _compares(kit, mirror) and not _compared(kit, journal, mirror, place):
        return
    _record_copies(kit, mirror, place)
    _forget(kit, journal, mirror, place)
    _try_the_key(kit, journal, mirror)
    _expire(kit, journal, mirror, place)


def _forgets(kit: Kit, mirror: Mirror, place: Place) -> bool:
    """Whether the disk has given up to the last byte somebody whom the cloud still has."""
    ledger = kit.ledger
    sources = register.sources(ledger)
    asked = any(pending(ledger, source, mirror.name) for source in sources)
    still_here = any(pending(ledger, source, place.name) for source in sources)
    is_gone_here = not still_here and not register.owes_the_last_byte(ledger, place.name)
    return asked and is_gone_here and _is_due(kit, _KEPT_AT, mirror, EXPIRE_EVERY)


def _forget(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> None:
    """After an erasure: nothing stays in the cloud but what the disk has now.

    What somebody asks meanwhile is not done: so the requests are counted before it begins.
    """
    sources = register.sources(kit.ledger)
    asked = {source: len(registered(kit.ledger, source)) for source in sources}
    if not _forgets(kit, mirror, place):
        return

    def forget(remarks: Remarks) -> None:
        count = mirror.forget(place.repository, journal.watch)
        remarks.message = f"{plural(count, 'file')} with what was erased removed from the cloud."

    failure = journal.attempt(StepName.PRUNE, forget, mirror.name)
    if isinstance(failure, ApplianceError):
        if isinstance(failure, MirrorRefused):  # a lock of the bucket's lasts weeks
            memory.note_time(kit.ledger, _KEPT_AT, mirror.name, kit.clock.now())
        return
    for source, count in asked.items():
        register.note_done(kit.ledger, source, mirror.name, count)


def _compared(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> bool:
    """Compare the whole copy; one that differs is no copy any more, until it compares again."""

    def compare(remarks: Remarks) -> None:
        mirror.compare(place.repository, journal.watch)
        remarks.message = f"All of {mirror.name} was compared with {place.name}."

    failure = journal.attempt(StepName.VERIFY, compare, mirror.name)
    if not isinstance(failure, ApplianceError):
        memory.note_time(kit.ledger, _COMPARED_AT, mirror.name, kit.clock.now())
        return True
    words = f"The cloud copy {mirror.name} does not count until it was compared again."
    journal.warn(ApplianceError(words))
    if isinstance(failure, MirrorRefused):
        kit.ledger.drop_copies(mirror.name, sorted(proved(kit, mirror.name)))
    return False


def _try_the_key(kit: Kit, journal: Journal, mirror: Mirror) -> None:
    """At first and then monthly: find out whether this box's key could empty the cloud."""
    if not _is_due(kit, _TESTED_AT, mirror, COMPARE_EVERY):
        return

    def tried(remarks: Remarks) -> None:
        keeps = mirror.keeps_what_it_got(journal.watch)
        memory.note_cloud_keeps(kit.ledger, mirror.name, keeps)
        remarks.message = _KEPT if keeps else _NOT_KEPT

    if _is_settled(journal.attempt(StepName.MIRROR, tried, mirror.name)):
        memory.note_time(kit.ledger, _TESTED_AT, mirror.name, kit.clock.now())


def _is_settled(result: object) -> bool:
    """Whether it was done or refused; what is refused today is refused tomorrow too."""
    return not isinstance(result, ApplianceError) or isinstance(result, MirrorRefused)


def _compares(kit: Kit, mirror: Mirror) -> bool:
    return _is_due(kit, _COMPARED_AT, mirror, COMPARE_EVERY)


def _expires(kit: Kit, mirror: Mirror) -> bool:
    due = _is_due(kit, memory.EXPIRED_AT, mirror, EXPIRE_EVERY)
    return mirror.expires_after is not None and due


def _is_due(kit: Kit, kind: str, mirror: Mirror, every: timedelta) -> bool:
    last = memory.noted_time(kit.ledger, kind, mirror.name)
    return last is None or abs(kit.clock.now() - last) >= every


def _push(mirror: Mirror, place: Place, journal: Journal, remarks: Remarks) -> None:
    transfer = mirror.push(place.repository, journal.watch)
    remarks.size_bytes = transfer.size_bytes
    remarks.message = f"{plural(transfer.files, 'file')} sent."


def _expire(kit: Kit, journal: Journal, mirror: Mirror, place: Place) -> None:
    """Once a week, on a trusted clock: let go of what the repository has long not had."""
    now = kit.clock.now()
    if not _expires(kit, mirror) or not trusts_the_clock(kit, [place]):
        return

    def expire(remarks: Remarks) -> None:
        missing = memory.noted_missing(kit.ledger, mirror.name)
        gone = mirror.expire(place.repository, now, missing, journal.watch)
        memory.note_missing(kit.ledger, mirror.name, gone.missing)
        remarks.message = f"{plural(len(gone.removed), 'old file')} removed from the cloud."

    if _is_settled(journal.attempt(StepName.PRUNE, expire, mirror.name)):
        memory.note_time(kit.ledger, memory.EXPIRED_AT, mirror.name, now)


def _require_sound(kit: Kit, place: Place) -> None:
    """Raise what keeps a repository from being mirrored."""
    if memory.is_damaged(kit.ledger, place.name):
        raise RepositoryDamaged(f"{place.name} is damaged, so the cloud copy is left as it is.")
    unread = strangers(kit, place, place.archives)
    if unread and not place.failed:
        count = plural(len(unread), "backup")
        raise ApplianceError(
            f"{count} on {place.name} were not read yet; when all are, the cloud copy follows."
        )
    if place.failed:
        hint = "The next backup tries again; look at what went wrong with this disk."
        raise ApplianceError(
            f"{place.name} is not proved whole, so the cloud copy is left as it is.", hint=hint
        )


def _record_copies(kit: Kit, mirror: Mirror, place: Place) -> None:
    """The mirror holds what its repository holds: new ones, and again the newest of each."""
    there = proved(kit, mirror.name)
    newest = {archive.name for archive in place.newest_of_each()}
    for archive in place.archives:
        if archive.name not in there or archive.name in newest:
            now = kit.clock.now()
            kit.ledger.add_copy(Copy(archive.name, archive.source, mirror.name, archive.time, now))
    gone = there - {archive.name for archive in place.archives}
    if gone:
        kit.ledger.drop_copies(mirror.name, sorted(gone))
