"""The demo's servers are real: asked by the tools that people use, not by our own code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import paramiko
import pytest
import requests

from appliance.core.errors import ToolFailed
from appliance.demo.authority import Authority
from appliance.system import process
from tests import servers


def _sftp(server: servers.Sshd, batch: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    known = tmp_path / "known_hosts"
    known.write_text(server.known_hosts_line + "\n")
    argv = ["sftp", "-b", "-", "-P", str(server.port), "-i", str(server.user_key.private)]
    argv += ["-o", f"UserKnownHostsFile={known}", "-F", "none", f"{server.user}@{server.host}"]
    return subprocess.run(
        argv, input=batch, check=False, capture_output=True, text=True, timeout=30
    )


def _told(argv: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=given, check=False, capture_output=True, text=True, timeout=30
    )


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_sftp_fetches_a_file_and_can_write_and_delete_nothing(sshd, served, tmp_path):
    (served / "a.csv").write_text("Köln\n", encoding="utf-8")
    got = _sftp(sshd, f"get a.csv {tmp_path}/b.csv\n", tmp_path)
    assert got.returncode == 0, got.stderr
    assert (tmp_path / "b.csv").read_text(encoding="utf-8") == "Köln\n"
    assert _sftp(sshd, "rm a.csv\n", tmp_path).returncode != 0
    assert _sftp(sshd, f"put {tmp_path}/b.csv new\n", tmp_path).returncode != 0
    assert [file.name for file in served.iterdir()] == ["a.csv"]


def test_sftp_serves_a_folder_with_a_blank_in_its_name(tmp_path):
    root = tmp_path / "My Projects"
    root.mkdir()
    (root / "a.csv").write_text("x")
    with servers.sshd(root / "server", root) as server:
        got = _sftp(server, f'get "{server.root}a.csv" "{tmp_path}/b.csv"\n', tmp_path)
        assert got.returncode == 0, got.stderr


def test_the_host_key_is_the_one_we_say_and_a_restart_keeps_it(tmp_path):
    seen = []
    for _ in range(2):
        with servers.sshd(tmp_path / "sshd", tmp_path) as server:
            argv = ["ssh-keyscan", "-t", "ed25519", "-p", str(server.port), server.host]
            told = _told(["ssh-keygen", "-lf", "-"], _told(argv).stdout).stdout
            assert server.host_key.fingerprint in told
            seen.append(server.host_key.fingerprint)
        assert _nobody_listens(server.port)
    assert seen[0] == seen[1]


def test_the_shell_of_ssh_finds_borg(ssh_shell, tmp_path):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            ssh_shell.host,
            ssh_shell.port,
            ssh_shell.user,
            key_filename=str(ssh_shell.user_key.private),
            allow_agent=False,
            look_for_keys=False,
        )
        _, out, _ = client.exec_command("borg --version; pwd", timeout=30)
        assert out.read().startswith(b"borg 1.4")


@pytest.mark.parametrize(
    ("path", "arguments", "status"),
    [
        ("/open/a.csv", {}, 200),
        ("/basic/a.csv", {}, 401),
        ("/basic/a.csv", {"auth": ("office", "s3same-open")}, 200),
        ("/bearer/a.csv", {}, 401),
        ("/bearer/a.csv", {"headers": {"Authorization": "Bearer demo-token-4711"}}, 200),
        ("/header/a.csv", {"headers": {"X-Api-Key": "wrong"}}, 403),
        ("/header/a.csv", {"headers": {"X-Api-Key": "demo-token-4711"}}, 200),
        ("/query/a.csv", {"params": {"api_key": "demo-token-4711"}}, 200),
        ("/query/a.csv", {}, 403),
    ],
)
def test_https_asks_for_what_the_path_says(https, served, path, arguments, status):
    (served / "a.csv").write_text("x\n")
    answer = requests.get(https.url(path), verify=str(https.ca_file), timeout=10, **arguments)
    assert answer.status_code == status
    assert f"{status} GET localhost:{https.port} {path}" in https.requests_seen(at_least=1)[0]


def test_https_is_trusted_only_by_who_knows_its_authority(https, tmp_path):
    other = Authority(tmp_path / "other").certificate
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(https.url("/open/"), verify=str(other), timeout=10)


def test_s3_keeps_what_rclone_copies_there(s3, tmp_path):
    config = s3.write_rclone_config(tmp_path / "rclone.conf")
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_bytes(os.urandom(100_000))
    argv = [process.find("rclone"), "--config", str(config), "copy", str(tmp_path / "from")]
    assert process.run([*argv, f"{s3.remote}/id"]).code == 0
    stored = s3.bucket_folder / "id" / "a"
    assert stored.read_bytes() == (tmp_path / "from" / "a").read_bytes()


def test_s3_turns_a_stranger_away(s3):
    answer = requests.get(f"{s3.endpoint}/{s3.bucket}", timeout=10)
    assert answer.status_code in {400, 403}


def test_versioned_s3_keeps_the_version_that_was_overwritten(versioned_s3, tmp_path):
    config = versioned_s3.write_rclone_config(tmp_path / "rclone.conf")
    argv = [process.find("rclone"), "--config", str(config), "rcat", f"{versioned_s3.remote}/a"]
    for text in (b"one", b"two, longer"):
        assert process.run(argv, stdin=text).code == 0
    with servers.s3_client(versioned_s3) as client:
        versions = client.list_object_versions(Bucket=versioned_s3.bucket)["Versions"]
    assert sorted(version["Size"] for version in versions) == [3, 11]


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(ToolFailed) as failure, servers.sshd(tmp_path, tmp_path, extra="Nonsense 1"):
        pass
    assert "Nonsense" in failure.value.detail


@pytest.mark.parametrize("kind", ["sshd", "https", "s3"])
def test_servers_end_when_we_are_killed(kind, tmp_path):
    call = {
        "sshd": "sshd(folder, folder)",
        "https": "https(folder, folder)",
        "s3": "s3(folder)",
    }[kind]
    script = (
        "import sys; from pathlib import Path; from appliance.demo.servers import *\n"
        f"folder = Path(sys.argv[1])\n"
        f"with {call} as s:\n"
        "    print(s.endpoint.split(':')[-1] if hasattr(s, 'endpoint') else s.port, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        port = int(child.stdout.readline())
        assert not _nobody_listens(port)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
    for _ in range(500):
        if _nobody_listens(port):
            break
        signal.sigtimedwait([], 0.02)
    assert _nobody_listens(port)
