"""A certificate authority for one test run, and contexts that go by it."""

import datetime
import functools
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_START = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
_END = _START + datetime.timedelta(days=2)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Authority:
    """Signs certificates for hosts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_named("test authority"), self._key.public_key())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(_named("test authority"))
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(_START).not_valid_after(_END)

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone, and verifies host names."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def issue(self, *hosts: str) -> bytes:
        """A private key and its certificate for some host names or addresses, in one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general(host) for host in hosts])
        builder = self._builder(_named(hosts[0]), key.public_key()).add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return private + certificate.public_bytes(pem)

    @functools.cache  # noqa: B019 - it lives as long as the run
    def serving(self, *hosts: str) -> ssl.SSLContext:
        """A server's context for some host names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "host.pem"
            path.write_bytes(self.issue(*hosts))
            context.load_cert_chain(path)
        return context


@functools.cache
def authority() -> Authority:
    """The authority of this run."""
    return Authority()
