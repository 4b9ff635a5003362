"""Pulling one large file: ours against OpenSSH's sftp at 0 and 20 ms, and against curl."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from appliance.box import Box, source_settings
from appliance.config import parse
from tests import servers

from .measure import BIN, Cost, Finding, alternate, environment, middle, run
from .relay import delayed

MEGABYTE = 10**6


def measure(folder: Path, size_mb: int, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found."""
    served = folder / "served"
    served.mkdir()
    _write_noise(served / "export.bin", size_mb)
    _write_noise(served / "small.bin", max(1, size_mb // 4))
    with servers.sshd(folder / "sshd", served) as sshd:
        for delay_ms, name, least in ((0, "export.bin", 0.65), (10, "small.bin", 1.0)):
            with _reached(sshd.port, delay_ms) as port:
                yield from _sftp(folder, sshd, port, name, rounds, 2 * delay_ms, least)
    with servers.https(folder / "nginx", served) as https:
        yield from _http(folder, https, rounds)


def _write_noise(path: Path, size_mb: int) -> None:
    with path.open("wb") as file:
        for _ in range(size_mb):
            file.write(os.urandom(MEGABYTE))


@contextmanager
def _reached(port: int, delay_ms: int) -> Iterator[int]:
    if not delay_ms:
        yield port
        return
    with delayed(port, delay_ms) as late:
        yield late


def _sftp(
    folder: Path,
    sshd: servers.Sshd,
    port: int,
    name: str,
    rounds: int,
    trip_ms: int,
    least: float,
) -> Iterator[Finding]:
    known = folder / "known_hosts"
    line = f"[{sshd.host}]:{port} {sshd.host_key.public_line}\n"
    known.write_text(line)
    config = f"""
        [appliance]
        state = '{folder}/state'
        [[source]]
        name = "one"
        type = "sftp"
        host = "{sshd.host}"
        port = {port}
        user = "{sshd.user}"
        key_file = '{sshd.user_key.private}'
        host_key = "{sshd.host_key.fingerprint}"
        pick = ["{name}"]
        stable_for = "0s"
        [[repository]]
        name = "none"
        path = '{folder}/none'
        passphrase = "${{secret:none}}"
    """
    theirs = ["sftp", "-q", "-F", "none", "-P", str(port), "-i", str(sshd.user_key.private)]
    theirs += ["-o", f"UserKnownHostsFile={known}", f"{sshd.user}@{sshd.host}:{name}"]
    costs = alternate(
        {
            "ours": lambda: _pull(folder, config),
            "sftp": lambda: run([*theirs, str(_fresh(folder / "theirs") / name)]),
        },
        rounds,
    )
    yield from _compared(f"sftp at {trip_ms} ms", costs, "sftp", least)


def _http(folder: Path, https: servers.Https, rounds: int) -> Iterator[Finding]:
    config = f"""
        [appliance]
        state = '{folder}/state'
        [[source]]
        name = "one"
        type = "http"
        url = "{https.url("/open/export.bin")}"
        ca_file = '{https.ca_file}'
        [[repository]]
        name = "none"
        path = '{folder}/none'
        passphrase = "${{secret:none}}"
    """
    theirs = ["curl", "-sS", "--fail", "--cacert", str(https.ca_file)]
    theirs += [https.url("/open/export.bin"), "-o"]
    costs = alternate(
        {
            "ours": lambda: _pull(folder, config),
            "curl": lambda: run([*theirs, str(_fresh(folder / "theirs") / "export.bin")]),
        },
        rounds,
    )
    yield from _compared("http", costs, "curl", 0.9)


def _pull(folder: Path, config: str) -> Cost:
    """Pull as the box does: in a child that is told on its standard input."""
    settings = parse(config)
    into = _fresh(folder / "ours")
    request = {
        "kind": settings.source[0].type,
        "settings": source_settings(settings.source[0], Box(settings)),
        "into": str(into),
        "pulled_at": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "seen": [],
    }
    asked = folder / "request.json"
    asked.write_text(json.dumps(request))
    return run([BIN / "python", "-m", "appliance.sources"], given=asked, env=environment())


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _compared(
    what: str, costs: dict[str, list[Cost]], other: str, least: float
) -> Iterator[Finding]:
    ours, theirs = middle(costs["ours"]), middle(costs[other])
    ratios = [
        b.wall_seconds / a.wall_seconds for a, b in zip(costs["ours"], costs[other], strict=True)
    ]
    speed = sorted(ratios)[len(ratios) // 2]
    yield Finding("transfer", f"{what}: speed", speed, f"x {other}", f">= {least}", speed >= least)
    cpu = ours.cpu_seconds / max(theirs.cpu_seconds, 0.01)
    yield Finding("transfer", f"{what}: CPU of the client", cpu, f"x {other}")
    yield Finding("transfer", f"{what}: peak memory", ours.peak_bytes / MEGABYTE, "MB")
    yield Finding("transfer", f"{what}: peak memory of {other}", theirs.peak_bytes / MEGABYTE, "MB")
