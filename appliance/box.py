"""The composition root: builds every doer from the configuration and hands them to the engine.

Nothing is opened before it is asked for, so `appliance status` reads a ledger and nothing else.
"""

from __future__ import annotations

import logging
import secrets as randomness
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from zoneinfo import ZoneInfo

from . import place
from .config import InboxSource, MirrorSection, RepositorySection, Settings
from .configured import ConfiguredExports, ConfiguredSource
from .core.errors import ApplianceError, ConfigError, Problem
from .core.ports import Disk
from .core.schedule import parse
from .engine import memory
from .engine.bulletin import Bulletin
from .engine.kit import Kit
from .messaging import address
from .mirrors.rclone import RcloneMirror
from .repositories.borg import BorgRepository
from .repositories.on_disk import RepositoryOnDisk
from .sign_ins import awaited_secret
from .source_settings import Supplies, inbox_settings, secret_names
from .sources.inbox import InboxSettings
from .system.clock import SystemClock
from .system.files import make_private
from .system.ledger import SqliteLedger
from .system.secrets import Secrets, credentials_directory
from .system.staging import FolderStaging

log = logging.getLogger("appliance")

HOST_ID = "host-id"
BOX_ID = "box-id"
MARKER_KEY = "disk-marker-key"
PSEUDONYM_KEY = "pseudonym-key"
WAITING_FOLDER = "waiting-room"
"""The waiting room's folder in the state folder, and the name of its secret."""
REPOSITORY_FOLDER = "appliance"
"""The repository's folder on a disk, beside our marker."""


class Box:
    """Everything the configuration describes, put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = settings.state
        self.zone: ZoneInfo = settings.zone
        self.clock = SystemClock()
        self.bulletin = Bulletin()
        self.secrets = Secrets(self.state / "secrets", credentials_directory())
        self.known_hosts = self.state / "known_hosts"
        self.runtime = place.runtime(self.state)
        self.socket = self.runtime / place.SOCKET
        self.lock = self.state / "worker.lock"
        self.let_go: frozenset[str] = frozenset()
        """Names of the disks that somebody wants to unplug: they are not used meanwhile."""

    @cached_property
    def ledger(self) -> SqliteLedger:
        """The ledger, opened at the first use."""
        make_private(self.state)
        return SqliteLedger(self.settings.ledger)

    @cached_property
    def staging(self) -> FolderStaging:
        """Where exports are worked on."""
        appliance = self.settings.appliance
        return FolderStaging(appliance.staging or self.state / "staging", appliance.reserve)

    @cached_property
    def repositories(self) -> Mapping[str, BorgRepository | RepositoryOnDisk]:
        """Every repository by name, in the configuration's order."""
        return {each.name: self.repository(each) for each in self.settings.repository}

    @cached_property
    def mirrors(self) -> Mapping[str, RcloneMirror]:
        """Every mirror by name."""
        return {each.name: self.mirror(each) for each in self.settings.mirror}

    @cached_property
    def sources(self) -> Mapping[str, ConfiguredSource]:
        """Every source by name."""
        return {each.name: ConfiguredSource(each, self.supplies) for each in self.settings.source}

    @property
    def supplies(self) -> Supplies:
        """What every source needs of this box."""
        reserve = self.settings.appliance.reserve
        return Supplies(self.secrets, self.known_hosts, reserve, self.state)

    @cached_property
    def inboxes(self) -> Mapping[str, InboxSettings]:
        """The folders that somebody saves exports into, by the source's name."""
        return {
            each.name: inbox_settings(each, self.supplies)
            for each in self.settings.source
            if isinstance(each, InboxSource)
        }

    @cached_property
    def kit(self) -> Kit:
        """What every Run shares."""
        return Kit(
            exports=self.exports,
            repositories=tuple(self.repositories.values()),
            ledger=self.ledger,
            clock=self.clock,
            staging=self.staging,
            zone=self.zone,
            publish=self.bulletin.publish,
            retention={each.name: self.settings.policy(each) for each in self.settings.source},
            mirrors=tuple(
                self.mirrors[each.name]
                for each in self.settings.mirror
                if parse(each.schedule).after_backup
            ),
            waiting_room=self.waiting_room,
        )

    @property
    def sources_ever(self) -> list[str]:
        """The sources there are, then those that there were and that still have backups."""
        were = {copy.source for copy in self.ledger.copies()}
        return [*self.sources, *sorted(were.difference(self.sources))]

    @cached_property
    def exports(self) -> ConfiguredExports:
        """Unpacks, compares, lays out and rebuilds, as each source's settings say."""
        return ConfiguredExports(self.settings, lambda: self.pseudonym_key)

    @cached_property
    def disks(self) -> Mapping[str, Disk]:
        """Every USB disk by the name of its repository."""
        return {each.name: self._disk(each) for each in self.settings.repository if each.disk}

    def repository(self, section: RepositorySection) -> BorgRepository | RepositoryOnDisk:
        """Given a section, return its repository, with the id it had when it was made."""
        repository = self._borg(section)
        if section.disk is None:
            return repository
        disk = self.disks[section.name]
        return RepositoryOnDisk(repository, disk, lambda: section.name in self.let_go)

    def _disk(self, section: RepositorySection) -> Disk:
        from .hw.usb_disk import UsbDisk  # noqa: PLC0415 - an office without disks needs no udev

        return UsbDisk(
            section.name,
            str(section.disk),
            section.serial,
            self.settings.disks.mounts / section.name,
            lambda: self.marker_key,
            self.state / "disks",
        )

    @property
    def marker_key(self) -> bytes:
        """What the marks on our disks are sealed with; made at the first use."""
        if not self.secrets.has(MARKER_KEY):
            from .hw.marker import new_key  # noqa: PLC0415 - as above

            self.secrets.put(MARKER_KEY, new_key())
        return self.secrets.get(MARKER_KEY).encode()

    @property
    def pseudonym_key(self) -> bytes:
        """What columns are masked with; made at the first use, and then for ever the same."""
        if not self.secrets.has(PSEUDONYM_KEY):
            self.secrets.put(PSEUDONYM_KEY, randomness.token_hex(32))
        return self.secrets.get(PSEUDONYM_KEY).encode()

    @cached_property
    def box_id(self) -> str:
        """What tells this box from all others, for ever."""
        found = self.ledger.noted(BOX_ID)
        if not found:
            found = randomness.token_hex(8)
            self.ledger.note(BOX_ID, found)
        return found

    def opened_by(self, section: RepositorySection, passphrase: str) -> BorgRepository:
        """Given a passphrase that somebody typed, return the repository as it opens; what it lies
        on is the caller's to attach.
        """
        return self._borg(section, lambda: passphrase)

    def _borg(
        self, section: RepositorySection, passphrase: Callable[[], str] | None = None
    ) -> BorgRepository:
        known = memory.key(memory.REPOSITORY_ID, section.name)
        return BorgRepository(
            section.name,
            str(section.url or self.folder_of(section)),
            passphrase or (lambda: self.secrets.get(section.passphrase)),
            self.state / "borg" / section.name,
            self.host_id,
            expected_id=lambda: self.ledger.noted(known) or None,
            ssh_command=self._ssh_command(section),
            reserve_bytes=section.reserve,
        )

    def folder_of(self, section: RepositorySection) -> Path:
        """Given a repository on this machine, return its folder, there or not."""
        return section.path or self.settings.disks.mounts / section.name / REPOSITORY_FOLDER

    @cached_property
    def waiting_room(self) -> BorgRepository | None:
        """What keeps exports on the box itself while no disk is here; None without disks."""
        if not self.disks:
            return None
        known = memory.key(memory.REPOSITORY_ID, memory.WAITING_ROOM)
        return BorgRepository(
            memory.WAITING_ROOM,
            str(self.state / WAITING_FOLDER),
            lambda: self.secrets.get(WAITING_FOLDER),
            self.state / "borg" / WAITING_FOLDER,
            self.host_id,
            expected_id=lambda: self.ledger.noted(known) or None,
            reserve_bytes=self.settings.appliance.reserve,
        )

    def read_only(self, mirror: MirrorSection, folder: Path, state: Path) -> BorgRepository:
        """Given where a mirror was fetched to, return it opened for reading alone."""
        section = self.settings.repository_named(mirror.repository)
        return BorgRepository(
            mirror.name,
            str(folder),
            lambda: self.secrets.get(section.passphrase),
            state,
            self.host_id,
            read_only=True,
        )

    def release(self) -> None:
        """Let every disk go that a command used; complain in the log where one does not rest."""
        for name in self.disks:
            try:
                self.repositories[name].release()
            except ApplianceError as error:
                log.warning("disk=%s %s", name, error.message)

    @cached_property
    def host_id(self) -> str:
        """What Borg's locks call this box: the same for ever, whatever its network card."""
        found = self.ledger.noted(HOST_ID)
        if not found:
            found = f"appliance@{randomness.randbelow(1 << 48)}"
            self.ledger.note(HOST_ID, found)
        return found

    def check_secrets(self) -> None:
        """Raise ConfigError naming every secret of a source or a mirror that is missing or
        unreadable.

        Passphrases are made by `init`, so one that is not there yet is no problem.
        """
        wanted = [
            (f"source.{source.name}.{key}", name)
            for source in self.settings.source
            for key, name in secret_names(source)
            if name != awaited_secret(source) or self.secrets.has(name)
        ]
        wanted += [
            (f"mirror.{mirror.name}.rclone_config_password", mirror.rclone_config_password)
            for mirror in self.settings.mirror
            if mirror.rclone_config_password
        ]
        wanted += [("messages.to", name) for name in self.settings.messages.to]
        problems = [
            Problem(where, problem.message)
            for where, name in wanted
            for problem in self._problems_of(name)
        ]
        problems += self._problems_of_addresses()
        if problems:
            raise ConfigError(problems)

    def _problems_of_addresses(self) -> Iterator[Problem]:
        """Yield what is wrong with what lies in the secrets that messages go to."""
        for name in self.settings.messages.to:
            if not self._problems_of(name) and (why := address.problem(self.secrets.get(name))):
                yield Problem("messages.to", f"The secret “{name}” is no address: {why}")

    def _problems_of(self, secret: str) -> Sequence[Problem]:
        try:
            self.secrets.get(secret)
        except ConfigError as error:
            return error.problems
        return ()

    def _ssh_command(self, section: RepositorySection) -> str | None:
        if section.url is None:
            return None
        key = f' -i "{section.ssh_key_file}" -o IdentitiesOnly=yes' if section.ssh_key_file else ""
        known = f'-o StrictHostKeyChecking=yes -o UserKnownHostsFile="{self.known_hosts}"'
        return f"ssh -o BatchMode=yes {known}{key}"

    def mirror(self, section: MirrorSection) -> RcloneMirror:
        """Given a section, return its mirror."""
        password = section.rclone_config_password
        return RcloneMirror(
            section.name,
            section.repository,
            section.remote,
            section.rclone_config,
            section.bandwidth,
            state=self.state / "rclone" / section.name,
            expires_after=section.expire,
            config_password=partial(self.secrets.file, password) if password else None,
        )
