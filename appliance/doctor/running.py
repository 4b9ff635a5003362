"""What runs: the services, and the worker's answer."""

from __future__ import annotations

from .. import place
from ..system.service import unit_properties
from ..system.socket import Client
from .installation import PANEL, PROGRAM, WEB, WORKER, Finding, Findings, Installation


def services(box: Installation) -> Findings:
    """Whether the services start by themselves, and run."""
    if not box.machine.runs_systemd():
        yield Finding("services", "warn", "systemd does not run here, so no service does.")
        return
    wanted = [WORKER, *([PANEL] if box.settings and box.settings.panel else []), WEB]
    for unit in wanted:
        found = unit_properties(unit, "ActiveState", "UnitFileState", "Result", "NRestarts")
        if found.get("UnitFileState") != "enabled":
            todo = f"Run: sudo systemctl enable {unit}"
            yield Finding("services", "bad", f"{unit} does not start by itself.", todo)
        if found.get("ActiveState") == "active":
            yield Finding("services", "ok", f"{unit} runs.")
        else:
            sentence = f"{unit} does not run ({found.get('Result') or found.get('ActiveState')})."
            yield Finding("services", "bad", sentence, f"journalctl -u {unit} -n 30 says why.")


def worker(box: Installation) -> Findings:
    """Whether the worker answers, and is the program that was installed last."""
    socket = place.socket(box.configuration)
    if socket is None or not box.machine.runs_systemd():
        return
    if not Client(socket).is_there():
        todo = f"Run: sudo systemctl restart {WORKER}"
        yield Finding("worker", "bad", "The worker does not answer.", todo)
        return
    number = unit_properties(WORKER, "MainPID").get("MainPID", "0")
    at_work = box.machine.at(f"/proc/{number}/cwd").resolve()
    if at_work == (box.machine.at(PROGRAM) / "current").resolve():
        yield Finding("worker", "ok", "The worker answers, and is the program installed last.")
    else:
        todo = f"Run: sudo systemctl restart {WORKER}"
        yield Finding("worker", "bad", "The worker is still the program before the upgrade.", todo)
