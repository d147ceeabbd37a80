"""The database's roles: none owns anything, and each may do what its services need (migration 0017)."""

from __future__ import annotations

import psycopg
from psycopg import sql
from pydantic import SecretStr

#: Within fences (`db.fence`).
GATEWAY = "mindtrack_gateway"
#: Workers, relay, deliverer and maintenance: everybody's rows of the tables that they work on.
WORKER = "mindtrack_worker"
#: What the gateway becomes in order to count.
OBSERVER = "mindtrack_observer"


def let_in(connection: psycopg.Connection, role: str, password: SecretStr | None) -> None:
    """Let a role log in, with a password unless the server asks for none; make it unless it is there.

    The server, and its log, get to see the password's verifier only.

    Raises:
        psycopg.errors.InsufficientPrivilege: whoever is connected may make no roles.

    """
    words = [sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role))]
    if password is not None:
        verifier = connection.pgconn.encrypt_password(
            password.get_secret_value().encode(), role.encode(), b"scram-sha-256"
        )
        words.append(sql.SQL("PASSWORD {}").format(sql.Literal(verifier.decode())))
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL(" ").join(words))
