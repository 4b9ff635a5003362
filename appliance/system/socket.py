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
_A_TRY_SECONDS = 110.0
"""A server or a cloud that somebody wants to try may be slow."""
_A_LOOK_AHEAD_SECONDS = 30.0
"""A year of backups is played through, on a small board."""
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

    def preview_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None
    ) -> Mapping[str, object]:
        """Return what a wish would change, and all that is wrong with it."""
        question = {"do": "preview-settings", "section": section, "name": name, "wish": wish}
        return self._facts(question, _A_LOOK_AHEAD_SECONDS)

    def change_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None, stamp: str
    ) -> Mapping[str, object]:
        """Have a wish saved."""
        question = {"section": section, "name": name, "wish": wish, "stamp": stamp}
        return self._facts({"do": "change-settings", **question}, _A_LOOK_AHEAD_SECONDS)

    def put_secret(self, value: str) -> str:
        """Hand a secret over; return the mark that stands for it."""
        return str(self._ask({"do": "put-secret", "value": value}))

    def try_source(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Have a source looked at."""
        return self._facts({"do": "try-source", "name": name, "wish": wish}, _A_TRY_SECONDS)

    def trust_source(self, name: str, wish: Mapping[str, str], fingerprint: str) -> str:
        """Have a server's key confirmed."""
        question = {"name": name, "wish": wish, "fingerprint": fingerprint}
        return str(self._ask({"do": "trust-source", **question}, _A_TRY_SECONDS))

    def try_cloud(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Have an account with a cloud tried."""
        return self._facts({"do": "try-cloud", "name": name, "wish": wish}, _A_TRY_SECONDS)

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
            words = str(question["words"])
            appliance.note(str(question["what"]), words, question["went_well"] is True)
            return None
        case "activity":
            about, outcome = str(question["about"]), str(question["outcome"])
            before = question["before"]
            before = None if before is None else int(before)
            return appliance.activity(about, outcome, before, int(question["limit"]))
        case "run":
            return appliance.run(int(question["run_id"]))
        case "audit":
            return appliance.audit()
        case "eject":
            disk = question.get("disk")
            return appliance.eject(None if disk is None else str(disk))
        case "reload":
            return appliance.reload()
        case "pair":
            return appliance.pair(str(question["node"]), str(question["name"]))
        case verb:
            return _about_settings(appliance, str(verb), question)


def _about_settings(  # noqa: PLR0911 - as above
    appliance: Appliance, verb: str, question: Mapping[str, Any]
) -> object:
    """The same of the verbs about settings."""
    name = str(question.get("name", ""))
    match verb:
        case "settings":
            return appliance.settings()
        case "preview-settings":
            return appliance.preview_settings(str(question["section"]), name, _wish(question))
        case "change-settings":
            stamp, section = str(question["stamp"]), str(question["section"])
            return appliance.change_settings(section, name, _wish(question), stamp)
        case "put-secret":
            return appliance.put_secret(str(question["value"]))
        case "try-source":
            return appliance.try_source(name, _wish(question) or {})
        case "trust-source":
            fingerprint = str(question["fingerprint"])
            return appliance.trust_source(name, _wish(question) or {}, fingerprint)
        case "try-cloud":
            return appliance.try_cloud(name, _wish(question) or {})
        case unknown:
            raise ValueError(unknown)


def _wish(question: Mapping[str, Any]) -> dict[str, str] | None:
    wish = question.get("wish")
    return None if wish is None else {str(key): str(value) for key, value in wish.items()}
