"""What a step brings: page for page, as rows of one file or as files, and whether that is all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from ...core.errors import ExportUnsafe, SourceUnreachable
from ...core.recipes import Step
from ...core.templates import ABSENT
from ..asking import Question, pause
from ..landing import Writer
from ..origins import Address
from . import fetching, rows
from .answer import Envelope
from .errand import Errand, ItemEnds, NotForUs, Renew
from .pages import Pages

_NOTHING_TIMES = 3
_PAUSE = timedelta(seconds=2)


class Listing:
    """Follows one step to its end."""

    def __init__(self, errand: Errand, step: Step, renew: Renew) -> None:
        self._errand, self._step, self._renew = errand, step, renew
        self._rows = 0
        self._brought = 0
        """Pages and files."""
        self._links = 0
        self._totals: list[int] = []

    def bring(self) -> None:
        """Ask, once for each link where several came; files and rows land.

        Raise ItemEnds where there is nothing (a list is then an empty file: one that is missing
        would look like a loss), NotForUs where nothing of it may be seen.
        """
        if self._is_told_to_be_empty():
            with self._file():
                return
        self._links = len(self._errand.questions.targets(self._step))
        with self._rows_file() as writer:
            for number in range(self._links):
                self._errand.scope.local["n"] = number + 1
                self._follow(number, writer)
        self._require_all()
        if self._links and not self._brought:
            raise ItemEnds

    def _is_told_to_be_empty(self) -> bool:
        """Nobody hands out a file of nothing, and one that is missing would look like a loss."""
        expected = self._expected_rows()
        return self._step.downloads and expected == 0

    def _expected_rows(self) -> int | None:
        if not self._step.expect.rows:
            return None
        told = self._errand.scope.fill(self._step.expect.rows)
        if told is ABSENT or (found := _count(told)) is not None:
            return None if told is ABSENT else found
        raise self._errand.not_as_known(self._step, ValueError("the rows are no number"))

    def _file(self) -> AbstractContextManager[Writer]:
        name = fetching.free_name(self._errand, self._errand.scope.text(self._step.to))
        return self._errand.landing.file(name, is_paced=False)

    def _rows_file(self) -> AbstractContextManager[Writer | None]:
        return self._file() if self._step.records else nullcontext()

    def _follow(self, number: int, writer: Writer | None) -> None:
        errand, step = self._errand, self._step
        pages = Pages(errand.paging(step))
        address = errand.questions.targets(step)[number]
        while True:
            errand.scope.local["page"] = pages.page
            errand.report(f"page {pages.page}" if step.paginate else step.name or "fetching")
            try:
                told, found = self._page(number, address, pages, writer)
            except NotForUs as no:
                raise (errand.stopped(no) if self._brought else no) from None
            except ItemEnds:  # of this link; what came before it came
                return
            self._brought += 1
            errand.take(step, told, address)
            self._note_total(told)
            if not pages.go_on(told, found, errand.scope.values()):
                return
            if pages.link:
                address = errand.questions.link(pages.link, address)

    def _page(
        self, number: int, address: Address, pages: Pages, writer: Writer | None
    ) -> tuple[Envelope, list[Any]]:
        if self._step.downloads:
            return self._download(number, address, pages), []
        told = self._asked(address, pages)
        if writer is None:
            return told, []
        found = self._errand.records(self._step, told)
        self._rows += rows.write(found, writer)
        return {**told, "rows": len(found)}, found

    def _asked(self, address: Address, pages: Pages) -> Envelope:
        """Ask for a page; one that breaks off is asked for again, and one that says nothing though
        its status is good: taken for the end of the list it would lose what comes after.
        """
        errand, step = self._errand, self._step
        fault = SourceUnreachable(f"{errand.vendor} answers with nothing where records should be.")
        for attempt in range(_NOTHING_TIMES):
            question = errand.questions.question(
                step, address, pages.parameters, is_next_link=bool(pages.link)
            )
            answer = errand.ask(step, question)
            try:
                told = errand.read(step, answer, pages.page)
            except SourceUnreachable as broken:
                fault = broken
            else:
                if told["body"] is not None or not step.records:
                    return told
            pause(errand.watch, _PAUSE * 2**attempt)
        raise fault

    def _download(self, number: int, address: Address, pages: Pages) -> Envelope:
        errand, step = self._errand, self._step

        def question() -> Question:
            target = self._renewed(number, address) if step.renew else address
            return errand.questions.question(
                step, target, pages.parameters, is_next_link=bool(pages.link)
            )

        file, told = fetching.fetch(errand, step, question, self._renew, pages.page)
        if step.expect.rows:
            self._rows += rows.in_csv(file.path, lambda: errand.report("counting the rows"))
        return told

    def _renewed(self, number: int, address: Address) -> Address:
        """Return where a link leads by now: of several the one to the same file."""
        links = self._errand.questions.targets(self._step)
        same = [each for each in links if each.url.path == address.url.path]
        if len(same) == 1:
            return same[0]
        if len(links) != self._links:
            raise self._errand.not_as_known(self._step, ValueError("another number of links"))
        return links[number]

    def _note_total(self, told: Envelope) -> None:
        total = _count(self._errand.select(self._step.expect.total, told))
        if total is not None:
            self._totals.append(total)

    def _require_all(self) -> None:
        """While people work, a total may change under our hands: between the least and the most
        that were told all is well.
        """
        expected = self._expected_rows()
        least, most = (min(self._totals), max(self._totals)) if self._totals else (None, None)
        if expected is not None:
            least = most = expected
        if least is not None and most is not None and not least <= self._rows <= most:
            raise ExportUnsafe(
                f"The export is not whole: {self._errand.vendor} has {most} records, and"
                f" {self._rows} came.",
                hint="It is not kept. Start another backup; if it happens again, ask the vendor.",
            )


def _count(told: object) -> int | None:
    """Given a number as vendors write them, return it; None where it is none, or says unknown."""
    text = str(told).removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() else None
