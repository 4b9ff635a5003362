"""An SFTP server that misbehaves on request, and counts what it is asked for.

Paramiko carries the SSH side; the SFTP side is written out here, because a decent server library
would refuse to announce sizes it does not have, answer in pieces or fall silent.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko

REGULAR, DIRECTORY, LINK, DEVICE, FIFO = 0o100644, 0o040755, 0o120777, 0o020666, 0o010644
WRITES = {6: "write", 9: "setstat", 10: "fsetstat", 13: "remove", 14: "mkdir", 15: "rmdir"}
WRITES |= {18: "rename", 20: "symlink"}


class HangUp(Exception):
    """The server closes the connection."""


class FallSilent(Exception):
    """The server keeps the connection and says nothing more."""


@dataclass
class File:
    content: bytes = b""
    modified: int = 1_700_000_000
    mode: int | None = REGULAR
    size: int | None = None
    """What is announced, where that is not the length of the content."""


@dataclass
class Stub:
    """Files by name, and hooks that a test sets."""

    files: dict[bytes, File] = field(default_factory=dict)
    user: str = "backup"
    password: str = "correct horse"
    user_key: paramiko.PKey | None = None
    most_bytes: int = 1 << 20
    before_read: Callable[[bytes, int], None] = lambda name, offset: None
    before_list: Callable[[], None] = lambda: None
    raw_answer: Callable[[int, bytes], bytes | None] = lambda kind, packet: None
    shuffle: bool = False
    port: int = 0
    host_key: paramiko.PKey | None = None
    attempts: list[tuple[str, str]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    opened: list[bytes] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    largest_read: int = 0

    @property
    def fingerprint(self) -> str:
        return self.host_key.fingerprint


class _Login(paramiko.ServerInterface):
    def __init__(self, stub: Stub) -> None:
        self.stub = stub

    def get_allowed_auths(self, username):
        return "publickey,password"

    def check_auth_none(self, username):
        self.stub.attempts.append(("none", username))
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username, password):
        self.stub.attempts.append(("password", username))
        good = (username, password) == (self.stub.user, self.stub.password)
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        self.stub.attempts.append(("publickey", username))
        good = username == self.stub.user and key == self.stub.user_key
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel, name):
        return name == "sftp"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _attributes(file: File) -> bytes:
    flags, rest = 0, b""
    size = len(file.content) if file.size is None else file.size
    if size >= 0:
        flags |= 1
        rest += struct.pack(">Q", size)
    if file.mode is not None:
        flags |= 4
        rest += struct.pack(">I", file.mode)
    if file.modified >= 0:
        flags |= 8
        rest += struct.pack(">II", file.modified, file.modified)
    return struct.pack(">I", flags) + rest


class _Conversation:
    """One SFTP session."""

    def __init__(self, stub: Stub, channel: paramiko.Channel) -> None:
        self.stub = stub
        self.channel = channel
        self.listed = False
        self.held: list[bytes] = []

    def talk(self) -> None:
        while header := self._exactly(4):
            packet = self._exactly(struct.unpack(">I", header)[0])
            answer = self._answer(packet[0], packet[1:])
            if self.stub.shuffle and packet[0] == 5:
                self.held.append(answer)
                if not self.channel.recv_ready():
                    self._send(*reversed(self.held))
                    self.held.clear()
            else:
                self._send(answer)

    def _send(self, *answers: bytes) -> None:
        for answer in answers:
            self.channel.sendall(_string(answer))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.channel.recv(size - len(data))):
            data += more
        return data

    def _answer(self, kind: int, rest: bytes) -> bytes:
        self.stub.asked.append(kind)
        if kind in WRITES:
            self.stub.writes.append(WRITES[kind])
        if kind == 1:
            return struct.pack(">BI", 2, 3)
        raw = self.stub.raw_answer(kind, rest)
        if raw is not None:
            return raw
        number, body = rest[:4], rest[4:]
        says = {3: self._open, 5: self._read, 11: self._opendir, 12: self._readdir}
        says |= {7: self._lstat, 8: self._fstat, 17: self._lstat, 4: self._close}
        return says.get(kind, self._unsupported)(number, body)

    def _status(self, number: bytes, code: int) -> bytes:
        return b"\x65" + number + struct.pack(">I", code) + _string(b"") + _string(b"")

    def _unsupported(self, number: bytes, body: bytes) -> bytes:
        return self._status(number, 8)

    def _close(self, number: bytes, body: bytes) -> bytes:
        return self._status(number, 0)

    def _name(self, body: bytes) -> bytes:
        return body[4 : 4 + struct.unpack(">I", body[:4])[0]]

    def _file(self, path: bytes) -> File | None:
        if path in (b".", b"./", b"exports"):
            return File(mode=DIRECTORY, modified=0)
        return self.stub.files.get(path.removeprefix(b"./").removeprefix(b"exports/"))

    def _open(self, number: bytes, body: bytes) -> bytes:
        name = self._name(body)
        flags = struct.unpack(">I", body[4 + len(name) : 8 + len(name)])[0]
        if flags != 1:
            self.stub.writes.append(f"open with flags {flags}")
        self.stub.opened.append(name)
        if self._file(name) is None:
            return self._status(number, 2)
        return b"\x66" + number + _string(name)

    def _lstat(self, number: bytes, body: bytes) -> bytes:
        file = self._file(self._name(body))
        return b"\x69" + number + _attributes(file) if file else self._status(number, 2)

    _fstat = _lstat

    def _read(self, number: bytes, body: bytes) -> bytes:
        name = self._name(body)
        offset, length = struct.unpack(">QI", body[4 + len(name) :])
        self.stub.largest_read = max(self.stub.largest_read, length)
        self.stub.before_read(name, offset)
        content = self._file(name).content
        data = content[offset : offset + min(length, self.stub.most_bytes)]
        return b"\x67" + number + _string(data) if data else self._status(number, 1)

    def _opendir(self, number: bytes, body: bytes) -> bytes:
        self.listed = False
        if self._name(body) not in (b".", b"exports"):
            return self._status(number, 2)
        return b"\x66" + number + _string(b"folder")

    def _readdir(self, number: bytes, body: bytes) -> bytes:
        if self.listed:
            return self._status(number, 1)
        self.listed = True
        self.stub.before_list()
        entries = [(b".", File(mode=DIRECTORY)), (b"..", File(mode=DIRECTORY))]
        entries += list(self.stub.files.items())
        names = b"".join(
            _string(name) + _string(b"-rw " + name) + _attributes(file) for name, file in entries
        )
        return b"\x68" + number + struct.pack(">I", len(entries)) + names


@contextmanager
def running(stub: Stub, **security: tuple[str, ...]) -> Iterator[Stub]:
    """Serve the stub on a port of its own; `security` narrows what SSH offers."""
    if stub.host_key is None:
        stub.host_key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", stub.port))
    stub.port = listener.getsockname()[1]
    ended = threading.Event()
    sessions: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            sessions.append(threading.Thread(target=serve, args=(connection,)))
            sessions[-1].start()

    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(stub.host_key)
        for option, values in security.items():
            setattr(transport.get_security_options(), option, values)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Login(stub))
            while transport.is_active() and not ended.is_set():
                if channel := transport.accept(0.1):
                    try:
                        _Conversation(stub, channel).talk()
                    except FallSilent:
                        while transport.is_active() and not ended.wait(0.05):
                            pass
                    except HangUp:
                        break
        transport.close()
        transport.join(5)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield stub
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for session in sessions:
            session.join(5)
