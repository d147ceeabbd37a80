"""Succeed if Valkey answers: what `valkey-cli ping` would do, which the wheel does not bring."""

from __future__ import annotations

import os
import socket
import sys

TIMEOUT = 4.0  # seconds

with (
    socket.create_connection(("127.0.0.1", 6379), TIMEOUT) as connection,
    connection.makefile("rwb") as valkey,
):
    valkey.write(f"AUTH {os.environ['VALKEY_PASSWORD']}\r\nPING\r\n".encode())
    valkey.flush()
    answers = [valkey.readline(), valkey.readline()]
sys.exit(0 if answers == [b"+OK\r\n", b"+PONG\r\n"] else f"Valkey answered {answers}")
