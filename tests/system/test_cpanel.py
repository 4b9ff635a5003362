"""The backups of a web space, by the recipe that is a folder on an SFTP server."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from tests.system.office import Office, put

pytestmark = pytest.mark.slow
DUMP = b"INSERT INTO contacts VALUES (1,'Ana');\n-- Dump completed on 2026-11-21  3:00:00\n"


def backup(when):
    """As cPanel writes it: files and databases below a folder of the backup's own name."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"backup-{when}_office/mysql/office_crm.sql")
        member.size = len(DUMP)
        archive.addfile(member, io.BytesIO(DUMP))
    return data.getvalue()


def test_the_newest_backup_is_told_by_its_time_not_by_its_name(tmp_path, sshd, served):
    (tmp_path / "office").mkdir()
    office = Office(tmp_path / "office")
    office.sftp(sshd, name="web", recipe="cpanel", type=None, pick=None, stable_for=None)
    office.disk()
    newest, older = "01.02.2027_03-00-00", "12.31.2026_03-00-00"
    for age, when in ((1, newest), (2, older)):
        path = put(served, f"backup-{when}_office.tar.gz", backup(when))
        os.utime(path, (path.stat().st_mtime - age * 3600,) * 2)
    put(served, "public_html.tar.gz", backup("11.11.2026"))
    office.ok("trust", "web", "--yes")
    office.ok("run", "web")
    office.ok("restore", "web", "--original", "--to", tmp_path / "back")
    (file,) = [path for path in (tmp_path / "back").rglob("*") if path.is_file()]
    assert file.name == f"backup-{newest}_office.tar.gz"
    assert file.read_bytes() == (served / file.name).read_bytes()
