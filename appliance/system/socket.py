"""The worker's unix socket: one JSON line asks, one JSON line answers.

A download follows its line as frames, each with its length before it; an empty one says that no
more come, and a last JSON line whether that was all. What ends without it is not whole.

The server end hands each question to a `core.ports.Appliance`; the client end is one. So page,
panel and command line do not know whether the engine is in their process or in another.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import IO, Any

from ..core.errors import ApplianceError
from ..core.model import Trigger
from ..core.ports import Appliance, Download
from .verbs import Question, answered

log = logging.getLogger(__name__)

_ANSWER_WITHIN_SECONDS = 10.0
_LONGEST_FOLLOW_SECONDS = 60.0
_A_TRY_SECONDS = 110.0
"""A server or a cloud that somebody wants to try may be slow."""
_A_LOOK_AHEAD_SECONDS = 30.0
"""A year of backups is played through, on a small board."""
_LONGEST_LINE_BYTES = 64 * 1024
_LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
_LONGEST_FRAME_BYTES = 1024 * 1024
_NEXT_FRAME_WITHIN_SECONDS = 120.0
"""A phone that fell asleep in the middle of a download has so long to wake up."""
_SEARCH_SECONDS = 60.0
_LENGTH = struct.Struct(">I")
_CREDENTIALS = struct.Struct("3i")  # struct ucred, unix(7)
_NONSENSE = "The worker answered nonsense."
_NOT_WHOLE = "The worker went away in the middle: what came is not whole."


class WorkerAbsent(ApplianceError):
    """Raised when no worker listens at the socket."""

    hint = "Start it with `appliance daemon`."


class Server:
    """Answers questions at a socket until it is closed."""

    def __init__(self, path: Path, appliance: Appliance) -> None:
        path.unlink(missing_ok=True)  # ours: the caller holds the worker's lock
        self._path = path
        self._server = _Threaded(str(path), _Handler)
        self._server.appliance = appliance
        path.chmod(0o660)
        with suppress(PermissionError):  # then only our own group may ask
            os.chown(path, -1, path.parent.stat().st_gid)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True
        )
        self._thread.start()

    def serve_for(self, appliance: Appliance) -> None:
        """Hand questions to another appliance from now on; whoever asks notices nothing."""
        self._server.appliance = appliance

    def close(self) -> None:
        """Stop answering and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._path.unlink(missing_ok=True)


class Client:
    """The worker in another process, as a `core.ports.Appliance`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def status(self) -> Mapping[str, object]:
        """Return how things stand; raise WorkerAbsent if nobody listens."""
        return self._facts({"do": "status"})

    def follow(
        self, version: int, seconds: float, panel: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        """Return how things stand as soon as that is another version, or after `seconds`; say how
        we are ourselves, where we are the panel.
        """
        question = {"do": "follow", "version": version, "seconds": seconds, "panel": panel}
        return self._facts(question, seconds)

    def days(self, count: int) -> Sequence[Mapping[str, object]]:
        """Return how the newest local days went, today first; raise WorkerAbsent."""
        answer = self._ask({"do": "days", "count": count})
        if not isinstance(answer, list):
            raise WorkerAbsent(_NONSENSE)
        return answer

    def held(self) -> Sequence[Mapping[str, object]]:
        """Ask which exports wait for a person."""
        found: list[Mapping[str, object]] = self._ask({"do": "held"})
        return found

    def decide(self, archive: str, is_right: bool, reason: str) -> None:
        """Say whether a held export is right."""
        self._ask({"do": "decide", "archive": archive, "is_right": is_right, "reason": reason})

    def eject(self, disk: str | None = None) -> str:
        """Ask that a disk, or all of them, be let go."""
        return str(self._ask({"do": "eject", "disk": disk}))

    def reload(self) -> str:
        """Ask that the configuration be read anew; raise ConfigError's words where it is wrong."""
        return str(self._ask({"do": "reload"}))

    def pair(self, node: str, name: str) -> str:
        """Ask that a disk be prepared; return the question that the button answers."""
        return str(self._ask({"do": "pair", "node": node, "name": name}))

    def first_run(self) -> Mapping[str, object]:
        """Return how far the first run is."""
        return self._facts({"do": "first_run"})

    def name_the_box(self, name: str, timezone: str) -> None:
        """Have name and time zone written down."""
        self._ask({"do": "name_the_box", "name": name, "timezone": timezone})

    def ask_to_claim(self, who: str) -> str:
        """Ask that the box be theirs; return the question that the button answers."""
        return str(self._ask({"do": "ask_to_claim", "who": who}))

    def claimed(self, who: str) -> str:
        """Return what the button said."""
        return str(self._ask({"do": "claimed", "who": who}))

    def ask_for_sheet(self, repository: str) -> str:
        """Ask that a sheet be shown; return the question that the button answers."""
        return str(self._ask({"do": "ask_for_sheet", "repository": repository}))

    def sheet(self, repository: str) -> Mapping[str, object]:
        """Return what an emergency sheet says, where it may be shown."""
        return self._facts({"do": "sheet", "repository": repository})

    def confirm_sheet(self, repository: str, words: Sequence[str]) -> bool:
        """Return whether these words are the ones that were asked for."""
        question = {"do": "confirm_sheet", "repository": repository, "words": list(words)}
        return bool(self._ask(question))

    def note(self, what: str, words: str, went_well: bool = True) -> None:
        """Have written down what somebody did on the page."""
        self._ask({"do": "note", "what": what, "words": words, "went_well": went_well})

    def activity(
        self, about: str = "", outcome: str = "", before: int | None = None, limit: int = 50
    ) -> Mapping[str, object]:
        """Return a page of what was done, newest first."""
        question = {"about": about, "outcome": outcome, "before": before, "limit": limit}
        return self._facts({"do": "activity", **question})

    def run(self, run_id: int) -> Mapping[str, object]:
        """Return one Run whole; raise ApplianceError where there is none."""
        return self._facts({"do": "run", "run_id": run_id})

    def audit(self) -> Mapping[str, object]:
        """Have the record of what people did proved."""
        return self._facts({"do": "audit"})

    def settings(self) -> Mapping[str, object]:
        """Return what an office may change."""
        return self._facts({"do": "settings"})

    def data_protection(self) -> Mapping[str, object]:
        """Return what the data-protection sheet says."""
        return self._facts({"do": "data_protection"}, _A_LOOK_AHEAD_SECONDS)

    def preview_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None
    ) -> Mapping[str, object]:
        """Return what a wish would change, and all that is wrong with it."""
        question = {"do": "preview_settings", "section": section, "name": name, "wish": wish}
        return self._facts(question, _A_LOOK_AHEAD_SECONDS)

    def change_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None, stamp: str
    ) -> Mapping[str, object]:
        """Have a wish saved."""
        question = {"section": section, "name": name, "wish": wish, "stamp": stamp}
        return self._facts({"do": "change_settings", **question}, _A_LOOK_AHEAD_SECONDS)

    def put_secret(self, value: str) -> str:
        """Hand a secret over; return the mark that stands for it."""
        return str(self._ask({"do": "put_secret", "value": value}))

    def try_source(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Have a source looked at."""
        return self._facts({"do": "try_source", "name": name, "wish": wish}, _A_TRY_SECONDS)

    def trust_source(self, name: str, wish: Mapping[str, str], fingerprint: str) -> str:
        """Have a server's key confirmed."""
        question = {"name": name, "wish": wish, "fingerprint": fingerprint}
        return str(self._ask({"do": "trust_source", **question}, _A_TRY_SECONDS))

    def try_cloud(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Have an account with a cloud tried."""
        return self._facts({"do": "try_cloud", "name": name, "wish": wish}, _A_TRY_SECONDS)

    def sign_in(self, source: str) -> Mapping[str, object]:
        """Return how a source's sign-in stands, and how far one under way is."""
        return self._facts({"do": "sign_in", "source": source})

    def begin_sign_in(self, source: str) -> Mapping[str, object]:
        """Begin a sign-in that a person makes."""
        return self._facts({"do": "begin_sign_in", "source": source}, _A_TRY_SECONDS)

    def finish_sign_in(self, source: str, line: str) -> Mapping[str, object]:
        """Hand over what somebody pasted."""
        question = {"do": "finish_sign_in", "source": source, "line": line}
        return self._facts(question, _A_TRY_SECONDS)

    def leave_sign_in(self, source: str) -> None:
        """Give a sign-in up."""
        self._ask({"do": "leave_sign_in", "source": source})

    def messages(self) -> Sequence[Mapping[str, object]]:
        """Ask how each address for messages does."""
        found: list[Mapping[str, object]] = self._ask({"do": "messages"})
        return found

    def test_messages(self) -> Sequence[Mapping[str, object]]:
        """Have a test message sent to every address."""
        found: list[Mapping[str, object]] = self._ask({"do": "test_messages"}, _A_TRY_SECONDS)
        return found

    def start(self, source: str, trigger: Trigger) -> str:
        """Ask for a Run of a source."""
        return str(self._ask({"do": "start", "source": source, "trigger": trigger.value}))

    def fetch_link(self, source: str, link: str, trigger: Trigger) -> str:
        """Hand a download link over, to be fetched now."""
        question = {"source": source, "link": link, "trigger": trigger.value}
        return str(self._ask({"do": "fetch_link", **question}))

    def cancel(self, source: str) -> bool:
        """Cancel a source's waiting or running Run."""
        return bool(self._ask({"do": "cancel", "source": source}))

    def backups(self, source: str | None = None) -> Mapping[str, object]:
        """Return which backups of a source there are; without one, the sources."""
        return self._facts({"do": "backups", "source": source})

    def open_backup(self, source: str, name: str, who: str, cloud: str = "", only: str = "") -> str:
        """Ask that a backup be opened; return its ticket."""
        question = {"do": "open_backup", "source": source, "name": name, "who": who}
        return str(self._ask(question | {"cloud": cloud, "only": only}))

    def opened(self, ticket: str) -> Mapping[str, object]:
        """Return how far an opened backup is and what is in it."""
        return self._facts({"do": "opened", "ticket": ticket})

    def close_backup(self, ticket: str) -> None:
        """Say that nobody needs an opened backup any more."""
        self._ask({"do": "close_backup", "ticket": ticket})

    def rows(self, ticket: str, file: int, count: int) -> Mapping[str, object]:
        """Return the first records of a file of an opened backup."""
        return self._facts({"do": "rows", "ticket": ticket, "file": file, "count": count})

    def find(self, ticket: str, text: str, file: int = 0, place: int = 0) -> Mapping[str, object]:
        """Look for a text in an opened backup."""
        question = {"do": "find", "ticket": ticket, "text": text, "file": file, "place": place}
        return self._facts(question, _SEARCH_SECONDS)

    def seek(self, source: str, text: str, who: str) -> str:
        """Have records looked for in all backups; return the search's ticket."""
        return str(self._ask({"do": "seek", "source": source, "text": text, "who": who}))

    def sought(self, ticket: str) -> Mapping[str, object]:
        """Return how far a search is and what it found."""
        return self._facts({"do": "sought", "ticket": ticket})

    def download(
        self, ticket: str, what: str, file: int = 0, place: int = 0, text: str = ""
    ) -> Download:
        """Return something of an opened backup to take home; raise ApplianceError, also while its
        bytes come, where it does not come whole.
        """
        question = {"do": "download", "ticket": ticket, "what": what, "file": file, "place": place}
        line = json.dumps(question | {"text": text}).encode() + b"\n"
        chunks = _Frames(self._path, line)
        with ExitStack() as undo:
            undo.callback(chunks.close)
            facts = _understood(chunks.head)
            if not isinstance(facts, dict) or not facts.keys() >= {"name", "size_bytes"}:
                raise WorkerAbsent(_NONSENSE)
            undo.pop_all()
        return Download(str(facts["name"]), chunks, facts["size_bytes"])

    def is_there(self) -> bool:
        """Return whether a worker listens."""
        try:
            self.status()
        except WorkerAbsent:
            return False
        return True

    def _ask(self, question: Mapping[str, object], patience_seconds: float = 0.0) -> Any:
        line = json.dumps(question).encode() + b"\n"
        return _understood(self._exchange(line, patience_seconds))

    def _facts(
        self, question: Mapping[str, object], patience_seconds: float = 0.0
    ) -> Mapping[str, object]:
        answer = self._ask(question, patience_seconds)
        if not isinstance(answer, dict):
            raise WorkerAbsent(_NONSENSE)
        return answer

    def _exchange(self, line: bytes, patience_seconds: float) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_WITHIN_SECONDS + patience_seconds)
            try:
                connection.connect(str(self._path))
                connection.sendall(line)
                with connection.makefile("rb") as reading:
                    answer = reading.readline(_LONGEST_ANSWER_BYTES)
            except OSError as error:
                raise WorkerAbsent("The worker is not running.", detail=str(error)) from None
        if not answer:
            raise WorkerAbsent("The worker went away without an answer.")
        return answer


def _understood(line: bytes) -> Any:
    """Given a line of the worker's, return its answer; raise the ApplianceError that it tells."""
    try:
        answer = json.loads(line)
        if "error" not in answer:
            return answer["answer"]
    except (ValueError, KeyError, TypeError) as error:
        raise WorkerAbsent(_NONSENSE, detail=repr(error)) from None
    raise ApplianceError(str(answer["error"]), hint=str(answer.get("hint", "")))


class _Frames:
    """What the worker sends after a line: `head` is the line, iterating yields the rest."""

    def __init__(self, path: Path, question: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_NEXT_FRAME_WITHIN_SECONDS)
        try:
            self._socket.connect(str(path))
            self._socket.sendall(question)
            self._reading: IO[bytes] = self._socket.makefile("rb")
            self.head = self._reading.readline(_LONGEST_LINE_BYTES)
        except OSError as error:
            self._socket.close()
            raise WorkerAbsent("The worker is not running.", detail=str(error)) from None
        self._blocks = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._blocks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take no more of it."""
        self._reading.close()
        self._socket.close()

    def _read(self) -> Iterator[bytes]:
        while size := _LENGTH.unpack(self._exactly(_LENGTH.size))[0]:
            if size > _LONGEST_FRAME_BYTES:
                raise WorkerAbsent(_NONSENSE)
            yield self._exactly(size)
        _understood(self._reading.readline(_LONGEST_LINE_BYTES))

    def _exactly(self, size: int) -> bytes:
        try:
            block = self._reading.read(size)
        except OSError as error:
            raise WorkerAbsent(_NOT_WHOLE, detail=str(error)) from None
        if len(block) < size:
            raise WorkerAbsent(_NOT_WHOLE)
        return block


class _Threaded(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    appliance: Appliance


class _Handler(socketserver.StreamRequestHandler):
    timeout = _ANSWER_WITHIN_SECONDS
    server: _Threaded

    def handle(self) -> None:
        try:
            line = self.rfile.readline(_LONGEST_LINE_BYTES)
        except OSError:  # gone, or silent for too long
            return
        answer = self._answer(line)
        with suppress(OSError):  # whoever asked is gone, or reads nothing
            if isinstance(download := answer.get("answer"), Download):
                self._send(download)
            else:
                self._say(answer)

    def _say(self, facts: Mapping[str, object]) -> None:
        self.wfile.write(json.dumps(facts).encode() + b"\n")

    def _send(self, download: Download) -> None:
        self.connection.settimeout(_NEXT_FRAME_WITHIN_SECONDS)
        with closing(download.chunks):
            self._say({"answer": {"name": download.name, "size_bytes": download.size_bytes}})
            last = self._frames(download)
            self.wfile.write(_LENGTH.pack(0))
            self._say(last)

    def _frames(self, download: Download) -> dict[str, object]:
        """Send all there is; return what to say at the end."""
        chunks = iter(download.chunks)
        while True:
            try:
                chunk = next(chunks, b"")
            except ApplianceError as error:
                return {"error": error.message, "hint": error.hint}
            except Exception:
                log.exception("a download broke off")
                return {"error": "It broke off, so it is not whole.", "hint": "Try it again."}
            if not chunk:
                return {"answer": "whole"}
            self.wfile.write(_LENGTH.pack(len(chunk)) + chunk)

    def _answer(self, line: bytes) -> dict[str, object]:
        try:
            return {"answer": self._asked(json.loads(line))}
        except ApplianceError as error:
            return {"error": error.message, "hint": error.hint}
        except (ValueError, KeyError, TypeError) as error:
            log.warning("socket question=unreadable error=%r", error)
            return {"error": "The question was not understood."}

    def _asked(self, question: Mapping[str, Any]) -> object:
        """Whoever waits for news through a change of appliances hears them of the new one."""
        appliance = self.server.appliance
        answer = answered(appliance, Question(question), _user_of(self.connection))
        if question["do"] == "follow" and self.server.appliance is not appliance:
            return self.server.appliance.status()
        return answer


def _user_of(connection: socket.socket) -> str:
    """Return the name of the user at the other end, as the kernel knows it; its number where that
    has no name.
    """
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, number, _ = _CREDENTIALS.unpack(told)
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
