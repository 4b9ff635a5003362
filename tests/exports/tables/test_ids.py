"""By which column a record is known again, in the words of real CRMs."""

from __future__ import annotations

import pytest

from appliance.exports.tables.ids import candidates, normal


@pytest.mark.parametrize(
    ("table", "columns", "first"),
    [
        ("account", ["Name", "OwnerId", "Id"], "Id"),
        ("hubspot crm exports contacts", ["Record ID", "Email", "Company ID"], "Record ID"),
        ("contacts", ["Record Id", "Account Name.id", "Created By Id"], "Record Id"),
        ("people", ["Person - Name", "Person - ID", "Person - Organization ID"], "Person - ID"),
        ("contacts", ["(Do Not Modify) Contact", "Full Name"], "(Do Not Modify) Contact"),
        ("contacts", ["fullname", "contactid", "accountid"], "contactid"),
        ("contact (res.partner)", [".id", "id", "name"], "id"),
        ("contacts", ["CONTACT_ID", "OWNER_USER_ID", "ORGANISATION_ID"], "CONTACT_ID"),
        ("opportunities", ["OPPORTUNITY_ID", "ORGANISATION_ID"], "OPPORTUNITY_ID"),
        ("people", ["names", "resourceName"], "resourceName"),
        ("friends", ["FN", "UID"], "UID"),
        ("report", ["Contact ID", "Last Name"], None),
        ("contacts", ["Account ID", "Last Name"], None),
        ("contacts", ["Paid", "Valid", "Android"], None),
        ("", [], None),
    ],
)
def test_the_likeliest_column(table, columns, first):
    assert next(iter(candidates(columns, table)), None) == first


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("zcrm_554023000000238001", "554023000000238001"),
        (" 17 ", "17"),
        ("001D000000IqhSL", "001D000000IqhSLIAZ"),  # the pair that Salesforce's own help shows
        ("001D000000IqhSLIAZ", "001D000000IqhSLIAZ"),
        ("123456789012345", "123456789012345"),  # digits alone are another CRM's
        ("", ""),
    ],
)
def test_ids_are_compared_as_they_are_meant(written, meant):
    assert normal(written) == meant


def test_capitals_make_another_id_in_salesforce():
    assert normal("001D000000IqhSL") != normal("001D000000iqhsl")
