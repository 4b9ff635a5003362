"""Each vendor behaves as its page says; asked as a careful person with curl would."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta

import pytest

from .close import Close
from .dataverse import TENANT, Dataverse
from .hubspot import HubSpot
from .odoo import Odoo, OdooJson
from .office import office
from .pipedrive import Pipedrive
from .salesforce import Salesforce, SalesforceWeekly
from .serving import ACCOUNTS, API, FILES
from .traps import Trap
from .zoho import Zoho, ZohoBackup

DATA = "/services/data/v66.0"
HOUR = timedelta(hours=1)


@pytest.fixture
def data():
    return office(7, 90)


def told(said, status=200):
    assert said.status == status, said.data[:300]
    return said.json


# --- Salesforce -----------------------------------------------------------------------------


def signed_in_at_salesforce(vendor, client):
    form = {"grant_type": "client_credentials", "client_id": vendor.client_id}
    wrong = client.post("/services/oauth2/token", form=form | {"client_secret": "no"})
    assert told(wrong, 400)["error"] == "invalid_client"
    given = form | {"client_secret": vendor.client_secret}
    token = told(client.post("/services/oauth2/token", form=given))["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return token


def test_salesforce_makes_a_job_and_tells_its_rows_set_by_set(house, client, data):
    vendor = Salesforce(house, data)
    assert client.get(f"{DATA}/sobjects").status == 401
    signed_in_at_salesforce(vendor, client)
    names = [one["name"] for one in told(client.get(f"{DATA}/sobjects"))["sobjects"]]
    assert {"Account", "Maschine__c", "AccountHistory"} <= {*names}
    fields = told(client.get(f"{DATA}/sobjects/Contact/describe"))["fields"]
    plain = [one["name"] for one in fields if one["type"] not in ("address", "location", "base64")]
    query = {"operation": "queryAll", "query": f"SELECT {','.join(plain)} FROM Contact"}
    job = told(client.post(f"{DATA}/jobs/query", json=query))["id"]
    assert client.get(f"{DATA}/jobs/query/{job}/results").status == 400
    states = [told(client.get(f"{DATA}/jobs/query/{job}"))["state"] for _ in range(3)]
    assert states == ["UploadComplete", "InProgress", "JobComplete"]
    files, locator = {}, ""
    while locator != "null":
        more = {"locator": locator} if locator else {}
        said = client.get(f"{DATA}/jobs/query/{job}/results", maxRecords=50000, **more)
        files[f"Contact-{len(files)}.csv"] = said.data
        locator = said.headers["Sforce-Locator"]
    assert len(files) == 3
    assert vendor.found(files)["Contact"] == vendor.truth()["Contact"]


def test_salesforce_refuses_compound_fields(house, client, data):
    signed_in_at_salesforce(Salesforce(house, data), client)
    query = {"operation": "query", "query": "SELECT Id,BillingAddress FROM Account"}
    assert client.post(f"{DATA}/jobs/query", json=query).status == 400


def test_salesforces_weekly_export_wants_the_session_as_a_cookie(house, client, data):
    vendor = SalesforceWeekly(house, data, {Trap.IDS_15, Trap.MEMBER_SPLIT})
    token = signed_in_at_salesforce(vendor, client)
    assert client.post("/servlet/servlet.OrgExport").data.startswith(b"<html>")
    client.headers["Cookie"] = f"oid=1; sid={token}"
    links = client.post("/servlet/servlet.OrgExport").data.decode().splitlines()
    assert [link[:26] for link in links] == ["/servlet/servlet.OrgExport"] * 2
    files = {f"{n}.ZIP": client.get(link).data for n, link in enumerate(links)}
    assert vendor.found(files) == vendor.truth()
    ids = list(vendor.truth()["Contact"])
    assert len({one.lower() for one in ids}) < len(ids) == 90


# --- HubSpot --------------------------------------------------------------------------------


def hubspot_export(client, kind="CONTACT", props=("hs_object_id", "first_name", "remark")):
    asked = {"exportType": "VIEW", "format": "CSV", "objectType": kind}
    asked |= {"exportName": "x", "language": "EN", "objectProperties": props}
    return client.post("/crm/v3/exports/export/async", json=asked)


def hubspot_link(client, number):
    for _ in range(9):
        said = told(client.get(f"/crm/v3/exports/export/async/tasks/{number}/status"))
        if said["status"] == "COMPLETE":
            return said["result"]
    return ""


def test_hubspots_links_want_no_credentials_and_die_after_five_minutes(house, client, data):
    vendor = HubSpot(house, data)
    assert hubspot_export(client).status == 401
    client.headers["Authorization"] = f"Bearer {vendor.token}"
    names = [one["name"] for one in told(client.get("/crm/v3/properties/contacts"))["results"]]
    link = hubspot_link(client, told(hubspot_export(client, props=names), 202)["id"])
    assert client.get(link).status == 400
    del client.headers["Authorization"]
    said = client.get(link)
    assert said.headers["Content-Type"] == "text/csv"
    assert vendor.found({"contacts.csv": said.data})["contacts"] == vendor.truth()["contacts"]
    rest = client.get(link, headers={"Range": "bytes=9-", "If-Range": said.headers["ETag"]})
    assert (rest.status, rest.data) == (206, said.data[9:])
    vendor.advance(timedelta(minutes=5))
    assert client.get(link).status == 403


def test_hubspot_runs_one_export_at_a_time_and_thirty_a_day(house, client, data):
    vendor = HubSpot(house, data)
    client.headers["Authorization"] = f"Bearer {vendor.token}"
    first, second = (told(hubspot_export(client), 202)["id"] for _ in range(2))
    assert hubspot_link(client, second) == ""
    assert hubspot_link(client, first)
    assert hubspot_link(client, second)
    assert [hubspot_export(client).status for _ in range(29)] == [202] * 28 + [429]
    vendor.advance(24 * HOUR)
    assert hubspot_export(client).status == 202


def test_hubspot_without_custom_objects_lacks_the_scope(house, client, data):
    vendor = HubSpot(house, data, custom_objects=False)
    client.headers["Authorization"] = f"Bearer {vendor.token}"
    assert told(client.get("/crm/v3/schemas"), 403)["category"] == "MISSING_SCOPES"
    assert client.get("/crm/v3/properties/2-3465404").status == 404


# --- Zoho -----------------------------------------------------------------------------------


def signed_in_at_zoho(vendor, client):
    sent = vendor.sign_in() | {"grant_type": "refresh_token"}
    said = told(client.post("/oauth/v2/token", role=ACCOUNTS, form=sent))
    client.headers["Authorization"] = f"Zoho-oauthtoken {said['access_token']}"
    return said


def test_zoho_says_200_and_invalid_code_and_rotates_where_told_to(house, client, data):
    vendor = Zoho(house, data, {Trap.ROTATES})
    before = vendor.sign_in() | {"grant_type": "refresh_token"}
    said = signed_in_at_zoho(vendor, client)
    assert said["api_domain"] == house.url(API)
    assert said["refresh_token"] == vendor.refresh_token
    again = client.post("/oauth/v2/token", role=ACCOUNTS, form=before)
    assert told(again) == {"error": "invalid_code"}


def test_zoho_gives_ten_access_tokens_in_ten_minutes(house, client, data):
    vendor = Zoho(house, data)
    assert all("access_token" in signed_in_at_zoho(vendor, client) for _ in range(10))
    sent = vendor.sign_in() | {"grant_type": "refresh_token"}
    assert client.post("/oauth/v2/token", role=ACCOUNTS, form=sent).status == 400


def test_zoho_reads_in_bulk_page_token_by_page_token(house, client, data):
    vendor = Zoho(house, data)
    signed_in_at_zoho(vendor, client)
    files, token = {}, None
    while token is not None or not files:
        query = {"module": {"api_name": "Contacts"}, "page_token": token}
        begun = told(client.post("/crm/bulk/v8/read", json={"query": query}), 201)
        number = begun["data"][0]["details"]["id"]
        seen = [told(client.get(f"/crm/bulk/v8/read/{number}"))["data"][0] for _ in range(4)]
        assert [one["state"] for one in seen] == ["ADDED", "QUEUED", "IN PROGRESS", "COMPLETED"]
        result = seen[-1]["result"]
        token = result.get("next_page_token")
        files[f"Contacts-{len(files)}.zip"] = client.get(result["download_url"]).data
    assert len(files) == 2
    assert vendor.found(files)["Contacts"] == vendor.truth()["Contacts"]


def test_zoho_lets_ten_files_be_fetched_a_minute(house, client, data):
    vendor = Zoho(house, data)
    signed_in_at_zoho(vendor, client)
    query = {"query": {"module": {"api_name": "Leads"}}}
    number = told(client.post("/crm/bulk/v8/read", json=query), 201)["data"][0]["details"]["id"]
    for _ in range(4):
        client.get(f"/crm/bulk/v8/read/{number}")
    path = f"/crm/bulk/v8/read/{number}/result"
    assert [client.get(path).status for _ in range(11)] == [200] * 10 + [429]
    vendor.advance(timedelta(minutes=1))
    assert client.get(path).status == 200


def test_zohos_backup_lies_on_another_host_and_may_be_started_twice_a_month(house, client, data):
    vendor = ZohoBackup(house, data, {Trap.MEMBER_SPLIT})
    signed_in_at_zoho(vendor, client)
    assert client.get("/crm/bulk/v8/backup/urls").status == 204
    assert client.get("/crm/v8/settings/modules").status == 404
    number = told(client.post("/crm/bulk/v8/backup"))["backup"]["details"]["id"]
    states = [told(client.get("/crm/bulk/v8/backup"))["backup"]["status"] for _ in range(3)]
    assert states == ["SCHEDULED", "INPROGRESS", "COMPLETED"]
    urls = told(client.get("/crm/bulk/v8/backup/urls"))["urls"]
    assert urls["data_links"][0].startswith(house.url(FILES))
    assert number in urls["data_links"][0]
    files = {link.rpartition("/")[2]: client.get(link).data for link in urls["data_links"]}
    assert vendor.found(files) == vendor.truth()
    assert [client.post("/crm/bulk/v8/backup").status for _ in range(2)] == [200, 400]
    client.headers["Authorization"] = f"Zoho-oauthtoken {vendor.grant(HOUR, vendor.scopes[:1])}"
    said = client.get(urls["data_links"][0])
    assert told(said, 401)["code"] == "OAUTH_SCOPE_MISMATCH"


# --- Pipedrive ------------------------------------------------------------------------------


def test_pipedrive_pages_by_cursor_and_the_older_lists_by_start(house, client, data):
    vendor = Pipedrive(house, data)
    assert client.get("/api/v2/persons").status == 401
    client.headers["x-api-token"] = vendor.token
    rows, more = [], {}
    while more is not None:
        said = told(client.get("/api/v2/persons", limit=500, sort_by="id", **more))
        rows += said["data"]
        cursor = said["additional_data"]["next_cursor"]
        more = {"cursor": cursor} if cursor else None
    assert {str(row["id"]): row for row in rows} == vendor.truth()["persons"]
    pages = told(client.get("/v1/notes"))["additional_data"]["pagination"]
    assert pages == {
        "start": 0,
        "limit": 40,
        "more_items_in_collection": True,
        "next_start": 40,
    }
    assert told(client.get("/v1/notes", start=4000))["data"] is None
    assert client.get("/api/v2/persons", start=40).status == 400


def test_pipedrive_counts_tokens_and_wants_an_administrator(house, client, data):
    vendor = Pipedrive(house, data)
    client.headers["x-api-token"] = vendor.token
    vendor.budget.most = 30
    assert [client.get("/api/v2/deals").status for _ in range(4)] == [200, 200, 200, 429]
    vendor = Pipedrive(house, data, admin=False)
    client.headers["x-api-token"] = vendor.token
    assert client.get("/api/v2/deals").status == 403


# --- Dataverse ------------------------------------------------------------------------------


def test_dataverse_wants_its_own_scope_and_pages_by_opaque_links(house, client, data):
    vendor = Dataverse(house, data)
    form = {"grant_type": "client_credentials", "client_id": vendor.client_id}
    form |= {"client_secret": vendor.client_secret, "scope": house.url(API) + "/.default"}
    sign_in = f"/{TENANT}/oauth2/v2.0/token"
    assert client.post(sign_in, role=ACCOUNTS, form=form | {"scope": "x"}).status == 400
    assert client.post(sign_in, role=ACCOUNTS, form=form | {"client_secret": "x"}).status == 401
    token = told(client.post(sign_in, role=ACCOUNTS, form=form))["access_token"]
    assert client.get("/api/data/v9.2/contacts").status == 401
    client.headers["Authorization"] = f"Bearer {token}"
    custom = told(
        client.get("/api/data/v9.2/EntityDefinitions", **{"$filter": "IsCustomEntity eq true"})
    )
    assert "new_maschines" in [one["EntitySetName"] for one in custom["value"]]
    client.headers["Prefer"] = "odata.maxpagesize=1000"
    rows, link = [], "/api/data/v9.2/contacts"
    while link:
        said = told(client.get(link))
        rows += said["value"]
        link = said.get("@odata.nextLink")
    assert {row["contactid"]: row for row in rows} == vendor.truth()["contacts"]
    vendor.advance(timedelta(seconds=3600))
    assert client.get("/api/data/v9.2/contacts").status == 401


# --- Odoo -----------------------------------------------------------------------------------


def test_odoo_answers_a_wrong_master_password_with_200_and_a_page(house, client, data):
    vendor = Odoo(house, data)
    form = {"master_pwd": "no", "name": "prod", "backup_format": "zip"}
    said = client.post("/web/database/backup", form=form)
    assert (said.status, said.headers["Content-Type"][:9]) == (200, "text/html")
    said = client.post("/web/database/backup", form=form | {"master_pwd": vendor.password})
    assert vendor.found({"prod.zip": said.data}) == vendor.truth()


def test_odoos_json_2_reads_what_it_is_asked_for(house, client, data):
    vendor = OdooJson(house, data)
    path = "/json/2/res.partner/search_read"
    assert client.post(path, json={}).status == 401
    client.headers["Authorization"] = f"bearer {vendor.api_key}"
    asked = {"domain": [["model", "=", "res.partner"]], "fields": ["name"]}
    fields = told(client.post("/json/2/ir.model.fields/search_read", json=asked))
    names = [one["name"] for one in fields]
    rows = []
    asked = {"fields": names, "limit": 40, "context": {"active_test": False}}
    while page := told(client.post(path, json=asked | {"offset": len(rows)})):
        rows += page
    count = "/json/2/res.partner/search_count"
    assert told(client.post(count, json=asked)) == 90
    assert told(client.post(count, json={})) == 78
    assert {str(row["id"]): row for row in rows} == vendor.truth()["res.partner"]
    assert client.post(path, json={"fields": ["nothing"]}).status == 422


# --- Close ----------------------------------------------------------------------------------


def test_close_packs_its_files_with_gzip_as_a_content_encoding(house, client, data):
    vendor = Close(house, data)
    asked = {"format": "json", "type": "leads"}
    assert client.post("/api/v1/export/lead/", json=asked).status == 401
    word = base64.b64encode(f"{vendor.api_key}:".encode()).decode()
    client.headers["Authorization"] = f"Basic {word}"
    assert client.post("/api/v1/export/lead/", json={}).status == 400
    number = told(client.post("/api/v1/export/lead/", json=asked))["id"]
    seen = [told(client.get(f"/api/v1/export/lead/{number}/")) for _ in range(4)]
    assert [one["status"] for one in seen] == ["created", "started", "in_progress", "done"]
    assert seen[0]["download_url"] is None
    del client.headers["Authorization"]
    said = client.get(seen[-1]["download_url"])
    data = said.data if said.data[:1] == b"[" else gzip.decompress(said.data)
    assert json.loads(data)
    assert vendor.found({"leads.json": data})["leads"] == vendor.truth()["leads"]
