"""The worker's unix socket: one JSON line asks, one JSON line answers.

The server end hands each question to a `core.ports.Appliance`; the client end is one. So page,
panel and command line do not know whether the engine is in their process or in another.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.errors import ApplianceError
from ..core.model import Trigger
from ..core.ports import Appliance

log = logging.getLogger(__name__)

_ANSWER_WITHIN_SECONDS = 10.0
_LONGEST_FOLLOW_SECONDS = 60.0
_LONGEST_LINE_BYTES = 64 * 1024
_LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
_NONSENSE = "The worker answered nonsense."


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

    def start(self, source: str, trigger: Trigger) -> str:
        """Ask for a Run of a source."""
        return str(self._ask({"do": "start", "source": source, "trigger": trigger.value}))

    def cancel(self, source: str) -> bool:
        """Cancel a source's waiting or running Run."""
        return bool(self._ask({"do": "cancel", "source": source}))

    def is_there(self) -> bool:
        """Return whether a worker listens."""
        try:
            self.status()
        except WorkerAbsent:
            return False
        return True

    def _ask(self, question: Mapping[str, object], patience_seconds: float = 0.0) -> Any:
        line = json.dumps(question).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(line, patience_seconds))
            if "error" not in answer:
                return answer["answer"]
        except (ValueError, KeyError, TypeError) as error:
            raise WorkerAbsent(_NONSENSE, detail=repr(error)) from None
        raise ApplianceError(str(answer["error"]), hint=str(answer.get("hint", "")))

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
        answer = json.dumps(self._answer(line)).encode() + b"\n"
        with suppress(OSError):  # whoever asked is gone, or reads nothing
            self.wfile.write(answer)

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
        answer = _do(appliance, question)
        if question["do"] == "follow" and self.server.appliance is not appliance:
            return self.server.appliance.status()
        return answer


def _do(  # noqa: PLR0911, PLR0912 - one for each verb
    appliance: Appliance, question: Mapping[str, Any]
) -> object:
    """Given a question, return the answer; these verbs and no others."""
    match question["do"]:
        case "status":
            return appliance.status()
        case "start":
            return appliance.start(str(question["source"]), Trigger(question["trigger"]))
        case "cancel":
            return appliance.cancel(str(question["source"]))
        case "follow":
            seconds = min(max(float(question["seconds"]), 0.0), _LONGEST_FOLLOW_SECONDS)
            panel = question.get("panel")
            return appliance.follow(int(question["version"]), seconds, panel and dict(panel))
        case "days":
            return appliance.days(int(question["count"]))
        case "note":
            what, said = str(question["what"]), str(question["words"])
            appliance.note(what, said, question["went_well"] is True)
            return None
        case "first_run":
            return appliance.first_run()
        case "name_the_box":
            appliance.name_the_box(str(question["name"]), str(question["timezone"]))
            return None
        case "ask_for_sheet":
            return appliance.ask_for_sheet(str(question["repository"]))
        case "sheet":
            return appliance.sheet(str(question["repository"]))
        case "confirm_sheet":
            words = [str(word) for word in question["words"]]
            return appliance.confirm_sheet(str(question["repository"]), words)
        case "eject":
            disk = question.get("disk")
            return appliance.eject(None if disk is None else str(disk))
        case "reload":
            return appliance.reload()
        case "pair":
            return appliance.pair(str(question["node"]), str(question["name"]))
        case unknown:
            raise ValueError(unknown)
