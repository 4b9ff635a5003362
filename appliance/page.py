"""The page's process: serves the page beside the worker, and beside whatever happens to it.

Part of the rim. It has no secret of the backups and no disk: what it shows and does goes through
the worker's socket. What it has lies in a folder of its own.
"""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from .core.ports import Appliance, Board
from .page_map import MapFile, own_folder
from .system.service import Supervisor
from .system.socket import Client
from .web import certificate, create_app, hosts
from .web.people import People
from .web.serving import Server, quieten

_log = logging.getLogger("appliance")


class OneLine(logging.Formatter):
    """Writes what somebody sent in one line: nobody forges a line of the log."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line."""
        line = super().formatMessage(record)
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def serve(configuration: Path) -> None:
    """Be the page until told to stop; raise ApplianceError where it cannot be served."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    configuration = configuration.absolute()
    folder = own_folder(configuration)
    file = MapFile(configuration, folder)
    live(file, folder, Client(file.known().socket), stop, Supervisor.ours())


def live(
    file: MapFile,
    folder: Path,
    appliance: Appliance,
    stop: threading.Event,
    supervisor: Supervisor | None = None,
    *,
    board: Board | None = None,
) -> None:
    """Serve the page of a box until somebody asks to stop; with a `board`, draw that on it.

    Raise ApplianceError where nobody can listen where the configuration says.
    """
    supervisor = supervisor or Supervisor()
    quieten()
    app = create_app(appliance, People(folder), lambda: file.known().office, board)
    known = file.known()
    names = {*hosts.names(known.office.names), "127.0.0.1", hosts.address()} - {""}
    context = certificate.context(certificate.ensure(folder, names))
    server = Server(app, context, known.listen)
    where = hosts.url(known.listen)
    supervisor.ready(f"The page: {where}")
    _log.info("page=ready %s", where)
    server.run(stop, supervisor.alive)
    supervisor.stopping()
    _log.info("page=stopped")
