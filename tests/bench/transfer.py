"""Pulling one large file: ours against OpenSSH's sftp at 0 and 20 ms, and against curl."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from appliance.box import Box
from appliance.config import parse
from appliance.source_settings import source_settings
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
    (served / "tiny.bin").write_bytes(os.urandom(1000))
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
    theirs = ["sftp", "-q", "-F", "none", "-P", str(port), "-i", str(sshd.user_key.private)]
    theirs += ["-o", f"UserKnownHostsFile={known}", f"{sshd.user}@{sshd.host}:"]

    def ours(file: str) -> Cost:
        return pull(folder, _SFTP.format(folder=folder, sshd=sshd, port=port, file=file))

    def sftp(file: str) -> Cost:
        place = [theirs[-1] + file, str(fresh(folder / "theirs") / file)]
        return run([*theirs[:-1], *place])

    costs = alternate(_both({"ours": ours, "sftp": sftp}, name), rounds)
    yield from _compared(f"sftp at {trip_ms} ms", costs, "sftp", least)


def _http(folder: Path, https: servers.Https, rounds: int) -> Iterator[Finding]:
    theirs = ["curl", "-sS", "--fail", "--cacert", str(https.ca_file)]

    def ours(file: str) -> Cost:
        return pull(
            folder, _HTTP.format(folder=folder, https=https, url=https.url(f"/open/{file}"))
        )

    def curl(file: str) -> Cost:
        place = ["-o", str(fresh(folder / "theirs") / file)]
        return run([*theirs, https.url(f"/open/{file}"), *place])

    def curl_and_hash(file: str) -> Cost:
        """The same work as ours: onto the disk, and its SHA-256."""
        script = '"$@" | tee "$0" | sha256sum'
        into = str(fresh(folder / "theirs") / file)
        return run(["sh", "-c", script, into, *theirs, https.url(f"/open/{file}")])

    contenders = {"ours": ours, "curl": curl, "curl | tee | sha256sum": curl_and_hash}
    costs = alternate(_both(contenders, "export.bin"), rounds)
    yield from _compared("http", costs, "curl", 0.9)
    yield next(_compared("http, equal work", costs, "curl | tee | sha256sum", 0.9))


def _both(
    contenders: Mapping[str, Callable[[str], Cost]], name: str
) -> dict[str, Callable[[], Cost]]:
    """Each contender with the file, and with a tiny one that costs the start-up alone."""
    whole = {who: partial(fetch, name) for who, fetch in contenders.items()}
    tiny = {f"{who}, tiny": partial(fetch, "tiny.bin") for who, fetch in contenders.items()}
    return {**whole, **tiny}


def pull(folder: Path, config: str) -> Cost:
    """Pull as the box does: in a child that is told on its standard input."""
    settings = parse(config)
    into = fresh(folder / "ours")
    request = {
        "kind": settings.source[0].type,
        "settings": source_settings(settings.source[0], Box(settings).supplies),
        "into": str(into),
        "pulled_at": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "seen": [],
    }
    asked = folder / "request.json"
    asked.write_text(json.dumps(request))
    return run([BIN / "python", "-m", "appliance.sources"], given=asked, env=environment())


def fresh(folder: Path) -> Path:
    """Return the folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _compared(
    what: str, costs: dict[str, list[Cost]], other: str, least: float
) -> Iterator[Finding]:
    """Speed with all that a pull begins with, and of the transfer alone (a tiny one taken off)."""
    ours, theirs = middle(costs["ours"]), middle(costs[other])
    tiny_ours, tiny_theirs = middle(costs["ours, tiny"]), middle(costs[f"{other}, tiny"])
    whole = median(
        b.wall_seconds / a.wall_seconds for a, b in zip(costs["ours"], costs[other], strict=True)
    )
    bytes_alone = (theirs.wall_seconds - tiny_theirs.wall_seconds) / max(
        ours.wall_seconds - tiny_ours.wall_seconds, 0.001
    )
    met = bytes_alone >= least
    yield Finding("transfer", f"{what}: speed", bytes_alone, f"x {other}", f">= {least}", met)
    yield Finding("transfer", f"{what}: speed with start-up", whole, f"x {other}")
    yield Finding("transfer", f"{what}: start-up", tiny_ours.wall_seconds, "s")
    yield Finding("transfer", f"{what}: start-up of {other}", tiny_theirs.wall_seconds, "s")
    cpu = ours.cpu_seconds / max(theirs.cpu_seconds, 0.01)
    yield Finding("transfer", f"{what}: CPU of the client", cpu, f"x {other}")
    grown = (ours.peak_bytes - tiny_ours.peak_bytes) / MEGABYTE
    yield Finding("transfer", f"{what}: peak memory", ours.peak_bytes / MEGABYTE, "MB")
    yield Finding("transfer", f"{what}: of it by the file", grown, "MB", "<= 16", grown <= 16)
    yield Finding("transfer", f"{what}: peak memory of {other}", theirs.peak_bytes / MEGABYTE, "MB")


_PLACES = """
[[repository]]
name = "none"
path = '{folder}/none'
passphrase = "${{secret:none}}"
[appliance]
state = '{folder}/state'
"""
_SFTP = (
    _PLACES
    + """
[[source]]
name = "one"
type = "sftp"
host = "{sshd.host}"
port = {port}
user = "{sshd.user}"
key_file = '{sshd.user_key.private}'
host_key = "{sshd.host_key.fingerprint}"
pick = ["{file}"]
stable_for = "0s"
"""
)
_HTTP = (
    _PLACES
    + """
[[source]]
name = "one"
type = "http"
url = "{url}"
ca_file = '{https.ca_file}'
"""
)
