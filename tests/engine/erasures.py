"""Somebody who asks to be in no backup any more, for the engine's tests of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.core.erasure import Erasure
from appliance.core.errors import ApplianceError
from appliance.core.model import Run, Trigger
from appliance.core.ports import Layout, Watch
from appliance.engine.erasing import erase
from appliance.engine.register import register
from tests.fakes import Box, FakeRepository

HER = "7,Hedwig"
SALT = "of-the-test"


def export(*lines: str) -> str:
    return "\n".join(("id,name", *lines)) + "\n"


def three_days(box: Box) -> None:
    """Three days on two disks; she is in the first two of them."""
    for lines in (("1,Ann", HER), ("1,Ann", HER, "2,Bo"), ("1,Ann", "2,Bo")):
        box.back_up(export(*lines))
        box.next_day()


def ask(box: Box, who: str = HER, *, at_once: bool = False) -> Erasure:
    erasure = Erasure.of([who], box.clock.now(), SALT, upto=0)
    return register(box.ledger, "crm", replace(erasure, at_once=at_once))


def run(box: Box) -> Run:
    return erase("crm", Trigger.COMMAND, box.kit, Watch()).run


def told_of(repository: FakeRepository) -> list[bool]:
    """For each archive, oldest first, whether anything in it says her name."""
    return [
        any(HER.encode() in data for data in repository.held[one.name][1].values())
        for one in repository.archives()
    ]


def refuse(*_: object) -> None:
    raise ApplianceError("This cannot be written again.")


def leaves_her(box: Box) -> Callable[..., Layout]:
    """A way of making a backup again that overlooks what it should take out."""
    without = box.exports.without

    def overlooked(
        root: Path, before: Path | None, goes: Callable[[str], bool], *more: Any
    ) -> Layout:
        return without(root, before, lambda _: False, *more)

    return overlooked
