"""The child's main: one pull, look or sign-in, asked for on standard input, answered on standard
output.

SIGTERM keeps its default, which ends the child at once: what it received so far lies in a
staging folder that the parent wipes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..core.errors import ApplianceError
from ..core.model import Export, StepName
from ..core.ports import Watch
from .child import error_to_json, export_to_json, seen_from_json
from .content import prove
from .sight import Sight

if TYPE_CHECKING:
    from .auth import Login

_PROVED = ("http", "recipe")
"""Which prove by themselves what they bring, to see its end."""
_one_at_a_time = threading.Lock()


def main() -> int:
    """Read the request, pull, say how it went; return 0 where the answer is a result."""
    answers = _own_stdout()
    request = json.load(sys.stdin)
    watch = Watch(lambda progress: _say(answers, progress=asdict(progress)))
    if request.get("look"):
        return _look(request, answers, watch)
    if request.get("sign_in"):
        return _sign_in(request, answers, watch)
    try:
        export = _pull(request, watch)
        if export is not None and request["kind"] not in _PROVED:
            _prove(export, watch)
    except ApplianceError as error:
        _say(answers, error=error_to_json(error))
        return 1
    _say(answers, result=None if export is None else export_to_json(export))
    return 0


def _look(request: Mapping[str, Any], answers: TextIO, watch: Watch) -> int:
    """Say what was seen, and what went wrong then, if anything did."""
    sight, error = Sight(), None
    try:
        _seen(request["kind"], request["settings"], sight, watch)
    except ApplianceError as wrong:
        error = error_to_json(wrong)
    _say(answers, result={"sight": asdict(sight), "error": error})
    return 0


def _sign_in(request: Mapping[str, Any], answers: TextIO, watch: Watch) -> int:
    """Do a step of a person's sign-in, or (asked for nothing else) sign in as a backup does."""
    from . import signin  # noqa: PLC0415 - a child loads what it needs

    settings, wanted = request["settings"], request["sign_in"]
    ca_file = settings["ca_file"]
    try:
        who = _login(request["kind"], settings)
        if wanted is True:
            told = signin.proved(who, ca_file)
        else:
            told = signin.step(who, wanted, ca_file, watch)
    except ApplianceError as error:
        _say(answers, error=error_to_json(error))
        return 1
    _say(answers, result=told)
    return 0


def _login(kind: str, settings: Mapping[str, Any]) -> Login:
    if kind == "recipe":
        from .recipe import pull as by_recipe  # noqa: PLC0415 - as above

        return by_recipe.login(by_recipe.RecipeSettings(**settings))
    from .auth import Login  # noqa: PLC0415 - as above

    return Login(settings["auth"], settings["secrets_dir"], settings["sign_in_of"])


def _seen(kind: str, settings: Mapping[str, Any], sight: Sight, watch: Watch) -> None:
    match kind:
        case "sftp":
            from . import sftp  # noqa: PLC0415 - a child loads the one library it needs

            sftp.look(sftp.SftpSettings(**settings), sight, watch)
        case "http":
            from . import http  # noqa: PLC0415 - as above

            http.look(http.HttpSettings(**settings), sight, watch)
        case "recipe":
            from .recipe import pull as by_recipe  # noqa: PLC0415 - as above

            by_recipe.look(by_recipe.RecipeSettings(**settings), sight, watch)
        case "carddav":
            from . import carddav  # noqa: PLC0415 - as above

            carddav.look(carddav.CardDavSettings(**settings), sight, watch)
        case _:
            from . import inbox  # noqa: PLC0415 - as above

            inbox.look(inbox.InboxSettings(**settings), sight, watch)


def _prove(export: Export, watch: Watch) -> None:
    """Whatever way it came, what is no export is refused: a login page, a cut file, nothing."""
    size = export.size_bytes
    for file in export.files:
        prove(file.path, file.name, pulse=lambda: watch.report(StepName.PULL, size, size))


def _own_stdout() -> TextIO:
    """Keep the answers' channel to ourselves: what a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, **what: object) -> None:
    with _one_at_a_time:
        answers.write(json.dumps(what) + "\n")
        answers.flush()


def _pull(request: Mapping[str, Any], watch: Watch) -> Export | None:
    settings, into = request["settings"], Path(request["into"])
    pulled_at = datetime.fromisoformat(request["pulled_at"])
    seen = [seen_from_json(file) for file in request["seen"]]
    match request["kind"]:
        case "sftp":
            from . import sftp  # noqa: PLC0415 - a child loads the one library it needs

            return sftp.pull(sftp.SftpSettings(**settings), into, pulled_at, seen, watch)
        case "http":
            from . import http  # noqa: PLC0415 - as above

            return http.pull(http.HttpSettings(**settings), into, pulled_at, seen, watch)
        case "recipe":
            from .recipe import pull as by_recipe  # noqa: PLC0415 - as above

            recipe = by_recipe.RecipeSettings(**settings)
            return by_recipe.pull(recipe, into, pulled_at, seen, watch)
        case "carddav":
            from . import carddav  # noqa: PLC0415 - as above

            return carddav.pull(carddav.CardDavSettings(**settings), into, pulled_at, seen, watch)
        case "inbox":
            from . import inbox  # noqa: PLC0415 - as above

            return inbox.pull(inbox.InboxSettings(**settings), into, pulled_at, seen, watch)
        case kind:
            raise ApplianceError(f"Sources of type {kind} are not known.")


if __name__ == "__main__":
    sys.exit(main())
