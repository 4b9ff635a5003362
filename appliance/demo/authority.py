"""Makes keys and certificates for the demo's servers: nobody else should ever trust them."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL_HOSTS = ("localhost", "127.0.0.1")
_VALID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A fresh ed25519 key pair on disk, in OpenSSH's formats."""

    private: Path
    public_line: str
    """`ssh-ed25519 AAAA…`, as it stands in authorized_keys and known_hosts."""

    @property
    def fingerprint(self) -> str:
        """The key's name as ssh shows it: `SHA256:` and base64 without padding."""
        blob = base64.b64decode(self.public_line.split()[1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def new_ssh_key(path: Path, passphrase: str = "") -> SshKey:
    """Given where to put it, make an ed25519 key, encrypted if there is a passphrase."""
    key = ed25519.Ed25519PrivateKey.generate()
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, locked))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(path.name + ".pub").write_text(public + "\n")
    return SshKey(path, public)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What a TLS server needs, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority for one folder: `certificate` is what a client is told to trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Appliance demo authority")
        self.certificate = folder / "ca.pem"
        built = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write(self.certificate, built.add_extension(_KEY_USAGE_CA, critical=True))

    def issue(
        self,
        name: str = "server",
        hosts: Sequence[str] = LOCAL_HOSTS,
        *,
        starts: datetime | None = None,
        ends: datetime | None = None,
    ) -> ServerCertificate:
        """Given host names and addresses, return a certificate for a server of those.

        `starts` and `ends` (aware) make one that is not valid yet, or no longer.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(hosts[0]), self._name, key.public_key(), starts, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        builder = builder.add_extension(_alternative_names(hosts), critical=False)
        made = ServerCertificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        self._write(made.certificate, builder)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(made.key, private)
        return made

    def _write(self, path: Path, builder: x509.CertificateBuilder) -> None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))


_KEY_USAGE_CA = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts or now - timedelta(days=1))
        .not_valid_after(ends or now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(names)
