"""What is done once, by a person: make a repository, confirm a server's key, print the sheet.

Part of the rim.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .box import WAITING_FOLDER, Box
from .config import RepositorySection, SftpSource
from .core.errors import ApplianceError, PassphraseWrong, SourceRefused
from .engine import memory, observations
from .repositories import sheet as emergency_sheet
from .sources.hostkeys import HostKey, pin, pinned
from .system.files import make_private, write_durably

if TYPE_CHECKING:
    from .hw.marker import Marker


@dataclass(frozen=True, slots=True)
class Made:
    """A repository that is ready, and where its emergency sheet was written."""

    location: str
    id: str
    sheet: Path


@dataclass(frozen=True, slots=True)
class Offer:
    """The key a server shows, and the fingerprint that was pinned until now, if any."""

    key: HostKey
    pinned: str
    in_configuration: bool = False
    """Whether that one stands in the configuration, where nothing but a person changes it."""

    @property
    def is_pinned(self) -> bool:
        """Whether it is the one that is pinned."""
        return self.pinned == self.key.fingerprint


def init_repository(box: Box, name: str) -> Made:
    """Given a repository's name, make it (or adopt it) and note its id; return where it is.

    The passphrase is generated unless the secret store has it. A disk is marked as ours. Raise
    DiskAbsent where its folder, disk or host is missing, PassphraseWrong or WrongDisk where
    something else lies there.
    """
    section = box.settings.repository_named(name)
    if section.disk is not None:
        return _init_disk(box, section)
    return _init(box, section)


def _init_disk(box: Box, section: RepositorySection) -> Made:
    """Mark the disk, so that it lets itself be used; then once more, with the repository's id."""
    from .hw import enrolled, marker  # noqa: PLC0415 - an office without disks needs no udev

    place = box.settings.disks.mounts / section.name
    try:
        enrolled.open_up(place, section.name, str(section.disk))
        enrolled.require_ours(place, box.box_id)
        before = marker.read(place)
        known = before.repository_id if before is not None else ""
        enrolled.mark(place, _mark(box, section, known), box.marker_key)
        made = _init(box, section)
        enrolled.mark(place, _mark(box, section, made.id), box.marker_key)
    finally:
        box.release()
    return made


def adopt_disk(box: Box, name: str, passphrase: str) -> Made:
    """Take the disk of a box that is gone over; return where its repository is.

    The mark comes late: until then it is the other box's disk, and all may be done again. Raise
    PassphraseWrong where it does not open the disk, which then stays as it was.
    """
    from .hw import enrolled  # noqa: PLC0415 - as above

    section = box.settings.repository_named(name)
    _require_no_other(box, section, passphrase)
    place = box.settings.disks.mounts / section.name
    try:
        enrolled.open_up(place, section.name, str(section.disk))
        identity = _taken_over(box, section, passphrase)
        box.secrets.put(section.passphrase, passphrase)
        _note(box, name, identity)
        enrolled.mark(place, _mark(box, section, ""), box.marker_key)
        made = _made(box, section, identity)
        enrolled.mark(place, _mark(box, section, identity), box.marker_key)
    finally:
        box.release()
    return made


def _require_no_other(box: Box, section: RepositorySection, passphrase: str) -> None:
    """The only passphrase to a disk that lies in a drawer is never written over."""
    secret = section.passphrase
    if box.secrets.has(secret) and box.secrets.get(secret) != passphrase:
        raise ApplianceError(
            f"The box keeps the passphrase of another disk by the name of {section.name}.",
            hint="If you typed it right, give this disk another name: --name",
        )


def _taken_over(box: Box, section: RepositorySection, passphrase: str) -> str:
    try:
        return box.opened_by(section, passphrase).take_over()
    except PassphraseWrong as error:
        error.hint = "Type it as it stands on the emergency sheet of exactly this disk."
        raise


def _mark(box: Box, section: RepositorySection, repository_id: str) -> Marker:
    from .hw.marker import Marker  # noqa: PLC0415 - as above

    return Marker(
        box_id=box.box_id,
        box_name=box.settings.appliance.name,
        name=section.name,
        uuid=str(section.disk),
        serial=section.serial,
        repository_id=repository_id,
        paired=box.clock.now().replace(microsecond=0),
    )


def _init(box: Box, section: RepositorySection) -> Made:
    name = section.name
    if section.url is not None:
        _require_confirmed(box, name)
    if not box.secrets.has(section.passphrase):
        box.secrets.put(section.passphrase, emergency_sheet.new_passphrase())
    identity = box.repository(section).create_repository()
    _note(box, name, identity)
    return _made(box, section, identity)


def _note(box: Box, name: str, identity: str) -> None:
    if box.ledger.noted(memory.key(memory.REPOSITORY_ID, name)) not in (None, identity):
        memory.forget_place(box.ledger, name)
        observations.forget_disk(box.ledger, name)
    box.ledger.note(memory.key(memory.REPOSITORY_ID, name), identity)


def _made(box: Box, section: RepositorySection, identity: str) -> Made:
    path = box.state / f"sheet-{section.name}.html"
    made = _sheet(box, section.name)
    _keep_sheet(box, made)
    write_durably(path, emergency_sheet.render(made).encode(), 0o600)
    return Made(str(section.url or box.folder_of(section)), identity, path)


def make_waiting_room(box: Box) -> None:
    """Make the repository on the box itself for what comes while no disk is here."""
    if box.waiting_room is None:
        return
    if not box.secrets.has(WAITING_FOLDER):
        box.secrets.put(WAITING_FOLDER, emergency_sheet.new_passphrase())
    identity = box.waiting_room.create_repository()
    box.ledger.note(memory.key(memory.REPOSITORY_ID, memory.WAITING_ROOM), identity)


def _require_confirmed(box: Box, name: str) -> None:
    """Raise SourceRefused where nobody confirmed the key of a repository's host."""
    host, port, _ = _server(box, name)
    if not pinned(box.known_hosts, host, port):
        raise SourceRefused(
            f"The key of {host} was not confirmed yet.",
            hint=f"`appliance trust {name}` shows it, so that you can compare and pin it.",
        )


def sheet(box: Box, name: str) -> str:
    """Given a repository's name, return its emergency sheet as HTML."""
    return emergency_sheet.render(_sheet(box, name))


def kept_sheet(box: Box, name: str) -> emergency_sheet.Sheet:
    """Return a repository's sheet as it was when it was made: its disk may be anywhere.

    Raise ApplianceError where it was made before such were kept.
    """
    section = box.settings.repository_named(name)
    try:
        kept = json.loads(_kept(box, name).read_bytes())
        made = datetime.fromisoformat(kept.pop("made"))
        passphrase = box.secrets.get(section.passphrase)
        return emergency_sheet.Sheet(**kept, made=made, passphrase=passphrase)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ApplianceError(
            f"The box does not have the sheet of {name} ready.",
            hint=f"Type it on the box: sudo appliance sheet {name} --to /tmp/sheet.html",
            detail=repr(error),
        ) from None


def _keep_sheet(box: Box, made: emergency_sheet.Sheet) -> None:
    """All but the passphrase, which lies in the secret store alone."""
    facts = {**asdict(made), "made": made.made.isoformat()}
    del facts["passphrase"]
    write_durably(_kept(box, made.repository), json.dumps(facts).encode(), 0o600)


def _kept(box: Box, name: str) -> Path:
    return box.state / f"sheet-{name}.json"


def _sheet(box: Box, name: str) -> emergency_sheet.Sheet:
    section = box.settings.repository_named(name)
    repository = box.repository(section)
    return emergency_sheet.Sheet(
        appliance=box.settings.appliance.name,
        repository=name,
        repository_id=repository.id(),
        location=str(section.url or box.folder_of(section)),
        passphrase=box.secrets.get(section.passphrase),
        key=repository.export_key(),
        borg_version=version("borgbackup"),
        made=box.clock.now().astimezone(box.zone),
    )


def offered_key(box: Box, name: str) -> Offer:
    """Given the name of an SFTP source or an ssh:// repository, return the key its server shows.

    No name, password or key is shown to the server. Raise SourceUnreachable if it is not there.
    """
    from .sources import sftp  # noqa: PLC0415 - paramiko is heavy, and only this command needs it

    host, port, configured = _server(box, name)
    key = sftp.trust(sftp.SftpSettings(name=name, host=host, port=port, user=""))
    known = [each.fingerprint for each in pinned(box.known_hosts, host, port)]
    believed = key.fingerprint if key.fingerprint in known else next(iter(known), "")
    return Offer(key, configured or believed, bool(configured))


def pin_key(box: Box, offer: Offer) -> None:
    """Believe this key of its server from now on; the one before stays as a comment."""
    today: date = box.clock.now().astimezone(box.zone).date()
    make_private(box.state)
    pin(box.known_hosts, offer.key, today)


def _server(box: Box, name: str) -> tuple[str, int, str]:
    for repository in box.settings.repository:
        if repository.name == name and repository.url:
            parts = urlsplit(repository.url)
            return str(parts.hostname), parts.port or 22, ""
    source = box.settings.source_named(name)
    if not isinstance(source, SftpSource):
        raise ApplianceError(
            f"{name} is not an SFTP source, so it has no host key.",
            hint="A web server proves itself by its certificate.",
        )
    return source.host, source.port, source.host_key
