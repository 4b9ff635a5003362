"""The composition root: builds every doer from the configuration and hands them to the engine.

Nothing is opened before it is asked for, so `appliance status` reads a ledger and nothing else.
"""

from __future__ import annotations

import logging
import secrets as randomness
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from zoneinfo import ZoneInfo

from . import place
from .config import (
    CommonSource,
    HttpSource,
    InboxSource,
    MirrorSection,
    RepositorySection,
    Settings,
    SftpSource,
)
from .core.errors import ApplianceError, ConfigError, Problem
from .core.model import Export, SeenFile
from .core.ports import Disk, Layout, Watch
from .core.schedule import parse
from .engine import memory
from .engine.bulletin import Bulletin
from .engine.kit import Kit
from .exports.layout import ExportFolder
from .exports.unpack import Limits as UnpackLimits
from .mirrors.rclone import RcloneMirror
from .repositories.borg import BorgRepository
from .repositories.on_disk import RepositoryOnDisk
from .sources.child import ChildSource
from .sources.inbox import InboxSettings
from .system.clock import SystemClock
from .system.files import make_private
from .system.ledger import SqliteLedger
from .system.process import Limits
from .system.secrets import Secrets, credentials_directory
from .system.staging import FolderStaging

log = logging.getLogger("appliance")

HOST_ID = "host-id"
BOX_ID = "box-id"
MARKER_KEY = "disk-marker-key"
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
        return {each.name: self._mirror(each) for each in self.settings.mirror}

    @cached_property
    def sources(self) -> Mapping[str, ConfiguredSource]:
        """Every source by name."""
        return {each.name: ConfiguredSource(each, self) for each in self.settings.source}

    @cached_property
    def inboxes(self) -> Mapping[str, InboxSettings]:
        """The folders that somebody saves exports into, by the source's name."""
        return {
            each.name: InboxSettings(**source_settings(each, self))  # type: ignore[arg-type] # as JSON
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

    @cached_property
    def exports(self) -> ConfiguredExports:
        """Unpacks, compares, lays out and rebuilds, as each source's settings say."""
        reserve = self.settings.appliance.reserve
        return ConfiguredExports(
            {each.name: _export_folder(each, reserve) for each in self.settings.source}
        )

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
        ]
        wanted += [
            (f"mirror.{mirror.name}.rclone_config_password", mirror.rclone_config_password)
            for mirror in self.settings.mirror
            if mirror.rclone_config_password
        ]
        problems = [
            Problem(where, problem.message)
            for where, name in wanted
            for problem in self._problems_of(name)
        ]
        if problems:
            raise ConfigError(problems)

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

    def _mirror(self, section: MirrorSection) -> RcloneMirror:
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


class ConfiguredSource:
    """A source as the configuration has it; its secrets are looked up anew for each pull."""

    def __init__(self, section: SftpSource | HttpSource | InboxSource, box: Box) -> None:
        self._section = section
        self._box = box

    @property
    def name(self) -> str:
        """The source's name."""
        return self._section.name

    def pull(
        self, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
    ) -> Export | None:
        """Bring the newest export in a child process; see `core.ports.Source`."""
        return self._child().pull(into, pulled_at, seen, watch)

    def settle(self, export: Export) -> None:
        """Let the source put away what is archived."""
        self._child().settle(export)

    def _child(self) -> ChildSource:
        limits = self._section.limits
        settings = source_settings(self._section, self._box)
        return ChildSource(
            self.name, self._section.type, settings, Limits(limits.total, limits.idle * 2)
        )


class ConfiguredExports:
    """Lays each export out as its source's settings say."""

    def __init__(self, by_source: Mapping[str, ExportFolder]) -> None:
        self._by_source = by_source

    def lay_out(self, export: Export, previous: Path | None, work: Path, watch: Watch) -> Layout:
        """See `core.ports.Exports`."""
        return self._by_source[export.source].lay_out(export, previous, work, watch)

    def read(self, archive_root: Path) -> Layout:
        """See `core.ports.Exports`."""
        return ExportFolder().read(archive_root)

    def restore(
        self,
        archive_root: Path,
        into: Path,
        watch: Watch,
        *,
        only: Sequence[str] = (),
        original: bool = False,
    ) -> tuple[Path, ...]:
        """See `core.ports.Exports`."""
        return ExportFolder().restore(archive_root, into, watch, only=only, original=original)


def secret_names(source: CommonSource) -> Iterator[tuple[str, str]]:
    """Given a source, yield the key and the name of every secret it refers to."""
    fields = ("password", "key", "key_passphrase")
    auth = getattr(source, "auth", None)
    for key in fields:
        if getattr(source, key, None):
            yield key, getattr(source, key)
    for key in ("password", "token", "value", "client_secret", "refresh_token"):
        if getattr(auth, key, None):
            yield f"auth.{key}", getattr(auth, key)


def source_settings(source: SftpSource | HttpSource | InboxSource, box: Box) -> dict[str, object]:
    """Given a source, return its settings as plain JSON values, secrets filled in."""
    common: dict[str, object] = {
        "name": source.name,
        "max_bytes": source.limits.size,
        "reserve_bytes": box.settings.appliance.reserve,
    }
    if isinstance(source, InboxSource):
        return common | {
            "path": str(source.path),
            "pick": source.pick,
            "stable_for_seconds": source.stable_for.total_seconds(),
            "keep_done_seconds": source.keep_done.total_seconds(),
        }
    common |= {
        "idle_seconds": source.limits.idle.total_seconds(),
        "min_rate_bytes_per_second": source.limits.rate,
    }
    if isinstance(source, SftpSource):
        return common | _sftp_settings(source, box)
    return common | _http_settings(source, box)


def _sftp_settings(source: SftpSource, box: Box) -> dict[str, object]:
    return {
        "host": source.host,
        "port": source.port,
        "user": source.user,
        "password": box.secrets.get(source.password) if source.password else "",
        "key": box.secrets.get(source.key) if source.key else "",
        "key_file": str(source.key_file or ""),
        "key_passphrase": box.secrets.get(source.key_passphrase) if source.key_passphrase else "",
        "host_key": source.host_key,
        "known_hosts": str(box.known_hosts),
        "path": source.path,
        "pick": source.pick,
        "newest": source.newest,
        "stable_for_seconds": source.stable_for.total_seconds(),
        "total_seconds": source.limits.total.total_seconds(),
    }


def _http_settings(source: HttpSource, box: Box) -> dict[str, object]:
    auth = source.auth.model_dump(exclude_none=True)
    secret_keys = {key.removeprefix("auth."): name for key, name in secret_names(source)}
    filled = {key: box.secrets.get(name) for key, name in secret_keys.items()}
    if "refresh_token" in secret_keys:
        filled["refresh_token_secret"] = secret_keys["refresh_token"]
    return {
        "url": source.url,
        "auth": auth | filled,
        "hosts": source.hosts,
        "credential_hosts": source.credential_hosts,
        "ca_file": str(source.ca_file or ""),
        "file_name": source.file_name,
        "secrets_dir": str(box.state / "secrets"),
    }


def _export_folder(source: CommonSource, reserve_bytes: int) -> ExportFolder:
    limits = UnpackLimits(
        max_bytes=source.limits.unpacked,
        max_members=source.limits.members,
        max_ratio=source.limits.ratio,
        reserve_bytes=reserve_bytes,
    )
    return ExportFolder(limits=limits, original=source.original)
