"""What changed, as a person who runs a shop says it."""

from __future__ import annotations

import pytest

from appliance.exports.tables.telling import sentence


def table(name, added=0, changed=0, removed=0, new=(), lost=(), known=True):
    since = {"added": added, "changed": changed, "removed": removed}
    since |= {"new_columns": list(new), "lost_columns": list(lost)}
    return {"name": name, "id": ["Id"] if known else [], "since": since}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([], ""),
        ([{"name": "contacts", "id": ["Id"]}], ""),
        ([table("contacts")], "No record has changed."),
        ([table("contacts", 12, 3, 1)], "12 new contacts, 3 changed, 1 removed."),
        ([table("contacts", 1200)], "1,200 new contacts."),
        ([table("contacts", removed=412)], "contacts: 412 removed."),
        ([table("deals", 5, 0, 1, known=False)], "deals up by 4."),
        ([table("deals", 0, 0, 2, known=False)], "deals down by 2."),
        ([table("deals", 2, 0, 2, known=False)], "2 deals differ."),
        ([table("contacts", new=["Fax"])], "contacts: new column Fax."),
        ([table("companies", 1)], "1 new company."),
        ([table("addresses", 1)], "1 new address."),
        ([table("status", 1)], "1 new status."),
        ([table("kontakte", 1)], "1 new kontakte."),
        ([table("contacts", 1, lost=["Fax"])], "1 new contact, without Fax."),
        (
            [table("contacts", 1, new=["A", "B", "C", "D"])],
            "1 new contact, new column A, B, C and more.",
        ),
        (
            [table("notes", changed=900), table("contacts", changed=1), table("deals", 3)],
            "contacts: 1 changed; notes: 900 changed; 3 new deals.",
        ),
        (
            [table(name, 1) for name in "abcdef"],
            "1 new a; 1 new b; 1 new c; 1 new d; 2 more tables changed.",
        ),
    ],
)
def test_it_is_one_sentence(tables, words):
    assert sentence(tables) == words


def test_columns_that_got_another_name_or_type_are_told():
    told = table("contacts", 1)
    told["since"] |= {"renamed": {"Phone": "Mobile"}, "retyped": {"Zip": ["text", "numbers"]}}
    assert sentence([told]) == "1 new contact, Phone is called Mobile, Zip is numbers, was text."
