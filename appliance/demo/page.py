"""The demo's page: the real one, for this machine alone, with a password that is made each time."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.ports import Board
from ..page import live
from ..page_map import MapFile, own_folder, read
from ..repositories.sheet import word_list
from ..system.service import Supervisor
from ..system.socket import Client
from ..web import hosts
from ..web.people import People
from ..web.policy import Role

_WORDS = 4
_LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Page:
    """Where it is, and what opens it."""

    address: str
    password: str


class _Listens(Supervisor):
    """Hears when the page is there, as systemd does on a box."""

    def __init__(self) -> None:
        super().__init__()
        self.is_ready = threading.Event()

    def ready(self, sentence: str = "") -> None:
        """Say so."""
        super().ready(sentence)
        self.is_ready.set()


@contextmanager
def served(configuration: Path, board: Board | None) -> Iterator[Page]:
    """Serve the page, with the board drawn on it, for the length of the block; it listens."""
    folder, known, stop = own_folder(configuration, {}), read(configuration), threading.Event()
    password = "-".join(secrets.choice(word_list()) for _ in range(_WORDS))
    People(folder).set_password(Role.CHANGE, password)
    listens = _Listens()
    arguments = (MapFile(configuration, folder), folder, Client(known.socket), stop, listens)
    thread = threading.Thread(target=live, args=arguments, kwargs={"board": board}, daemon=True)
    thread.start()
    while thread.is_alive() and not listens.is_ready.wait(_LOOK_EVERY_SECONDS):
        pass
    try:
        yield Page(hosts.url(known.listen), password)
    finally:
        stop.set()
        thread.join()
