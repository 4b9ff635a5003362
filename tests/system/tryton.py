"""A real CRM to load records back into: Tryton's parties, on SQLite.

python -m tests.system.tryton FOLDER make | fill COUNT | delete COUNT | export FILE | load FILE

It exports as its own client does: a party that has two addresses or numbers goes over several
lines, of which the further ones say nothing of the party itself.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NAME = "office"
FIELDS = [
    "id",
    "code",
    "name",
    "addresses/street",
    "addresses/postal_code",
    "addresses/city",
    "contact_mechanisms/type",
    "contact_mechanisms/value",
]


class Tryton:
    """One that runs in this process; its database lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make the database, with customers and what might be sold to them."""
        self._configuration.write_text(f"[database]\nuri = sqlite://\npath = {self._folder}\n")
        (self._folder / f"{NAME}.sqlite").touch()
        (self._folder / "password").write_text("only for a test\n")
        subprocess.run(
            [
                *(sys.executable, "-m", "trytond.cli.admin", "-c", self._configuration),
                *("-d", NAME, "-u", "party", "sale_opportunity", "--activate-dependencies"),
                *("--email", "office@example.org", "-l", "en"),
            ],
            env=os.environ | {"TRYTONPASSFILE": str(self._folder / "password")},
            check=True,
        )

    def fill(self, count: str) -> None:
        """Add parties, some with two numbers, and all with what a spreadsheet would spoil."""
        party = self._parties()
        for number in range(int(count)):
            one = party(name=f'Müller; Ana "{number}"')
            address = one.addresses[0] if one.addresses else one.addresses.new()
            address.street, address.city = f"Weg {number}\nHinterhaus", "Łódź"
            address.postal_code = f"{number:05}"
            ways = [("email", f"ana{number}@x.example")]
            ways += [("phone", f"+49 30 {1000000 + number}")] if number % 3 == 0 else []
            for kind, value in ways:
                one.contact_mechanisms.new(type=kind).value = value
            one.save()

    def delete(self, count: str) -> None:
        """Select the first so many, and delete them."""
        party = self._parties()
        party.delete(party.find([], order=[("id", "ASC")])[10 : 10 + int(count)])

    def export(self, file: str) -> None:
        """Write all parties, as CSV."""
        party = self._parties()
        ids = [each.id for each in party.find([], order=[("id", "ASC")])]
        rows = party._proxy.export_data(ids, FIELDS, self._context)
        with Path(file).open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(FIELDS)
            writer.writerows(["" if cell is None else cell for cell in row] for row in rows)

    def load(self, file: str) -> None:
        """Import a CSV; a new record gets a number of the database's own, so that is left out."""
        with Path(file).open(newline="", encoding="utf-8-sig") as opened:
            header, *rows = csv.reader(opened)
        fields = [name for name in header if name != "id"]
        at = [header.index(name) for name in fields]
        data = [[row[place] for place in at] for row in rows]
        self._parties()._proxy.import_data(fields, data, self._context)

    @property
    def _configuration(self) -> Path:
        return self._folder / "trytond.conf"

    def _parties(self) -> Any:
        from proteus import Model, config

        self._context = config.set_trytond(
            f"sqlite:///{NAME}", config_file=str(self._configuration)
        ).context
        return Model.get("party.party")


def main() -> None:
    """Do one thing."""
    folder, what, *words = sys.argv[1:]
    getattr(Tryton(Path(folder)), what)(*words)


if __name__ == "__main__":
    main()
