"""Certificates, and a server that speaks TLS for one that cannot: Postgres', Valkey's."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What a client of Postgres sends before TLS, and is answered.
SSL_REQUEST, WILLING = bytes.fromhex("0000000804d2162f"), b"S"


@dataclass(frozen=True)
class Authority:
    """Signs certificates for servers."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, folder: Path) -> Authority:
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate("Test authority", key.public_key(), "Test authority", key, authority=True)
        authority = cls(folder, key, certificate)
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def context(self, name: str) -> ssl.SSLContext:
        """Let a server be called by a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key.public_key(), "Test authority", self.key)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _certificate(
    subject: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject.replace(" ", "-"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@contextmanager
def fronting(
    upstream: str | tuple[str, int], context: ssl.SSLContext, *, postgres: bool = False
) -> Iterator[int]:
    """Serve TLS on a port of localhost before a server at a socket's path, or at an address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, upstream, context, postgres), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(
    listener: socket.socket,
    upstream: str | tuple[str, int],
    context: ssl.SSLContext,
    postgres: bool,  # noqa: FBT001
) -> None:
    with suppress(OSError):  # until it is closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, upstream, context, postgres), daemon=True).start()


def _serve(
    client: socket.socket,
    upstream: str | tuple[str, int],
    context: ssl.SSLContext,
    postgres: bool,  # noqa: FBT001
) -> None:
    with client, suppress(OSError, AssertionError):  # clients that do not trust us hang up
        if postgres:
            assert client.recv(len(SSL_REQUEST)) == SSL_REQUEST
            client.sendall(WILLING)
        family = socket.AF_UNIX if isinstance(upstream, str) else socket.AF_INET
        with context.wrap_socket(client, server_side=True) as inside, socket.socket(family) as server:
            server.connect(upstream)
            back = threading.Thread(target=_pump, args=(server, inside), daemon=True)
            back.start()
            _pump(inside, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
