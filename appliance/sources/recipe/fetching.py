"""The only home of a recipe's downloads: the answer itself becomes a file of the export."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

from ...core.errors import ExportUnsafe, SourceRefused, SourceUnreachable
from ...core.model import ExportFile
from ...core.recipes import Step
from .. import answers, landing
from ..asking import Question
from ..calling import Answer
from ..content import Verdict
from . import answer as reading
from . import rows
from .answer import Envelope
from .errand import Errand, ItemEnds, Renew

GONE = frozenset({403, 404, 410})
"""What a link answers that has died."""
_NO_FILE = frozenset({202, 204})
_RENEWALS = 5


def fetch(
    errand: Errand, step: Step, question: Callable[[], Question], renew: Renew, page: int
) -> tuple[ExportFile, Envelope]:
    """Land a step's answer under the name that the step gives it, and judge it.

    `question` is made anew for each attempt: `renew` may have had a fresh link made. Raise
    ItemEnds, or as `Receiver.receive` does.
    """

    def ask(extra: Mapping[str, str], also: Collection[int]) -> Answer:
        for _ in range(_RENEWALS):
            asked = question()
            asked = replace(asked, headers={**asked.headers, **extra})
            dead = GONE - set(step.empty) - set(step.skip) if step.renew else frozenset()
            answer = errand.ask(step, asked, dead | set(also))
            if answer.status not in dead:
                return answer
            answer.close()
            renew(step)
        raise _dies(errand)

    def again(extra: Mapping[str, str], also: Collection[int]) -> Answer:
        try:
            return ask(extra, also)
        except ItemEnds:
            raise SourceUnreachable(
                f"{errand.vendor} began to send a file, and now has it no more."
            ) from None

    answer = ask({}, ())
    _require_ready(answer)
    _require_type(step, answer)
    told = reading.envelope(answer, None, page)
    if errand.has_failed(step, told):
        answer.close()
        raise errand.refused(step, told)
    file, verdict = errand.receiver.receive(answer, _name(errand, step, answer), again)
    if step.verify:
        require_kind(step.verify, file, verdict, lambda: errand.report("counting the rows"))
    return file, told


def begin(errand: Errand, step: Step, question: Question) -> tuple[str, Answer]:
    """Ask for a file and read nothing of it; return what it would be called, and the answer."""
    answer = errand.ask(step, question)
    _require_ready(answer)
    _require_type(step, answer)
    return _name(errand, step, answer), answer


def _name(errand: Errand, step: Step, answer: Answer) -> str:
    address = answer.address
    path = unquote((address.url.path or "").rstrip("/").rpartition("/")[2])
    errand.scope.local |= {
        "url_name": path or "export",
        "url_query": dict(parse_qsl(address.url.query or "")),
        "file_name": answers.file_name(answer.headers, address, address),
    }
    return free_name(errand, errand.scope.text(step.to))


def free_name(errand: Errand, name: str) -> str:
    """Return the name, with a number where a file of this export has it already."""
    return landing.free_name(name, {file.name for file in errand.landing.files})


def _require_ready(answer: Answer) -> None:
    """What is accepted or empty is no file, however it begins."""
    if answer.status in _NO_FILE:
        answer.close()
        raise answers.refusal(answer.status, answer.headers, answer.address.host)


def _require_type(step: Step, answer: Answer) -> None:
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not step.expect.type or told in step.expect.type:
        return
    answer.close()
    if "html" in told:
        raise SourceRefused(
            f"{answer.address.host} sends a web page instead of an export.",
            hint="Check the login of this source, and that its user may export.",
        )
    raise ExportUnsafe(
        f"{answer.address.host} sends something else than an export.",
        detail=f"Content-Type {told[:60]}",
    )


def require_kind(
    wanted: str, file: ExportFile, verdict: Verdict, pulse: Callable[[], None]
) -> None:
    """Given `csv|zip` or `zip:dump.sql,manifest.json`, raise ExportUnsafe where a file is none."""
    for each in wanted.split("|"):
        kind, _, members = each.partition(":")
        if kind.strip() == verdict.format:
            if verdict.format == "csv":
                rows.in_csv(file.path, pulse)
            _require_members(file, [name.strip() for name in members.split(",") if name.strip()])
            return
    raise ExportUnsafe(
        "What arrived is no export of the kind that this vendor makes.",
        hint="Nothing of it was kept. Look at the vendor's page whether something is wrong there.",
        detail=f"it is {verdict.format}, and should be {wanted}",
    )


def _require_members(file: ExportFile, members: list[str]) -> None:
    if not members:
        return
    with zipfile.ZipFile(file.path) as packed:
        missing = sorted(set(members) - set(packed.namelist()))
    if missing:
        raise ExportUnsafe(f"The export is not whole: {missing[0]} is not in it.")


def _dies(errand: Errand) -> SourceRefused:
    return SourceRefused(
        f"The link that {errand.vendor} gives dies again and again before it can be used.",
        hint="Start another backup; if it happens again, ask the vendor.",
    )
