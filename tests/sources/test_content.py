from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.errors import ExportUnsafe
from appliance.sources.content import Verdict, prove


def zip_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def tar_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def xlsx() -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet().write(0, 0, "Contact")
    return buffer.getvalue()


CSV = b"Record Id,Name\r\n" + b"".join(b"zcrm_%d,Someone %d\r\n" % (n, n) for n in range(500))
LOGIN = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form></form></body></html>"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEND:VCARD\r\n"
POSTGRES = (
    b"--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n"
    b"--\n-- PostgreSQL database dump complete\n--\n"
)
MYSQL = (
    b"-- MySQL dump 10.13  Distrib 8.0\n--\nCREATE TABLE a (b int);\n"
    b"-- Dump completed on 2026-11-21\n"
)
ROWS = json.dumps([{"id": n, "name": f'a "quoted" \\ [name] {n}'} for n in range(3000)]).encode()

BAD = {
    "nothing.csv": b"",
    "nothing.zip": b"",
    "bom.csv": b"\xef\xbb\xbf",
    "bom16.csv": b"\xff\xfe",
    "blanks.csv": b" \r\n\t\r\n  ",
    "many-blanks.csv": b"\n" * 200_000,
    "zeros.csv": bytes(100_000),
    "login.csv": LOGIN,
    "login.zip": LOGIN,
    "login": LOGIN,
    "upper.csv": b"<HTML><HEAD><TITLE>LOGIN</TITLE></HEAD></HTML>",
    "bom-html.csv": b"\xef\xbb\xbf\r\n  " + LOGIN,
    "utf16-html.csv": b"\xff\xfe" + LOGIN.decode().encode("utf-16-le"),
    "comment.csv": b"<!-- cached, with , commas -->\n<!-- x -->\n" + LOGIN,
    "xhtml.csv": b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN">'
    b'<html xmlns="http://www.w3.org/1999/xhtml"></html>',
    "captcha.csv": b"<script>window.__cf_chl_opt={};</script><noscript>Enable it</noscript>",
    "maintenance.html": b"<h1>We'll be back soon!</h1>",
    "meta.csv": b'<meta http-equiv="refresh" content="0; url=/login">',
    "gateway.csv": b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>",
    "php.csv": b"<br />\n<b>Warning</b>: mysqli_connect(): (HY000/2002) in <b>/x.php</b>",
    "php-text.csv": b"Fatal error: Uncaught Error, memory, in /var/www/export.php on line 12",
    "python.csv": b'Traceback (most recent call last):\n  File "a.py", line 3, in main\n',
    "error.csv": b'{"error": "invalid_token"}',
    "error.zip": b'{"message": "Not allowed"}',
    "error.json": b'{"error": {"code": 401, "message": "expired"}}',
    "problem.json": b'{"type":"about:blank","title":"Forbidden","status":403,"detail":"no"}',
    "failure.json": b'{"success": false, "data": [1]}',
    "status.json": b'{"status": "error", "code": "NO_PERMISSION"}',
    "salesforce.json": b'[{"message":"Session expired","errorCode":"INVALID_SESSION_ID"}]',
    "odoo.json": b'{"jsonrpc":"2.0","id":null,"error":{"code":200,"message":"Odoo Server Error"}}',
    "error": b'{"errors":[{"title":"x"}]}',
    "rows.csv": ROWS,
    "s3.csv": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "s3.xml": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "soap.xml": b"<s:Envelope><s:Body><s:Fault>no</s:Fault></s:Body></s:Envelope>",
    "zoho.xml": b'<?xml version="1.0"?><response><error><code>4834</code></error></response>',
    "book.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "book.csv": b"\r\n%PDF-1.7\n",
    "captcha.png": b"\x89PNG\r\n\x1a\n\0\0",
    "plain.csv": b"Access denied for this user",
    "plain.txt": b"404 page not found\n",
    "plain": b"upstream connect error or disconnect/reset before headers",
    "cut.zip": zip_of(a=CSV)[:-30],
    "half.zip": zip_of(a=os.urandom(5000))[:2500],
    "hollow.zip": zip_of(),
    "headless.zip": zip_of(a=b"x" * 500)[400:],
    "csv.zip": CSV,
    "cut.csv.gz": gzip.compress(CSV)[:-8],
    "flipped.gz": gzip.compress(CSV)[:-8] + b"\0\0\0\0" + gzip.compress(CSV)[-4:],
    "page.gz": gzip.compress(CSV) + LOGIN,
    "csv.gz": CSV,
    "cut.tar": tar_of(a=CSV)[:1536],
    "endless.tar": tar_of(a=b"x" * 512)[:1024],
    "csv.xlsx": CSV,
    "zip.xlsx": zip_of(a=CSV),
    "cut.json": ROWS[:-1],
    "open-string.json": b'{"rows": ["abc',
    "crossed.json": b'{"rows": [1, 2}]',
    "page.json": b'[{"id": 1}]' + LOGIN,
    "cut.jsonl": b'{"id": 1}\n{"id": 2}\n{"id": ',
    "cut.vcf": CARD + CARD[:-12],
    "csv.vcf": CSV,
    "cut-postgres.sql": POSTGRES[:60],
    "cut-mysql.sql": MYSQL[:60],
    "cut-mariadb.sql": b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\nCREATE",
    "cut.xml": b'<?xml version="1.0"?><contacts><contact>',
    "noise.csv": bytes(range(1, 32)) * 50,
    "noise.json": b"Internal: no rows,",
}
GOOD = {
    "contacts.csv": (CSV, "csv", False),
    "contacts": (CSV, "csv", False),
    "one-column.csv": (b"email\na@example.org\n", "text", False),
    "header-only.csv": (b"id;name\n", "csv", False),
    "error-list.csv": (b"Error\nlogin failed\nsign in\nexpired\n", "text", False),
    "notices.csv": (b"Notice,Text\n1,broken\n2,see error on line 12\n", "csv", False),
    "export.txt": (ROWS, "json", True),
    "excel.csv": (b"\xef\xbb\xbf" + CSV, "csv", False),
    "utf16.csv": (b"\xff\xfe" + "Straße,Ort\r\n".encode("utf-16-le"), "csv", False),
    "german.csv": ("Straße;Größe\n".encode("cp1252"), "csv", False),
    "nul.csv": (b"Id,Name\n1,a\0b\n", "csv", False),
    "html-inside.csv": (b'id,note\n1,"<html><body>hello</body></html>"\n', "csv", False),
    "zipped-by-hubspot.csv": (zip_of(a=CSV), "zip", True),
    "Data_001.zip": (zip_of(a=CSV, b=CSV), "zip", True),
    "commented.zip": (zip_of(a=CSV)[:-2] + b"\x05\0hello", "zip", True),
    "book.xlsx": (xlsx(), "xlsx", True),
    "contacts.csv.gz": (gzip.compress(CSV), "gzip", True),
    "two.gz": (gzip.compress(CSV) + gzip.compress(CSV), "gzip", True),
    "padded.gz": (gzip.compress(CSV) + bytes(100), "gzip", True),
    "backup.tar": (tar_of(a=CSV, b=b""), "tar", True),
    "backup.tar.gz": (gzip.compress(tar_of(a=CSV)), "gzip", True),
    "rows.json": (ROWS, "json", True),
    "rows": (b"\n" + ROWS + b"\n", "json", True),
    "empty-list.json": (b"[]", "json", True),
    "fine.json": (b'{"error": null, "data": [{"id": 1, "message": "x"}]}', "json", True),
    "record.json": (b'{"message": "hello", "email": "a@example.org"}', "json", True),
    "rows.jsonl": (b'{"id": 1}\n{"id": 2}\n', "jsonl", False),
    "one.jsonl": (b'{"id": 1}\n', "jsonl", False),
    "several.json": (b'{"id": 1}\n{"id": 2}\n', "jsonl", False),
    "book.vcf": (CARD * 3, "vcf", False),
    "postgres.sql": (POSTGRES, "sql", True),
    "postgres18.sql": (POSTGRES + b"\n\\unrestrict abc\n", "sql", True),
    "mysql.sql": (MYSQL, "sql", True),
    "plain.sql": (b"INSERT INTO a VALUES (1);\n", "csv", False),
    "contacts.xml": (b'<?xml version="1.0"?><!-- c --><contacts><c/></contacts>\n', "xml", True),
    "table.xml": (b'<?xml version="1.0"?><table><row/></table>', "xml", True),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "ole", False),
    **{
        f"odd-{number}.bin": (begin + random.Random(number).randbytes(5000), None, False)
        for number, begin in enumerate((b"\xfe", b"<b\xff", b"<?xml\xff", b"[1\xff", b'{"\xff'))
    },
}


def landed(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "0001"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("name", BAD)
def test_C10_what_is_not_an_export_is_refused(tmp_path: Path, name: str):
    with pytest.raises(ExportUnsafe) as caught:
        prove(landed(tmp_path, BAD[name]), name)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("name", GOOD)
def test_C10_what_is_an_export_is_taken(tmp_path: Path, name: str):
    data, kind, proves_end = GOOD[name]
    verdict = prove(landed(tmp_path, data), name)
    assert kind is None or verdict == Verdict(kind, proves_end)


PROVABLE = {name: data for name, (data, _, proves_end) in GOOD.items() if proves_end}


@pytest.mark.parametrize("name", PROVABLE)
def test_C9_a_file_that_proves_its_end_is_refused_cut_at_each_tenth(tmp_path: Path, name: str):
    data = PROVABLE[name].split(b"\\unrestrict")[0].rstrip(b"\0\n")
    for tenth in range(10):
        part = data[: len(data) * tenth // 10]
        try:
            verdict = prove(landed(tmp_path, part), name)
        except ExportUnsafe:
            continue
        assert not verdict.proves_end, f"{tenth} tenths"


def test_brackets_are_counted_rightly_wherever_the_pieces_are_cut(tmp_path: Path, monkeypatch):
    from appliance.sources import endings

    text = rb'[{"a\"]": "\\", "b{": ["x\\\"[", {}]}, {"c": "\\\\"}]'
    json.loads(text)
    for size in range(1, 20):
        monkeypatch.setattr(endings, "_CHUNK_BYTES", size)
        assert prove(landed(tmp_path, text), "a.json") == Verdict("json", True)
        for cut in range(1, len(text)):
            with pytest.raises(ExportUnsafe):
                prove(landed(tmp_path, text[:cut]), "a.json")


def test_cards_are_counted_rightly_wherever_the_pieces_are_cut(tmp_path: Path, monkeypatch):
    from appliance.sources import endings

    for size in range(5, 80, 7):
        monkeypatch.setattr(endings, "_CHUNK_BYTES", size)
        assert prove(landed(tmp_path, CARD * 5), "a.vcf").format == "vcf"
        with pytest.raises(ExportUnsafe):
            prove(landed(tmp_path, CARD * 5 + b"BEGIN:VCARD\r\n"), "a.vcf")


def test_a_zip64_directory_is_found_and_a_cut_one_refused(tmp_path: Path):
    file = tmp_path / "0001"
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(70_000):
            archive.writestr(str(number), b"")
    assert prove(file, "many.zip") == Verdict("zip", True)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ExportUnsafe):
        prove(file, "many.zip")


def test_hostile_nesting_and_sizes_end_quickly(tmp_path: Path):
    with pytest.raises(ExportUnsafe):
        prove(landed(tmp_path, b"[" * 500_000 + b"]" * 500_000), "a.json")
    huge = tarfile.TarInfo("a")
    huge.size = 1 << 60
    with pytest.raises(ExportUnsafe):
        prove(landed(tmp_path, huge.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), "a.tar")


def test_somebody_who_cancels_is_heard_while_a_file_is_looked_at(tmp_path: Path):
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(landed(tmp_path, ROWS), "a.json", stop)


@pytest.mark.slow
def test_memory_stays_small_for_a_large_file(tmp_path: Path):
    big = tmp_path / "big.json"
    with big.open("wb") as stream:
        stream.write(b'{"rows": [')
        row = b'{"id": 17, "text": "' + b'a \\" b' * 3000 + b'"},\n'
        for _ in range(20_000):
            stream.write(row)
        stream.write(b'"' + b"x" * (80 << 20) + b'"]}')
    packed = tmp_path / "big.gz"
    packed.write_bytes(gzip.compress(bytes(400 << 20), 1))
    program = (
        "import sys; from pathlib import Path; from appliance.sources.content import prove\n"
        "for path in sys.argv[1:]: print(prove(Path(path), path))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    argv = [sys.executable, "-c", program, str(big), str(packed)]
    lines = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines()
    assert ["json" in lines[0], "gzip" in lines[1]] == [True, True]
    assert int(lines[2]) < 60_000, "kilobytes"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_arrives_there_is_a_verdict_or_a_refusal(tmp_path: Path, data):
    name = data.draw(st.sampled_from([*GOOD, *BAD]))
    whole = GOOD[name][0] if name in GOOD else BAD[name]
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    noise = data.draw(st.binary(max_size=60))
    mutant = whole[:start] + noise + whole[end:]
    with suppress(ExportUnsafe):
        assert prove(landed(tmp_path, mutant), name).format
