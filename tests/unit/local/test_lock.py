from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mindtrack_local.errors import VarInUseError
from mindtrack_local.lock import VarLock

HOLDER = """
import sys, time
from pathlib import Path
from mindtrack_local.lock import VarLock
lock = VarLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_stack_on_the_same_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    held = VarLock(tmp_path / "stack.lock")

    with pytest.raises(VarInUseError, match=rf"process {os.getpid()}\) uses {tmp_path}"):
        VarLock(tmp_path / "stack.lock")

    held.release()


def test_a_released_folder_is_free(tmp_path: Path) -> None:
    VarLock(tmp_path / "stack.lock").release()

    VarLock(tmp_path / "stack.lock").release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stack.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(VarInUseError, match=f"process {holder.pid}"):
            VarLock(path)
        holder.send_signal(signal.SIGKILL)

    VarLock(path).release()
