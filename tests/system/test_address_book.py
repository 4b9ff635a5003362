"""An address book of a real server through the whole box: back up, lose a contact, get it back."""

from __future__ import annotations

import pytest

from tests.real_servers.contacts import card, radicale
from tests.system.office import Office

pytestmark = pytest.mark.slow
SEVEN = card("c07", "Ana Müller 7", "TEL;TYPE=work:+49 30 7")


def test_a_contact_that_was_deleted_on_the_server_comes_back_as_a_card(tmp_path, ca):
    for folder in ("server", "office"):
        (tmp_path / folder).mkdir()
    office = Office(tmp_path / "office")
    with radicale(tmp_path / "server", ca) as server:
        server.make_book("customers", "Customers")
        for number in range(12):
            told = (f"Ana Müller {number}", f"TEL;TYPE=work:+49 30 {number}")
            server.put("customers", f"c{number:02}.vcf", card(f"c{number:02}", *told))
        auth = server.login | {"password": office.secret("book", server.login["password"])}
        keys = {"name": "book", "type": "carddav", "url": server.url, "auth": auth, "batch": 5}
        office.add("[[source]]", **keys, ca_file=server.ca_file)
        office.disk()
        office.ok("run")
        first_day = office.json("archives")[0]["archive"]["time"]
        assert "has nothing new" in office.ok("run")
        server.delete("customers", "c07.vcf")
        server.put("customers", "c09.vcf", card("c09", "Ana Müller 9", "TEL;TYPE=work:030 999"))
        assert "1 changed, 1 removed" in office.ok("run")

    (table,) = office.json("changes", "book")["tables"]
    told = {one["kind"]: one for one in table["records"]}
    assert (told["removed"]["title"], told["removed"]["id"]) == ("Ana Müller 7", "c07")
    assert told["changed"]["fields"] == {"TEL work": ["+49 30 9", "030 999"]}
    back = tmp_path / "back"
    office.ok("restore", "book", "--removed-since", first_day, "--to", back)
    (file,) = (path for path in back.rglob("*") if path.is_file())
    assert (file.name, file.read_text()) == ("Customers.vcf", SEVEN.replace("\r\n", "\n"))
    assert "030 999" in office.ok("find", "Müller 9")
