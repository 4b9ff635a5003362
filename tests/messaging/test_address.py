"""What an address may be, and what of it may be seen."""

from __future__ import annotations

import json
import sys

import pytest

from appliance.messaging.address import SERVICES, numbered, problem, shown
from appliance.system import process

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        (f"mailtos://user:{SECRET}@smtp.example/?to=boss@shop.example", "mail to b…s@shop.example"),
        (f"mailtos://user:{SECRET}@smtp.example/?to=jo@shop.example", "mail to …@shop.example"),
        (f"mailtos://user:{SECRET}@shop.example", "mail to …@shop.example"),
        (f"mailtos://user:{SECRET}@shop.example/boss@else.example", "mail to …@else.example"),
        (f"ntfy://{SECRET}", "ntfy"),
        (f"ntfys://ntfy.sh/{SECRET}", "ntfy to ntfy.sh"),
        (f"tgram://123456789:{SECRET}/12345", "Telegram"),
        (f"discord://123/{SECRET}", "Discord"),
        (f"slack://{SECRET}/b/c", "Slack"),
        (f"jsons://user:{SECRET}@hook.example:8443/path/{SECRET}", "a web hook to hook.example"),
        (f"pover://{SECRET}@token", "Pushover"),
        (f"matrixs://{SECRET}?mode=t2bot", "Matrix"),
        (f"matrixs://{SECRET}@{SECRET}?mode=t2bot", "Matrix"),
        (f"matrixs://{SECRET}@{SECRET}?mode=T2Bot", "Matrix"),
        (f"jsons://{SECRET}#{SECRET}@hook.example", "a web hook"),
        (f"matrixs://user:{SECRET}@matrix.example/%23room", "Matrix to matrix.example"),
        (f"rocket://{SECRET}/{SECRET}@chat.example", "Rocket.Chat"),
        (f"rockets://user:{SECRET}@chat.example/%23room", "Rocket.Chat to chat.example"),
        (f"jsons://{SECRET}/{SECRET}@hook.example", "a web hook"),
        (f"mailtos://{SECRET}:1/{SECRET}@shop.example", "mail to …@shop.example"),
    ],
)
def test_only_the_service_and_whom_it_goes_to_are_shown(address: str, seen: str) -> None:
    assert problem(address) == ""
    assert shown(address) == seen


@pytest.mark.parametrize(
    "address",
    [
        "",
        "boss@shop.example",
        f"mailtos://user:{SECRET}@host:port/?to=a@b.example",
        f"mailtos://user:{SECRET}@[host/",
        f"mailtos://user:{SECRET}@host/?to=a@b.example\r\nBcc: x@y.example",
        f"exec://{SECRET}",
        "dbus://host",
        "syslog://host",
        f"fcm://project/{SECRET}?keyfile=/etc/shadow",
        f"jsons://host/{SECRET}?template=/etc/shadow",
        f"mailtos://user:{SECRET}@host/?to=a@b.example&verify=no",
        f"mailtos://user:{SECRET}@host/?to=a@b.example&pgp=yes&pgpkey=/etc/shadow",
        f"jsons://host/?+X-Header={SECRET}",
        f"jsons://host/{SECRET}?to=a;verify=no",
        f"ntfys://ntfy.sh/{SECRET} syslog://",
        f"ntfys://ntfy.sh/{SECRET},syslog://",
        f"mailtos://user:{SECRET}@host/?to=a@b.example,c@d.example",
        f"jsons://host/?{SECRET}",
        f"mailtos://user:{SECRET}@host/?to=a@b.example%0d%0aBcc:x@y.example",
        f"jsons://host/?to=a&{SECRET}=1",
        f"{SECRET}://host/",
        f"mailtos://user:{SECRET}@192.168.1.5/?to=a@b.example",
        f"mailtos://user:{SECRET}@mailserver/?to=a@b.example",
        "mailtos://host/" + "x" * 3000,
    ],
)
def test_what_reads_files_or_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    assert problem(address)
    assert SECRET not in problem(address) + shown(address)


def test_addresses_that_look_the_same_are_numbered() -> None:
    assert numbered(["ntfy", "mail", "ntfy"]) == ["ntfy (1)", "mail", "ntfy (2)"]


ASK = """
import apprise, json
kinds = [each[kind] or () for each in apprise.Apprise().details()["schemas"]
         for kind in ("protocols", "secure_protocols")]
print(json.dumps([name for each in kinds for name in each]))
"""


def test_the_library_knows_each_service_that_is_named() -> None:
    told: list[str] = []
    process.run([sys.executable, "-c", ASK], on_line=told.append)  # it warns of its own old parts
    assert set(SERVICES) <= set(json.loads(told[-1]))
