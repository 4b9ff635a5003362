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
from ..system.socket import Client
from ..web import hosts
from ..web.people import People
from ..web.policy import Role

_WORDS = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Where it is, and what opens it."""

    address: str
    password: str


@contextmanager
def served(configuration: Path, board: Board | None) -> Iterator[Page]:
    """Serve the page for the length of the block, with the board drawn on it."""
    folder, known, stop = own_folder(configuration, {}), read(configuration), threading.Event()
    password = "-".join(secrets.choice(word_list()) for _ in range(_WORDS))
    People(folder).set_password(Role.CHANGE, password)
    arguments = (MapFile(configuration, folder), folder, Client(known.socket), stop)
    thread = threading.Thread(target=live, args=arguments, kwargs={"board": board}, daemon=True)
    thread.start()
    try:
        yield Page(hosts.url(known.listen), password)
    finally:
        stop.set()
        thread.join()
