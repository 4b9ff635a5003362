"""What nobody may read: secrets and vendors' values stay out of sentences, details and headers."""

from __future__ import annotations

import pytest

from appliance.core.errors import ApplianceError, ExportUnsafe, SourceRefused

from .test_following import LIST

KEY = 'setting.key = { title = "Key", secret = true }\n'
SECRET = "s3cret-key-of-acme"


def test_a_vendor_that_repeats_our_key_is_not_quoted_with_it(vendor, follow):
    recipe = KEY + LIST + 'headers = { X-Key = "${setting.key}" }\n'
    vendor.says("/contacts", {"error": {"message": f"the key {SECRET} may not"}})

    with pytest.raises(SourceRefused, match="the key … may not"):
        follow(recipe, given_secrets={"key": SECRET})


@pytest.mark.parametrize("key", [f"{SECRET}\nX-More: 1", f"{SECRET}ü"])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(vendor, follow, key):
    recipe = KEY + LIST + 'headers = { X-Key = "${setting.key}" }\n'

    with pytest.raises(ApplianceError, match="cannot be sent") as caught:
        follow(recipe, given_secrets={"key": key})

    assert SECRET not in str(vars(caught.value))
    assert vendor.asked == []


def test_a_line_break_behind_a_secret_is_not_sent(vendor, follow):
    recipe = KEY + LIST + 'headers = { X-Key = "${setting.key}" }\n'
    for name in ("contacts", "deals"):
        vendor.says(f"/{name}", {"data": []})

    follow(recipe, given_secrets={"key": f"{SECRET}\n"})

    assert vendor.requests[0].headers["X-Key"] == SECRET


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("join(',', body.data)", {"data": [{"mail": "ann@acme.example"}]}),
        ("body.data[?name == '${item}${last?}']", {"data": [], "last": "ann@acme.example\\"}),
        ("body.${last?}", {"last": "ann@acme.example", "x": []}),
    ],
)
def test_what_a_vendor_sent_does_not_get_into_an_error(vendor, follow, records, said):
    vendor.says("/first", said)
    vendor.says("/contacts", said)
    recipe = '[[step]]\nurl = "/first"\nsave.last = "body.last"\n'

    with pytest.raises(ExportUnsafe) as caught:
        follow(
            LIST.partition("[[step]]")[0]
            + recipe
            + "[[step]]"
            + LIST.partition("[[step]]")[2].replace("body.data", records)
        )

    assert "acme" not in str(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "a/./b"])
def test_a_name_that_is_a_step_in_a_path_is_refused(vendor, follow, name):
    with pytest.raises(SourceRefused, match="another address"):
        follow(LIST.replace('"contacts"', f'"{name}"'))

    assert vendor.asked == []
