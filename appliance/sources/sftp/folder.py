"""The only home of reading a folder over SFTP: what is there, whether it rests, its bytes."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import cast

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READDIR,
    SFTPError,
)

from ...core.errors import ExportNotReady, ExportUnsafe
from ...core.model import SeenFile
from ..landing import Landing, clean_name, distinct_name
from ..picking import Entry, instant, is_candidate, newest_of, unseen
from ..pipe import LARGE_BLOCK_BYTES, SMALL_BLOCK_BYTES, Pipe
from .conversation import LOOK_THERE, conversation
from .settings import SftpSettings

_MOST_ENTRIES = 200_000
_MOST_PROBES = 3


class Client(paramiko.SFTPClient):
    """Paramiko's client, which also survives names that are not UTF-8 and endless folders."""

    def ask(self, what: int, *about: bytes | str) -> tuple[int, paramiko.Message]:
        """Send one request and return the kind of the answer and the answer."""
        request: Callable[..., tuple[int, paramiko.Message]] = self._request  # type: ignore[attr-defined] # private
        return request(what, *about)

    def entries(self, path: bytes) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        """Yield name and attributes of everything in a folder."""
        kind, message = self.ask(CMD_OPENDIR, path)
        if kind != CMD_HANDLE:
            raise SFTPError("expected a handle")
        handle = message.get_binary()
        for _ in range(_MOST_ENTRIES):
            try:
                kind, message = self.ask(CMD_READDIR, handle)
            except EOFError:
                self.ask(CMD_CLOSE, handle)
                return
            yield from self._names(kind, message)
        raise SFTPError("a folder without end")

    def _names(
        self, kind: int, message: paramiko.Message
    ) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        count = message.get_int()
        if kind != CMD_NAME or count > _MOST_ENTRIES:
            raise SFTPError("expected names")
        for _ in range(count):
            name, _long = message.get_binary(), message.get_binary()
            parse = paramiko.SFTPAttributes._from_msg  # type: ignore[attr-defined] # private  # noqa: SLF001 - its only parser
            yield name, parse(message)

    def block_bytes(self) -> int:
        """Return how much one answer may hold, as limits@openssh.com says where it is known."""
        try:
            kind, message = self.ask(CMD_EXTENDED, "limits@openssh.com")
        except OSError:
            return SMALL_BLOCK_BYTES
        if kind != CMD_EXTENDED_REPLY:
            return SMALL_BLOCK_BYTES
        _packet, most = message.get_int64(), int(message.get_int64())
        return min(max(most, SMALL_BLOCK_BYTES), LARGE_BLOCK_BYTES)


class Folder:
    """The folder on the server that the exports are in."""

    def __init__(self, client: Client, channel: paramiko.Channel, settings: SftpSettings) -> None:
        self._client = client
        self._channel = channel
        self._settings = settings
        self._block_bytes = client.block_bytes() if _knows_limits(channel) else SMALL_BLOCK_BYTES
        self._path = settings.path.encode() or b"."
        self._server_time = instant(0)
        self._probes = 0

    def choose(self, seen: Sequence[SeenFile]) -> tuple[Entry, ...]:
        """Return what to pull now, nothing where all of it was seen.

        Raise ExportNotReady where the folder has no candidate at all.
        """
        entries = tuple(self._candidates())
        if not entries:
            raise ExportNotReady("The server has no export in the folder yet.", hint=LOOK_THERE)
        chosen = newest_of(entries, self._settings.newest)
        fresh = unseen(chosen, seen)
        if self._settings.newest == 0 or not fresh:
            return fresh
        if not any(entry.size_bytes for entry in chosen):
            raise ExportNotReady("The newest export on the server is empty.", hint=LOOK_THERE)
        return chosen

    def _candidates(self) -> Iterator[Entry]:
        with conversation(f"open the folder {self._settings.path}"):
            listed = list(_bounded(self._client.entries(self._path)))
        for raw, attributes in listed:
            if _is_plain(raw) and is_candidate(clean_name(raw), self._settings.pick):
                entry = self._entry(distinct_name(raw), raw, attributes)
                if entry:
                    yield entry

    def _entry(self, name: str, raw: bytes, attributes: paramiko.SFTPAttributes) -> Entry | None:
        if attributes.st_mode is None:  # the server lists names only
            attributes = self._look_at(raw)
        if attributes.st_mode is None or not stat.S_ISREG(attributes.st_mode):
            return None
        if attributes.st_size is None or attributes.st_mtime is None:
            raise ExportUnsafe("The server does not tell sizes and times of its files.")
        return Entry(name, raw, attributes.st_size, instant(attributes.st_mtime))

    def _look_at(self, raw: bytes) -> paramiko.SFTPAttributes:
        with conversation("look at the export"):
            return self._client.lstat(self._within(raw))

    def _within(self, raw: bytes) -> bytes:
        return self._path.rstrip(b"/") + b"/" + raw

    def has_rested(self, entry: Entry) -> bool:
        """Whether the file was last written more than `stable_for` ago by the server's own clock.

        SFTP tells no time. But the server writes it down when somebody reads a file (the access
        time, where its disk keeps one) or changes a folder; the local clock is not asked.
        """
        if not self._is_older(entry) and self._probes < _MOST_PROBES:
            self._probes += 1
            self._server_time = max(self._server_time, self._time_on_server(entry))
        return self._is_older(entry)

    def _is_older(self, entry: Entry) -> bool:
        age = (self._server_time - entry.modified).total_seconds()
        return age >= self._settings.stable_for_seconds

    def _time_on_server(self, entry: Entry) -> datetime:
        """Return a time that has certainly passed on the server."""
        with conversation("look at the export"):
            folder = self._client.stat(self._path)
            file = self._client.open(self._within(entry.raw), "rb")
            before = file.stat().st_atime
            file.read(1)
            after = file.stat().st_atime
            file.close()
        touched = after if after != before else None  # an old one may have been set by anybody
        return instant(max(folder.st_mtime or 0, touched or 0))

    def fetch(self, entry: Entry, landing: Landing) -> None:
        """Bring one file, and prove that it was the same before, during and after."""
        with conversation("open the export"):
            file = self._client.open(self._within(entry.raw), "rb")
            self._must_be(entry, file.stat())
        with landing.file(entry.name, entry.size_bytes, entry.modified) as writer:
            for block in self._blocks(entry, cast("bytes", file.handle)):
                writer.write(block)
            self._must_be(entry, self._look_at(entry.raw))
        with conversation("close the export"):
            file.close()

    def _blocks(self, entry: Entry, handle: bytes) -> Iterator[bytes]:
        size, block = entry.size_bytes, self._block_bytes
        try:
            with conversation("read the export"):
                yield from Pipe(self._channel, handle, size, block_bytes=block)
        except ExportUnsafe:
            self._must_be(entry, self._look_at(entry.raw))
            raise

    @staticmethod
    def _must_be(entry: Entry, now: paramiko.SFTPAttributes) -> None:
        same = now.st_size == entry.size_bytes and instant(now.st_mtime or 0) == entry.modified
        if not same or (now.st_mode is not None and not stat.S_ISREG(now.st_mode)):
            raise ExportNotReady("The export changed while it was being copied.")


def _is_plain(raw: bytes) -> bool:
    """Whether a name can be one of a file in the folder, and not of something elsewhere."""
    return raw not in (b"", b".", b"..") and b"/" not in raw and b"\0" not in raw


def _bounded(
    entries: Iterable[tuple[bytes, paramiko.SFTPAttributes]],
) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
    for number, entry in enumerate(entries):
        if number >= _MOST_ENTRIES:
            raise ExportUnsafe(f"The folder on the server has more than {_MOST_ENTRIES} entries.")
        yield entry


def _knows_limits(channel: paramiko.Channel) -> bool:
    """Whether the server surely answers a question it does not know with "unsupported"."""
    return "OpenSSH" in channel.get_transport().remote_version
