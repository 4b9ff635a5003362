"""Pulling by a recipe: all pages of an API, and one large ZIP, beside curl's bare transfer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from appliance.system.secrets import Secrets

from .measure import Cost, Finding, alternate, middle, run
from .paged import MEGABYTE, TOKEN, Vendor, vendor
from .relay import delayed
from .transfer import fresh, pull

RECORDS = 500_000
PAGES = (500, 1000)
_MOST_MB = 150


def measure(folder: Path, scale: float, zip_mb: int, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found; `scale` 1 is 500,000 records."""
    records = round(RECORDS * scale)
    with vendor(folder, records, PAGES, zip_mb) as server:
        port = server.https.port
        for rows in PAGES:
            yield from _api(_Pulling(folder, server, port), rows, rounds)
        with delayed(port, 10) as late:
            yield from _api(_Pulling(folder, server, late), PAGES[-1], 1, " at 20 ms")
        yield from _zip(_Pulling(folder, server, port), zip_mb, max(1, rounds // 2))


@dataclass(slots=True)
class _Pulling:
    """Whom we pull from, and by which port."""

    folder: Path
    server: Vendor
    port: int
    asked: list[int] = field(default_factory=list)
    """How many requests each pull of ours took."""

    def ours(self, step: str) -> Cost:
        """Pull as the box does."""
        before = self.server.requests()
        cost = pull(self.folder, self._config(step))
        self.asked.append(self.server.requests() - before)
        return cost

    def curl(self, paths: list[str], then: str = '> "$0"') -> Cost:
        """Fetch all over one connection, into one file."""
        told, https = self.folder / "curl.txt", self.server.https
        lines = [f'url = "https://{https.host}:{self.port}{path}"' for path in paths]
        told.write_text("\n".join([f'header = "Authorization: Bearer {TOKEN}"', *lines, ""]))
        curl = ["curl", "-sS", "--fail", "--cacert", str(https.ca_file), "-K", str(told)]
        into = str(fresh(self.folder / "theirs") / "all")
        return run(["sh", "-c", f'"$@" {then}', into, *curl])

    def _config(self, step: str) -> str:
        Secrets(self.folder / "state" / "secrets").put("vendor", TOKEN)
        return _SOURCE.format(folder=self.folder, https=self.server.https, port=self.port) + step


def _api(to: _Pulling, rows: int, rounds: int, how: str = "") -> Iterator[Finding]:
    pages = to.server.pages[rows]

    def ours() -> Cost:
        cost = to.ours(_PAGED.format(rows=rows))
        _must_be_whole(to.folder / "ours", to.server.records)
        return cost

    what = f"{to.server.records:,} records by {rows}{how}"
    costs = alternate({"ours": ours, "curl": lambda: to.curl(pages)}, rounds)
    yield from _compared(what, costs, "curl")
    most, least = max(to.asked), len(pages)
    yield Finding("recipe", f"{what}: requests", most, "", f"<= {least}", most <= least)


def _must_be_whole(folder: Path, records: int) -> None:
    with next(folder.iterdir()).open("rb") as file:
        found = sum(1 for _ in file)
    if found != records:
        raise RuntimeError(f"{found} of {records} records were pulled")


def _zip(to: _Pulling, size_mb: int, rounds: int) -> Iterator[Finding]:
    """Equal work: onto the disk, its SHA-256, and each member read against its checksum."""
    whole = '| tee "$0" | sha256sum; unzip -tqq "$0"'
    paths = [to.server.large]
    contenders: dict[str, Callable[[], Cost]] = {
        "ours": lambda: to.ours(_ONE_ZIP.format(path=to.server.large)),
        "curl": lambda: to.curl(paths),
        "curl, sha256sum, unzip -t": lambda: to.curl(paths, whole),
    }
    costs = alternate(contenders, rounds)
    what = f"ZIP of {size_mb:,} MB"
    yield from _compared(what, costs, "curl")
    yield next(_compared(f"{what}, equal work", costs, "curl, sha256sum, unzip -t"))
    most = max(to.asked)
    yield Finding("recipe", f"{what}: requests", most, "", "<= 1", most <= 1)


def _compared(what: str, costs: dict[str, list[Cost]], other: str) -> Iterator[Finding]:
    ours, theirs = middle(costs["ours"]), middle(costs[other])
    pairs = zip(costs["ours"], costs[other], strict=True)
    slower = median(a.wall_seconds / b.wall_seconds for a, b in pairs)
    yield Finding("recipe", f"{what}: time", slower, f"x {other}")
    yield Finding("recipe", f"{what}: seconds", ours.wall_seconds, "s")
    cpu = ours.cpu_seconds / max(theirs.cpu_seconds, 0.01)
    yield Finding("recipe", f"{what}: CPU of the client", cpu, f"x {other}")
    peak = ours.peak_bytes / MEGABYTE
    yield Finding("recipe", f"{what}: peak memory", peak, "MB", f"<= {_MOST_MB}", peak <= _MOST_MB)


_SOURCE = """
[[repository]]
name = "none"
path = '{folder}/none'
passphrase = "${{secret:none}}"
[appliance]
state = '{folder}/state'
[[source]]
name = "one"
type = "recipe"
hosts = ["{https.host}"]
base = "https://{https.host}:{port}"
ca_file = '{https.ca_file}'
auth = {{ kind = "bearer", token = "${{secret:vendor}}" }}
"""
_PAGED = """
[[source.step]]
url = "/api/contacts"
query = {{ limit = {rows} }}
records = "body.data"
paginate = {{ next = "body.additional_data.next_cursor", into = "query.cursor" }}
to = "contacts.jsonl"
"""
_ONE_ZIP = """
[[source.step]]
url = "{path}"
to = "large.zip"
verify = "zip"
"""
