"""Certificates for tests: good ones by the product's own issuing, and the faulty ones that it would never make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from kmodgate.webhook.certificates.issuing import make_authority, make_leaf
from kmodgate.webhook.certificates.key_pair import Pair
from kmodgate.webhook.certificates.served_certificate import MaterialFiles

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
DAY = timedelta(days=1)
AUTHORITY = make_authority(NOW, 10 * YEAR)


def leaf(*names: str, authority: Pair = AUTHORITY, lifetime: timedelta = YEAR, now: datetime = NOW) -> Pair:
    """A pair for `names` (`localhost` by default)."""
    return make_leaf(authority, names or ("localhost",), now, lifetime)


def nameless() -> Pair:
    """A certificate with a common name and no subject alternative name."""
    return self_signed(ec.generate_private_key(ec.SECP256R1()), names=())


def rsa_pair() -> Pair:
    """A certificate of the other key type, signed by itself."""
    return self_signed(rsa.generate_private_key(public_exponent=65537, key_size=2048), names=("localhost",))


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, names: tuple[str, ...]) -> Pair:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + YEAR)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(builder.sign(key, SHA256()).public_bytes(Encoding.PEM), pem)


def client(common_name: str, authority: Pair) -> Pair:
    """A client certificate of that common name, as an API server has one."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + DAY)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    signed = builder.sign(load_pem_private_key(authority.key, None), SHA256())  # type: ignore[arg-type]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(signed.public_bytes(Encoding.PEM), pem)


def encrypted(pair: Pair) -> Pair:
    """The same pair with a password on its key."""
    key = load_pem_private_key(pair.key, None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    return Pair(pair.certificate, pem)


def write(folder: Path, pair: Pair) -> MaterialFiles:
    """The pair as two plain files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)
    return MaterialFiles(folder / "tls.crt", folder / "tls.key")


class SecretVolume:
    """A Secret's volume as kubelet keeps it: a folder a generation, and links through `..data`."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        folder.mkdir()
        self._folder = folder
        self._count = 0
        self.update(pair)
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(Path("..data") / name)
        self.files = MaterialFiles(folder / "tls.crt", folder / "tls.key")

    def update(self, pair: Pair) -> None:
        """Write a new generation, turn the link to it by one rename, remove the old one."""
        self._count += 1
        generation = self._folder / f"..generation-{self._count}"
        write(generation, pair)
        link = self._folder / "..data_tmp"
        link.symlink_to(generation.name)
        old = (self._folder / "..data").resolve() if self._count > 1 else None
        link.rename(self._folder / "..data")
        if old:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
