"""The box's own key and certificate (E10). The only home of cryptography.

Nobody vouches for them: a person compares the fingerprint with what the box itself says.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ..core.errors import ApplianceError
from ..system.files import make_private, write_durably

FILE = "certificate.pem"
"""Key and certificate in one file, so that a power cut leaves both or none."""
_BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
_ENDS = datetime(2049, 12, 31, tzinfo=UTC)
"""Fixed, as the clock of a box that starts for the first time may say anything."""
_COMMON_NAME = "Appliance backup box"
_BEGIN_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


def ensure(folder: Path, hosts: Iterable[str]) -> Path:
    """Given the page's folder and the box's names and addresses, return the file of key and
    certificate; it is made once and stays, so that its fingerprint does.
    """
    file = folder / FILE
    if not file.exists():
        make_private(folder)
        write_durably(file, _made(sorted(set(hosts))), 0o600)
    return file


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of the certificate as browsers show it; "" where there is none yet."""
    try:
        text = (folder / FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    certificate = text[text.index(_BEGIN_CERTIFICATE) :]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def context(file: Path) -> ssl.SSLContext:
    """Given the file of key and certificate, return how the box speaks TLS.

    Raise ApplianceError where it cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    try:
        made.load_cert_chain(file)
    except OSError as error:  # an SSLError is one
        raise ApplianceError(
            f"The page's key and certificate in {file} cannot be used.",
            hint="Remove that file: another one, with another fingerprint, is made at once.",
            detail=str(error),
        ) from None
    return made


def _made(hosts: list[str]) -> bytes:
    """Return a new key and its certificate as PEM.

    It signs nothing but itself: who trusts it trusts this box, and nothing made with its key.
    """
    # Once in a box's life; at each start it would be 10 MB that the page carries for nothing.
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.x509 import oid  # noqa: PLC0415 - as above

    def known_as(host: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, _COMMON_NAME)])
    number = x509.random_serial_number()
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([known_as(host) for host in hosts]), False),
    ]
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, _BEGINS, _ENDS)
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, kind, serialization.NoEncryption())
    return private + builder.sign(key, hashes.SHA256()).public_bytes(pem)
