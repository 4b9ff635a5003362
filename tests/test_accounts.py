"""An account that somebody pasted names a provider and what opens it, and starts nothing."""

from __future__ import annotations

import pytest

from appliance.changing import accounts

TOKEN = '{"access_token":"abc","expiry":"2026-11-21T03:00:00Z"}'


def test_what_rclone_prints_is_taken_as_it_is():
    text = f"# mine\n[office]\r\ntype = drive\nscope = drive.file\ntoken = {TOKEN}\n\n"
    account = accounts.read(text)
    assert (account.name, account.provider) == ("office", "drive")
    assert account.text == f"[office]\ntype = drive\nscope = drive.file\ntoken = {TOKEN}\n"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("type = sftp\nhost = h\nuser = u", "cannot be set up here"),
        ("type = local", "cannot be set up here"),
        ("type = alias\nremote = /var/lib", "cannot be set up here"),
        ("type = crypt\nremote = :sftp,ssh=x:", "cannot be set up here"),
        ("type = webdav\nurl = https://x\nbearer_token_command = id", "starts a program"),
        ("type = b2\nssh = id", "starts a program"),
        ("type = azureblob\nuse_az = true", "starts a program"),
        ("type = s3\nenv_auth = true", "starts a program"),
        ("type = s3\nprofile = root", "starts a program"),
        ("type = s3\nshared_credentials_file = /etc/shadow", "starts a program"),
        ("type = drive\nservice_account_file = /etc/shadow", "starts a program"),
        ("type = webdav\nurl = http://example.org", "begin with https://"),
        ("type = s3\nendpoint = http://example.org", "begin with https://"),
        ("type = b2\n[second]\ntype = b2", "one account only"),
        ("type = b2\nkey", "written like"),
        ("type = b2\nKey = x", "written like"),
        ('type = b2\nkey = """x', "one line"),
        ("type = b2\nkey = x\\", "one line"),
        ("type = b2\nkey = `x", "one line"),
        ("type = b2\nkey = a\x00b", "one line"),
        ("type = b2\nkey = %(type)s", "must not have"),
        ("", "cannot be set up here"),
    ],
)
def test_what_runs_reads_or_leans_on_something_is_refused(lines, says):
    with pytest.raises(accounts.NoAccount, match=says):
        accounts.read(f"[x]\n{lines}\n")


@pytest.mark.parametrize("text", ["", "\n#\n", "type = b2", "[a b]\ntype = b2", "[x]y\n", "x" * 9])
def test_what_has_no_name_is_refused(text):
    with pytest.raises(accounts.NoAccount, match="begin with a line"):
        accounts.read(text)


def test_a_server_on_this_machine_needs_no_protection():
    text = "[x]\ntype = s3\nenv_auth = false\nendpoint = http://127.0.0.1:9000\n"
    assert accounts.read(text).provider == "s3"
