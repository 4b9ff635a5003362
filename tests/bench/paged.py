"""A paged JSON API and a large ZIP behind nginx: all that it answers lies ready as files."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers

MEGABYTE = 10**6
TOKEN = "token-of-the-bench"
_MEMBER_MB = 250
_LOCATIONS = """\
location = /api/contacts {{
    if ($http_authorization != "Bearer {token}") {{ return 401; }}
    rewrite ^ /pages/$arg_limit/page$arg_cursor.json last;
}}
location = /large.zip {{
    if ($http_authorization != "Bearer {token}") {{ return 401; }}
    root "{root}";
}}
location /pages/ {{ internal; root "{root}"; types {{ application/json json; }} }}
"""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A running server and what it offers. As at Pipedrive, each page tells the next cursor:
    https://pipedrive.readme.io/docs/core-api-concepts-pagination
    """

    https: servers.Https
    records: int
    pages: dict[int, list[str]]
    """By rows in a page: the paths of all pages, which only a client that asked knows."""
    large: str = "/large.zip"

    def requests(self) -> int:
        """Return how many requests were answered until now."""
        return len(self.https.requests_seen())


@contextmanager
def vendor(folder: Path, records: int, rows: tuple[int, ...], zip_mb: int) -> Iterator[Vendor]:
    """Given an empty folder, write what is served, so many rows in a page, and serve it."""
    root = folder / "vendor"
    pages = {each: _write_pages(root / "pages" / str(each), records, each) for each in rows}
    _write_zip(root / "large.zip", zip_mb)
    extra = _LOCATIONS.format(root=root, token=TOKEN)
    with servers.https(folder / "nginx", root, extra=extra) as https:
        yield Vendor(https, records, pages)


def _write_pages(folder: Path, records: int, rows: int) -> list[str]:
    """Write the pages; return the path of each."""
    folder.mkdir(parents=True)
    firsts = range(0, records, rows)
    for first in firsts:
        after = first + rows
        page = {
            "success": True,
            "data": [_record(number) for number in range(first, min(after, records))],
            "additional_data": {"next_cursor": str(after) if after < records else None},
        }
        (folder / f"page{first or ''}.json").write_text(json.dumps(page))
    asked = f"/api/contacts?limit={rows}"
    return [asked + (f"&cursor={first}" if first else "") for first in firsts]


def _record(number: int) -> dict[str, object]:
    """A contact as a CRM tells of one: a dozen fields, some 400 bytes."""
    return {
        "id": number,
        "name": f"Person {number} of Somewhere",
        "emails": [{"value": f"person.{number}@example.org", "primary": True, "label": "work"}],
        "phones": [{"value": f"+44 20 7946 {number % 10_000:04}", "primary": True}],
        "org_id": number // 7,
        "owner_id": number % 13,
        "add_time": "2026-11-21T03:00:00Z",
        "update_time": f"2026-11-21T03:00:{number % 60:02}Z",
        "label_ids": [number % 5, number % 11],
        "note": "Met at the fair; wants an offer for the large machine.",
        "visible_to": 3,
        "is_deleted": False,
    }


def _write_zip(path: Path, size_mb: int) -> None:
    """Members of noise, stored as they are: what pictures and PDFs come to."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, first in enumerate(range(0, size_mb, _MEMBER_MB)):
            member = zipfile.ZipInfo(f"Attachments_{number:03}.bin")
            with archive.open(member, "w", force_zip64=True) as file:
                for _ in range(min(_MEMBER_MB, size_mb - first)):
                    file.write(os.urandom(MEGABYTE))
