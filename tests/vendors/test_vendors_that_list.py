"""Each vendor behaves as its page or source says; asked as a careful person with curl would."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from .addressbooks import Nextcloud, Radicale
from .civicrm import CiviCrm
from .espocrm import EspoCrm, EspoCrmExport
from .freshsales import Freshsales
from .google import READ, Google
from .insightly import Insightly
from .office import office
from .serving import ACCOUNTS, FILES
from .signed_link import SignedLink
from .sugarcrm import SugarCrm
from .suitecrm import SuiteCrm
from .vtiger import VTiger


@pytest.fixture
def data():
    return office(11, 90)


def told(said, status=200):
    assert said.status == status, said.data[:300]
    return said.json


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_suitecrm_pages_by_number_and_shuffles_what_nobody_sorts(house, client, data):
    vendor = SuiteCrm(house, data)
    form = {"grant_type": "client_credentials", "client_id": vendor.client_id}
    assert client.post("/Api/access_token", form=form | {"client_secret": "no"}).status == 401
    form["client_secret"] = vendor.client_secret
    token = told(client.post("/Api/access_token", form=form))["access_token"]
    assert client.get("/Api/V8/meta/modules").status == 401
    client.headers["authorization"] = f"Bearer {token}"
    modules = told(client.get("/Api/V8/meta/modules"))["data"]["attributes"]
    assert {"Home", "Contacts", "ofc_Maschinen"} <= {*modules}
    assert client.get("/Api/V8/meta/fields/Home").status == 400
    query = {"page[size]": "40", "sort": "id"}
    pages = [
        told(client.get("/Api/V8/module/Contacts", **query | {"page[number]": str(number)}))
        for number in (1, 2, 3)
    ]
    assert pages[0]["meta"] == {"total-pages": 3, "records-on-this-page": 40}
    assert pages[0]["links"]["next"].startswith("/V8/module/Contacts?")
    assert "next" not in pages[2].get("links", {})
    rows = [row for page in pages for row in page["data"]]
    found = vendor.found({"Contacts.jsonl": lines(rows)})
    assert found["Contacts"] == vendor.truth()["Contacts"]
    assert told(client.get("/Api/V8/module/Bugs", **query)) == {"data": []}
    del query["sort"]
    assert told(client.get("/Api/V8/module/Contacts", **query))["data"] != pages[0]["data"]


def test_sugarcrm_goes_on_until_minus_one_and_signs_the_earlier_session_out(house, client, data):
    vendor = SugarCrm(house, data, denied=True)
    words = {"grant_type": "password", "client_id": "sugar", "client_secret": ""}
    words |= {"username": vendor.user, "password": vendor.password, "platform": "base"}
    assert client.post("/rest/v11/oauth2/token", json=words).status == 400
    words["platform"] = "appliance"
    first, second = (
        told(client.post("/rest/v11/oauth2/token", json=words))["access_token"] for _ in "12"
    )
    client.headers["oauth-token"] = first
    assert client.get("/rest/v11/Contacts").status == 401
    client.headers["oauth-token"] = second
    assert "ofc_Maschinen" in told(client.get("/rest/v11/metadata"))["full_module_list"]
    rows, offset = [], 0
    while offset != -1:
        said = told(
            client.get("/rest/v11/Contacts", max_num="50", order_by="id:ASC", offset=str(offset))
        )
        rows, offset = rows + said["records"], said["next_offset"]
    found = vendor.found({"Contacts.jsonl": lines(rows)})
    assert found["Contacts"] == vendor.truth()["Contacts"]
    assert client.get("/rest/v11/Contracts").status == 403


def test_espocrm_lists_two_hundred_at_most_and_says_what_one_may(house, client, data):
    vendor = EspoCrm(house, data, denied=True)
    assert client.get("/api/v1/App/user").status == 401
    client.headers["x-api-key"] = vendor.token
    table = told(client.get("/api/v1/App/user"))["acl"]["table"]
    assert table["Maschine"]["read"] == "all"
    assert table["Case"] is False
    assert client.get("/api/v1/Case").headers["x-status-reason"] == "No read access."
    assert client.get("/api/v1/Contact", maxSize="201").status == 403
    said = told(client.get("/api/v1/Contact", maxSize="50", offset="50", orderBy="id"))
    assert said["total"] == 90
    assert len(said["list"]) == 40


def test_espocrm_exports_in_the_background(house, client, data):
    vendor = EspoCrmExport(house, data)
    client.headers["x-api-key"] = vendor.token
    wish = {"entityType": "Lead", "format": "csv", "idle": True, "searchParams": {}}
    name = told(client.post("/api/v1/Export", json=wish))["exportId"]
    states = [told(client.get(f"/api/v1/Export/{name}/status")) for _ in range(3)]
    assert [state["status"] for state in states] == ["Pending", "Running", "Success"]
    assert states[0]["attachmentId"] is None
    file = client.get(f"/api/v1/Attachment/file/{states[2]['attachmentId']}")
    assert 'filename="Export_Lead.csv"' in file.headers["content-disposition"]
    assert vendor.found({"Lead.csv": file.data})["Lead"] == vendor.truth()["Lead"]


def test_civicrm_reads_its_arguments_from_a_form_field_alone(house, client, data):
    vendor = CiviCrm(house, data, denied=True)
    path = "/civicrm/ajax/api4/Contact/get"
    assert client.post(path, json={"limit": 40}).status == 401
    client.headers["x-civi-auth"] = f"Bearer {vendor.token}"
    assert client.post(path, form={"params": "{}"}).status == 400
    client.headers["x-requested-with"] = "XMLHttpRequest"
    assert len(told(client.post(path, json={"limit": 40}))["values"]) == 25
    wish = {"where": [["id", ">", "0100"]], "orderBy": {"id": "ASC"}, "limit": 40}
    said = told(client.post(path, form={"params": json.dumps(wish)}))
    ids = [row["id"] for row in said["values"]]
    assert len(ids) == 40
    assert ids == sorted(ids)
    assert ids[0] > 100
    denied = "/civicrm/ajax/api4/Membership/get"
    assert client.post(denied, form={"params": "{}"}).status == 403


def signed_in_at_vtiger(vendor, client):
    path = "/webservice.php"
    word = told(client.get(path, operation="getchallenge", username="backup"))["result"]["token"]
    key = hashlib.md5((word + vendor.access_key).encode()).hexdigest()
    form = {"operation": "login", "username": "backup", "accessKey": "no"}
    assert told(client.post(path, form=form))["error"]["code"] == "INVALID_USER_CREDENTIALS"
    return told(client.post(path, form=form | {"accessKey": key}))["result"]["sessionName"]


def test_vtiger_syncs_all_of_one_time_together_and_always_says_200(house, client, data):
    vendor = VTiger(house, data)
    query = {"operation": "sync", "sessionName": "x", "elementType": "Contacts"}
    query |= {"syncType": "application", "modifiedTime": "0"}
    assert told(client.get("/webservice.php", **query))["error"]["code"] == "INVALID_SESSIONID"
    query["sessionName"] = signed_in_at_vtiger(vendor, client)
    vendor.tables["Contacts"] = vendor.tables["Contacts"] * 1
    rows, more = [], True
    while more:
        said = told(client.get("/webservice.php", **query))["result"]
        rows, more = rows + said["updated"], said["more"]
        query["modifiedTime"] = str(said["lastModifiedTime"])
    found = vendor.found({"Contacts.jsonl": lines(rows)})
    assert found["Contacts"] == vendor.truth()["Contacts"]
    query["elementType"] = "Users"
    assert told(client.get("/webservice.php", **query))["error"]["code"] == "ACCESS_DENIED"


def test_freshsales_lists_views_only_and_counts_the_hour(house, client, data):
    vendor = Freshsales(house, data)
    base = "/crm/sales/api"
    assert client.get(f"{base}/contacts/filters").status == 401
    client.headers["authorization"] = f"Token token={vendor.token}"
    views = told(client.get(f"{base}/contacts/filters"))["filters"]
    (view,) = (view["id"] for view in views if view["name"] == "All Contacts")
    wish = {"per_page": "100", "sort": "id", "sort_type": "asc"}
    said = told(client.get(f"{base}/contacts/view/{view}", page="3", **wish))
    assert said["meta"] == {"total_pages": 3, "total": 90}
    assert len(said["contacts"]) == 10
    vendor.hourly.most = len(vendor.hourly.taken)
    assert client.get(f"{base}/contacts/filters").status == 429


def test_insightly_counts_in_a_header_and_its_small_plan_has_no_projects(house, client, data):
    vendor = Insightly(house, data, denied=True)
    assert client.get("/v3.1/Contacts").status == 401
    client.headers["authorization"] = basic(vendor.token, "")
    assert [one["OBJECT_NAME"] for one in told(client.get("/v3.1/CustomObjects"))] == [
        "Maschine__c"
    ]
    said = client.get("/v3.1/Contacts", top="50", skip="50", count_total="true")
    assert len(told(said)) == 40
    assert said.headers["x-total-count"] == "90"
    assert client.get("/v3.1/Projects").status == 403


def test_google_wants_a_mask_the_same_question_for_each_page_and_the_permission(
    house, client, data
):
    vendor = Google(house, data, others=False)
    form = {"client_id": vendor.client_id, "client_secret": vendor.client_secret}
    form |= {"grant_type": "refresh_token", "refresh_token": "no"}
    gone = client.post("/token", role=ACCOUNTS, form=form)
    assert told(gone, 400)["error"] == "invalid_grant"
    form["refresh_token"] = vendor.refresh_token
    reply = told(client.post("/token", role=ACCOUNTS, form=form))
    assert reply["scope"] == READ
    client.headers["authorization"] = f"Bearer {reply['access_token']}"
    path = "/v1/people/me/connections"
    assert client.get(path, pageSize="1000").status == 400
    wish = {"pageSize": "1000", "personFields": "names"}
    first = told(client.get(path, **wish))
    assert first["totalItems"] == 90
    assert len(first["connections"]) == 40
    onward = {"pageToken": first["nextPageToken"]}
    assert client.get(path, pageSize="1000", personFields="birthdays", **onward).status == 400
    assert told(client.get(path, **wish, **onward))["connections"] != first["connections"]
    assert client.get("/v1/otherContacts", pageSize="9", readMask="names").status == 403


def test_address_books_come_whole(house, client, data):
    cloud = Nextcloud(house, data)
    path = "/remote.php/dav/addressbooks/users/ann%40office/contacts/"
    assert client.get(f"{path}?export").status == 401
    client.headers["authorization"] = basic(cloud.user, cloud.password)
    assert client.get(path).status == 404
    said = client.get(f"{path}?export")
    assert said.headers["content-type"] == "text/directory"
    assert cloud.found({"contacts.vcf": said.data}) == cloud.truth()
    radicale = Radicale(house, data)
    client.headers["authorization"] = basic(radicale.user, radicale.password)
    said = client.get("/ann%40office/6f1b2c/")
    assert said.headers["etag"]
    assert radicale.found({"contacts.vcf": said.data}) == radicale.truth()


def test_a_signed_link_is_the_key_and_wants_no_other(house, client, data):
    vendor = SignedLink(house, data)
    link = vendor.settings()["link"]
    assert vendor.found({"export.zip": client.get(link).data}) == vendor.truth()
    assert client.get(link, headers={"authorization": "Bearer x"}).status == 400
    assert client.get("/export/crm.zip?X-Amz-Signature=no", role=FILES).status == 403
