"""The only home of how the worker and its children of this package speak: a pickled request on
standard input, and lines of JSON or the bytes of a file on standard output.

A child ends with us, and takes its memory along. Part of the rim.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable, Generator, Mapping
from time import monotonic
from typing import Any, TextIO

from ..core.errors import ApplianceError
from ..core.model import Progress
from ..core.ports import Watch
from ..system import process

_TELL_EVERY_SECONDS = 0.25
_BLOCK_BYTES = 64 << 10
_LONGEST_LINE_BYTES = 16 << 20
_HANDED_ON = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")
"""Where the secrets lie, and that we are a service: see `process._dying_with_us`."""


def answer(module: str, request: object, watch: Watch) -> dict[str, Any]:
    """Have a child do what is asked for; return what it said last, beside its progress.

    Raise what went wrong there as an ApplianceError with its class in `detail`, or Cancelled.
    """
    said: dict[str, Any] = {}
    with process.started(_argv(module), stdin=_packed(request), env=_env(), watch=watch) as child:
        while line := child.stdout.readline(_LONGEST_LINE_BYTES):
            said = _heard(line, watch) or said
        ended = child.result()
    if said and "error" not in said:
        return said
    raise _error(said, ended.tail)


def stream(module: str, request: object) -> Generator[bytes, None, None]:
    """Yield the bytes that a child makes; raise ApplianceError where they are not whole."""
    with process.started(_argv(module), stdin=_packed(request), env=_env()) as child:
        while block := os.read(child.stdout.fileno(), _BLOCK_BYTES):
            yield block
        ended = child.result()
    if ended.code:
        *_, last = ended.tail.splitlines() or [""]
        raise _error(_object(last), ended.tail)


def say(facts: Mapping[str, object], out: TextIO | None = None) -> None:
    """As the child: write a line of JSON."""
    out = out or sys.stdout
    out.write(json.dumps(facts) + "\n")
    out.flush()


def obey(doers: Mapping[type, Callable[[Any], None]], streams: type) -> None:
    """As the child: do what is asked for, and end with what went wrong in words.

    Given who does each kind of request, and the kind that is answered with the bytes of a file.
    """
    request = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - our own worker wrote it
    out = sys.stderr if isinstance(request, streams) else sys.stdout
    try:
        doers[type(request)](request)
    except ApplianceError as error:
        say({"error": error.message, "hint": error.hint, "class": type(error).__name__}, out)
        sys.exit(1)


def telling() -> Callable[[Progress], None]:
    """As the child: return what tells progress now and then, and each new sentence at once."""
    told, note = float("-inf"), ""

    def tell(progress: Progress) -> None:
        nonlocal told, note
        if monotonic() - told < _TELL_EVERY_SECONDS and progress.note == note:
            return
        told, note = monotonic(), progress.note
        facts = {name: getattr(progress, name) for name in ("step", "done", "total", "unit")}
        say({"progress": facts | {"note": note}})

    return tell


def _argv(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", module]


def _packed(request: object) -> bytes:
    return pickle.dumps(request)


def _env() -> dict[str, str]:
    return {name: os.environ[name] for name in _HANDED_ON if name in os.environ}


def _heard(line: bytes, watch: Watch) -> dict[str, Any] | None:
    said = _object(line.decode("utf-8", "replace"))
    if isinstance(progress := said.get("progress"), dict):
        watch.progress(Progress(**progress))
        return None
    return said


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error(said: Mapping[str, Any], tail: str) -> ApplianceError:
    message = said.get("error", "It did not go: its helper ended by itself.")
    return ApplianceError(
        str(message), hint=str(said.get("hint", "Try it again.")), detail=said.get("class", tail)
    )
