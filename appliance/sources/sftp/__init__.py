"""The only home of paramiko: brings exports over SFTP from a server whose key was confirmed.

Nothing here can write to the server: files are opened for reading, folders are listed.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import paramiko
from paramiko.buffered_pipe import PipeTimeout

from ...core.errors import SourceRefused
from ...core.model import Export, SeenFile
from ...core.ports import Watch
from ..hostkeys import HostKey, pin
from ..landing import Landing
from ..picking import wait_until_still
from ..pipe import Inflow
from ..sight import Sight
from .conversation import conversation
from .folder import Client, Folder
from .login import (
    ALL_KINDS,
    confirmed,
    fingerprints,
    greet,
    log_in,
    private_key,
    shown_key,
)
from .settings import SftpSettings

__all__ = ["HostKey", "SftpSettings", "look", "pin", "pull", "trust"]

_WINDOW_BYTES = 2 << 20  # larger ones make paramiko slower and let a hostile server send more
_CHATTER_BYTES = 1 << 20  # what a server may say beside the protocol

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # our errors say it


def pull(
    settings: SftpSettings, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
) -> Export | None:
    """Given an empty folder, bring the chosen files into it; return None where all were seen.

    Raise SourceUnreachable, SourceRefused, ExportNotReady, ExportUnsafe, DiskFull or Cancelled.
    """
    with _folder(settings, watch) as folder:
        first = folder.choose(seen)
        if not first:
            return None
        looks = chain([first], iter(lambda: folder.choose(seen), None))
        chosen = wait_until_still(
            lambda: next(looks),
            folder.has_rested,
            timedelta(seconds=settings.stable_for_seconds),
            watch,
            some_will_do=settings.newest == 0,
        )
        if not chosen:
            return None
        landing = _landing(settings, into, watch)
        landing.expect(sum(entry.size_bytes for entry in chosen))
        for entry in chosen:
            folder.fetch(entry, landing)
        return Export(settings.name, landing.files, pulled_at)


def trust(settings: SftpSettings) -> HostKey:
    """Return the key the server shows now, sending no name and no secret.

    Raise SourceUnreachable or SourceRefused.
    """
    transport = greet(settings, ALL_KINDS)
    try:
        return shown_key(transport, settings)
    finally:
        transport.close()


def look(settings: SftpSettings, sight: Sight, watch: Watch) -> None:
    """Tell who answers and, where somebody confirmed that server, what a pull would take.

    Raise what `pull` would; a server that nobody confirmed is shown no name and no secret.
    """
    sight.server = settings.host
    _tell(sight, trust(settings))
    known = fingerprints(settings)
    if not known:
        return
    sight.before = next(iter(known - {sight.fingerprint}), "")
    transport = confirmed(settings)
    _tell(sight, shown_key(transport, settings))
    sight.confirmed, sight.before = True, ""
    with _in(transport, settings, watch) as folder:
        for entry in reversed(folder.choose(())):
            sight.would_take(entry.name, entry.size_bytes, entry.modified)


def _tell(sight: Sight, key: HostKey) -> None:
    sight.proof, sight.fingerprint = key.kind, key.fingerprint
    sight.blob = base64.b64encode(key.blob).decode()


def _landing(settings: SftpSettings, into: Path, watch: Watch) -> Landing:
    return Landing(
        into,
        settings.max_bytes,
        settings.reserve_bytes,
        watch,
        min_rate_bytes_per_second=settings.min_rate_bytes_per_second,
        total_seconds=settings.total_seconds,
    )


@contextmanager
def _folder(settings: SftpSettings, watch: Watch) -> Iterator[Folder]:
    _require_login(settings)
    with _in(confirmed(settings), settings, watch) as folder:
        yield folder


def _require_login(settings: SftpSettings) -> paramiko.PKey | None:
    key = private_key(settings)
    if key is None and not settings.password:
        raise SourceRefused("Neither a password nor a key is configured for this source.")
    return key


@contextmanager
def _in(transport: paramiko.Transport, settings: SftpSettings, watch: Watch) -> Iterator[Folder]:
    """Given a confirmed server, log in and lend its folder."""
    try:
        key = _require_login(settings)
        log_in(transport, settings, key)
        with conversation("start a file transfer"):
            channel = _channel(transport, settings, watch)
            folder = Folder(Client(channel), channel, settings)
        yield folder
    finally:
        transport.close()


def _channel(
    transport: paramiko.Transport, settings: SftpSettings, watch: Watch
) -> paramiko.Channel:
    channel = transport.open_session(_WINDOW_BYTES, timeout=settings.connect_seconds)
    channel.in_buffer = Inflow(2 * _WINDOW_BYTES, PipeTimeout, watch.check)  # type: ignore[assignment] # ours
    channel.in_stderr_buffer = Inflow(_CHATTER_BYTES, PipeTimeout, watch.check)  # type: ignore[assignment] # ours
    channel.settimeout(settings.idle_seconds)
    channel.invoke_subsystem("sftp")
    return channel
