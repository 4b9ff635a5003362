"""A real CRM to load records back into: Tryton's parties and opportunities, on SQLite.

python -m tests.system.tryton FOLDER make | fill COUNT | delete COUNT | export KIND FILE |
load KIND FILE | serve, where KIND is `Parties` or `Opportunities`.

It exports as its own client does: a party that has two addresses or numbers goes over several
lines, of which the further ones say nothing of the party itself.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

NAME = "office"
PARTIES, OPPORTUNITIES = "Parties", "Opportunities"
FIELDS = {
    PARTIES: [
        "id",
        "code",
        "name",
        "addresses/street",
        "addresses/postal_code",
        "addresses/city",
        "contact_mechanisms/type",
        "contact_mechanisms/value",
    ],
    OPPORTUNITIES: [
        "id",
        "number",
        "party/rec_name",
        "description",
        "amount",
        "comment",
    ],
}
_MODELS = {PARTIES: "party.party", OPPORTUNITIES: "sale.opportunity"}
_GIVEN_BY_THE_CRM = {"id", "number"}
_OURS = "Müller; Ana"


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
        from trytond.modules.company.tests.tools import create_company

        self._model(PARTIES)
        create_company()

    def fill(self, count: str) -> None:
        """Add parties, some with two numbers, all with what a spreadsheet would spoil, and what
        might be sold to them.
        """
        party, opportunity = self._model(PARTIES), self._model(OPPORTUNITIES)
        for number in range(int(count)):
            one = party(name=f'{_OURS} "{number}"')
            address = one.addresses[0] if one.addresses else one.addresses.new()
            address.street, address.city = f"Weg {number}\nHinterhaus", "Łódź"
            address.postal_code = f"{number:05}"
            ways = [("email", f"ana{number}@x.example")]
            ways += [("phone", f"+49 30 {1000000 + number}")] if number % 3 == 0 else []
            for kind, value in ways:
                one.contact_mechanisms.new(type=kind).value = value
            one.save()
            for deal in range(number % 3):
                sale = opportunity(party=one, description=f'0{deal}; {number} "pieces"')
                sale.amount, sale.comment = Decimal(f"{number}.50"), f"first\nsecond {number}"
                sale.save()

    def delete(self, count: str) -> None:
        """Select some customers, and delete them with all that might be sold to them."""
        party, opportunity = self._model(PARTIES), self._model(OPPORTUNITIES)
        ours = [("name", "like", f"{_OURS}%")]
        some = party.find(ours, order=[("id", "ASC")])[10 : 10 + int(count)]
        theirs = opportunity.find([("party", "in", [one.id for one in some])])
        opportunity.click(theirs, "cancel")
        opportunity.delete(theirs)
        party.delete(some)

    def export(self, kind: str, file: str) -> None:
        """Write all records of a kind, as CSV."""
        model = self._model(kind)
        ids = [each.id for each in model.find([], order=[("id", "ASC")])]
        rows = model._proxy.export_data(ids, FIELDS[kind], self._context)
        with Path(file).open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(FIELDS[kind])
            writer.writerows(["" if cell is None else cell for cell in row] for row in rows)

    def load(self, kind: str, file: str) -> None:
        """Import a CSV; what the CRM gives to a new record by itself is left out."""
        with Path(file).open(newline="", encoding="utf-8-sig") as opened:
            header, *rows = csv.reader(opened)
        fields = [name for name in header if name not in _GIVEN_BY_THE_CRM]
        at = [header.index(name) for name in fields]
        data = [[row[place] for place in at] for row in rows]
        names = [name.removesuffix("/rec_name") for name in fields]
        self._model(kind)._proxy.import_data(names, data, self._context)

    def serve(self) -> None:
        """Answer over HTTP on loopback until somebody ends us; say the address on one line."""
        from trytond import config

        config.update_etc([str(self._configuration)])  # before anything of it that reads it
        from trytond.pool import Pool
        from trytond.wsgi import app
        from werkzeug.serving import make_server

        Pool.start()
        Pool(NAME).init()
        server = make_server("127.0.0.1", 0, app, threaded=True)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()

    @property
    def _configuration(self) -> Path:
        return self._folder / "trytond.conf"

    @cached_property
    def _context(self) -> Any:
        """Whose eyes we see it with; its pool of models is loaded once and for all."""
        from proteus import config

        file = str(self._configuration)
        return config.set_trytond(f"sqlite:///{NAME}", config_file=file).context

    def _model(self, kind: str) -> Any:
        from proteus import Model

        self._context  # noqa: B018 - before any model
        return Model.get(_MODELS[kind])


def main() -> None:
    """Do one thing."""
    folder, what, *words = sys.argv[1:]
    getattr(Tryton(Path(folder)), what)(*words)


if __name__ == "__main__":
    main()
