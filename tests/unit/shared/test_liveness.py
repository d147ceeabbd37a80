from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mindtrack_shared.observability import liveness
from mindtrack_shared.observability.liveness import UNWATCHED, LifeSign, complaint, main
from patience import eventually


def aged(file: Path, seconds: float) -> Path:
    file.touch()
    then = time.time() - seconds
    os.utime(file, (then, then))
    return file


def test_a_sign_of_life_is_young(tmp_path: Path) -> None:
    file = aged(tmp_path / "alive", 90)
    assert "last touched 90 s ago, 60 s are allowed" in (complaint(file, 60) or "")

    LifeSign(file).show()

    assert complaint(file, 60) is None


def test_without_a_file_nothing_is_shown() -> None:
    UNWATCHED.show()


def test_it_is_shown_during_a_wait_and_not_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "SHOW_EVERY", 0.01)
    file = tmp_path / "alive"

    with LifeSign(file).shown_meanwhile():
        eventually(lambda: complaint(file) is None, within=10, what="a sign")
        file.unlink()
        eventually(lambda: complaint(file) is None, within=10, what="another")
    file.unlink()
    time.sleep(0.05)

    assert complaint(file) is not None


def test_age_matters_only_where_a_limit_is_given(tmp_path: Path) -> None:
    file = aged(tmp_path / "ready", 3600)

    assert complaint(file) is None
    assert complaint(file, 3599) is not None
    assert complaint(tmp_path / "missing") == f"{tmp_path}/missing: No such file or directory"


def test_the_probe_exits_with_what_is_wrong(tmp_path: Path) -> None:
    file = aged(tmp_path / "alive", 90)

    with pytest.raises(SystemExit) as failed:
        main([str(file), "60"])
    with pytest.raises(SystemExit) as passed:
        main([str(file), "120"])

    assert "90 s ago" in str(failed.value.code)
    assert passed.value.code is None


def test_the_probe_imports_none_of_what_services_need() -> None:
    """It is started every few seconds in every pod."""
    code = "import sys, mindtrack_shared.observability.liveness; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert not {"pydantic", "celery", "structlog", "numpy"} & set(done.stdout.split())
