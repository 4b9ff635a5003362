"""The only home of what parent and child say to each other when a pull runs on its own.

The child is `python -m appliance.sources`. It gets one JSON request on standard input, secrets
included, and answers with JSON lines: progress, then one result or one error. Whatever else it
says is passed over.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..core import errors
from ..core.errors import ApplianceError, ConfigError, Problem, SourceUnreachable
from ..core.model import Export, ExportFile, Progress, SeenFile, StepName
from ..core.ports import Watch
from ..system import process

_LONGEST_LINE_BYTES = 4 << 20
_SECRET_KEY = re.compile(
    r"pass|secret|token|auth|^key$|credential|header|query|code|verifier", re.IGNORECASE
)
_NO_SECRET = frozenset({"kind", "grant", "client_auth", "scheme", "cookie", "scope", "redirect"})
"""Words of a login that may stand in what is said about it."""
_SHORTEST_SECRET = 4
MOST_SEEN = 5000
"""So many of the files that were archived last are told to a pull that looks at the newest only."""
_KINDS: dict[str, type[ApplianceError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ApplianceError)
}


class ChildSource:
    """A Source that pulls in a child process, which can be killed and takes its memory along."""

    def __init__(
        self,
        name: str,
        kind: str,
        settings_json: Mapping[str, object],
        limits: process.Limits,
    ) -> None:
        self._name = name
        self._kind = kind
        self._settings = dict(settings_json)
        self._limits = limits

    @property
    def name(self) -> str:
        """The source's name."""
        return self._name

    def pull(
        self, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
    ) -> Export | None:
        """As `core.ports.Source.pull`; a child that dies or hangs raises SourceUnreachable."""
        request = {
            "kind": self._kind,
            "settings": self._settings,
            "into": str(into),
            "pulled_at": pulled_at.isoformat(),
            "seen": [_seen_to_json(file) for file in self._to_compare_with(seen)],
        }
        answer = self._answer(json.dumps(request).encode(), watch)
        if "error" in answer:
            raise _error_from_json(answer["error"], tuple(_secrets(self._settings)))
        if answer["result"] is None:
            return None
        troubles = answer["result"].get("troubles", ())
        secrets = tuple(_secrets(self._settings))
        told = tuple(_error_from_json(each, secrets) for each in troubles)
        return replace(export_from_json(answer["result"]), troubles=told)

    def look(self, watch: Watch) -> tuple[dict[str, Any], ApplianceError | None]:
        """Return what was seen (as `sight.Sight`) without taking anything, and what went wrong
        then; raise SourceUnreachable where it takes too long.
        """
        request = {"kind": self._kind, "settings": self._settings, "look": True}
        told = self._answer(json.dumps(request).encode(), watch)
        secrets = tuple(_secrets(self._settings))
        if "error" in told:
            raise _error_from_json(told["error"], secrets)
        error = told["result"]["error"]
        return told["result"]["sight"], _error_from_json(error, secrets) if error else None

    def sign_in(self, watch: Watch, step: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Sign in as a pull does and do nothing else, or do a `step` of a person's sign-in (see
        `signin.step`); return what is known of it then. Raise as a pull does.
        """
        request = {"kind": self._kind, "settings": self._settings, "sign_in": step or True}
        told = self._answer(json.dumps(request).encode(), watch)
        if "error" in told:
            hidden = (*_secrets(self._settings), *_secrets(step or {}))
            raise _error_from_json(told["error"], hidden)
        result: dict[str, Any] = told["result"]
        return result

    def _to_compare_with(self, seen: Sequence[SeenFile]) -> Sequence[SeenFile]:
        """An inbox compares with nothing; who takes every file must know all that were taken."""
        newest = self._settings.get("newest", 1)
        if self._kind == "inbox":
            return ()
        known = tuple(dict.fromkeys(seen))
        return known if newest == 0 else known[: max(MOST_SEEN, int(str(newest)))]

    def settle(self, export: Export) -> None:
        """Let an inbox move what was archived to `done/`, and a recipe remember what it brought."""
        if self._kind == "inbox":
            from . import inbox  # noqa: PLC0415 - only an inbox needs it

            inbox.settle(inbox.InboxSettings(**self._settings), export)  # type: ignore[arg-type] # from JSON
        if self._kind == "recipe":
            from .recipe import memory  # noqa: PLC0415 - only a recipe needs it

            memory.settle(Path(str(self._settings["memory"])))

    def _answer(self, request: bytes, watch: Watch) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        argv = [sys.executable, "-P", "-m", __package__]  # -P: not from where somebody stands
        try:
            with process.started(argv, stdin=request, limits=self._limits, watch=watch) as child:
                for line in _lines(child):
                    answer = _heard(line, watch) or answer
                ended = child.result()
        except process.TimedOut as error:
            raise SourceUnreachable(
                f"The pull of {self._name} took too long, so it was stopped.", detail=error.message
            ) from error
        if not answer:
            raise self._died(ended)
        return answer

    def _died(self, ended: process.Result) -> SourceUnreachable:
        tail = ended.tail
        for secret in _secrets(self._settings):
            tail = tail.replace(secret, "***")
        return SourceUnreachable(
            f"The pull of {self._name} ended without a result.",
            hint="It is tried again by itself; if it keeps happening, ask for help.",
            detail=f"exit {ended.code}: {tail}",
        )


def _lines(child: process.Running) -> Iterator[bytes]:
    while line := child.stdout.readline(_LONGEST_LINE_BYTES):
        child.sign_of_life()
        yield line


def _heard(line: bytes, watch: Watch) -> dict[str, Any] | None:
    """Pass progress on; return the line if it is the answer, None if it is not."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    if isinstance(said.get("progress"), dict):
        with suppress(TypeError):  # some library's own words
            watch.progress(Progress(**said["progress"] | {"step": StepName.PULL}))
    return said if "result" in said or "error" in said else None


def _secrets(value: object, *, under_secret: bool = False) -> Iterator[str]:
    """Yield the strings of the settings that nobody may read, longest parts first."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "recipe":
                continue  # which has names of secrets alone
            told = _without_words(inner) if key == "auth" else inner
            yield from _secrets(told, under_secret=under_secret or _is_secret(str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _secrets(inner, under_secret=under_secret)
    elif isinstance(value, str) and under_secret and len(value) >= _SHORTEST_SECRET:
        yield value
        yield from (line for line in value.splitlines()[1:-1] if len(line) >= _SHORTEST_SECRET)


def _without_words(login: object) -> object:
    if not isinstance(login, Mapping):
        return login
    return {key: value for key, value in login.items() if key not in _NO_SECRET}


def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEY.search(key))


def _error_from_json(said: Mapping[str, Any], secrets: Sequence[str]) -> ApplianceError:
    def clean(part: object) -> str:
        text = str(part)
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    name = said.get("class")
    if name == ConfigError.__name__:
        return ConfigError([Problem("", clean(said.get("message")))])
    kind = _KINDS.get(str(name), ApplianceError)
    words: dict[str, Any] = {"hint": clean(said.get("hint")), "detail": clean(said.get("detail"))}
    if kind is SourceUnreachable and said.get("retry_after") is not None:
        words["retry_after"] = timedelta(seconds=float(said["retry_after"]))
    return kind(clean(said.get("message")), **words)


def error_to_json(error: ApplianceError) -> dict[str, object]:
    """Return an error as the parent will raise it again."""
    wait = getattr(error, "retry_after", None)
    return {
        "class": type(error).__name__,
        "message": str(error),
        "hint": error.hint,
        "detail": getattr(error, "detail", ""),
        "retry_after": wait.total_seconds() if wait is not None else None,
    }


def export_to_json(export: Export) -> dict[str, object]:
    """Return an Export as plain JSON values."""
    return {
        "source": export.source,
        "pulled_at": export.pulled_at.isoformat(),
        "server_time": _iso(export.server_time),
        "notes": list(export.notes),
        "files": [{**_seen_to_json(file), "path": str(file.path)} for file in export.files],
        "troubles": [error_to_json(each) for each in export.troubles],
    }


def export_from_json(said: Mapping[str, Any]) -> Export:
    """Given what `export_to_json` made, return the Export."""
    files = tuple(
        ExportFile(
            name=file["name"],
            path=Path(file["path"]),
            size_bytes=file["size_bytes"],
            sha256=file["sha256"],
            modified=_time(file["modified"]),
            validator=file["validator"],
        )
        for file in said["files"]
    )
    pulled_at = datetime.fromisoformat(said["pulled_at"])
    server_time, notes = _time(said["server_time"]), tuple(said.get("notes", ()))
    return Export(said["source"], files, pulled_at, server_time, notes)


def seen_from_json(said: Mapping[str, Any]) -> SeenFile:
    """Return what is remembered of a file."""
    modified = _time(said["modified"])
    return SeenFile(said["name"], said["size_bytes"], said["sha256"], modified, said["validator"])


def _seen_to_json(file: SeenFile | ExportFile) -> dict[str, object]:
    return {
        "name": file.name,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "modified": _iso(file.modified),
        "validator": file.validator,
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
