from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mindtrack_local import part
from mindtrack_local.errors import PartFailedError
from mindtrack_local.process import ProcessSpec
from mindtrack_local.supervisor import Supervisor
from patience import eventually

StandIn = Callable[..., ProcessSpec]
Journal = Callable[[], list[str]]
Alive = Callable[[int], bool]

STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); note('deaf'); time.sleep(600)"


class TestStart:
    def test_a_part_starts_only_when_what_came_before_is_ready(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal, tmp_path: Path
    ) -> None:
        ready = tmp_path / "ready"
        slow = "time.sleep(0.2); note('ready'); (FOLDER / 'ready').touch(); time.sleep(600)"

        supervisor.start(stand_in("database", slow, ready=ready.exists))
        supervisor.start(stand_in("service", ready=lambda: "service started" in journal()))

        assert journal() == ["database started", "database ready", "service started"]

    def test_what_runs_twice_goes_on_in_its_log(self, supervisor: Supervisor, stand_in: StandIn) -> None:
        for word in ("first", "second"):
            supervisor.run(stand_in("migrate", f"print('{word}')", keeps_running=False))

        assert supervisor.log_lines("migrate") == ["first", "second"]

    def test_parts_of_one_tier_start_together(self, supervisor: Supervisor, stand_in: StandIn) -> None:
        # Each is ready once the other has started: one after the other, they would wait for ever.
        def sees(other: str) -> Callable[[], bool]:
            return lambda: f"{other} started" in (supervisor.log_lines(other))

        wait = "print(NAME, 'started', flush=True); time.sleep(600)"
        supervisor.start(
            stand_in("left", wait, ready=sees("right"), ready_within=5),
            stand_in("right", wait, ready=sees("left"), ready_within=5),
        )

        assert {name for name, part in supervisor.parts.items() if part.running} == {"left", "right"}

    def test_a_part_that_ends_early_is_named_with_its_last_lines(
        self, supervisor: Supervisor, stand_in: StandIn
    ) -> None:
        broken = stand_in("broken", "print('no such file: model.onnx'); sys.exit(3)", ready=lambda: False)

        with pytest.raises(PartFailedError, match="broken ended with exit code 3") as failure:
            supervisor.start(broken)

        assert "no such file: model.onnx" in str(failure.value)

    def test_a_part_that_is_not_ready_in_time_is_named_with_its_last_lines(
        self, supervisor: Supervisor, stand_in: StandIn
    ) -> None:
        slow = stand_in(
            "slow", "print('loading', flush=True); time.sleep(600)", ready=lambda: False, ready_within=0.3
        )

        with pytest.raises(PartFailedError, match=r"slow was not ready after 0\.3 s") as failure:
            supervisor.start(slow)

        assert "loading" in str(failure.value)

    def test_a_program_that_does_not_exist_is_a_failed_start(self, supervisor: Supervisor) -> None:
        with pytest.raises(PartFailedError, match="nothing could not be started"):
            supervisor.start(ProcessSpec(name="nothing", command=("/does/not/exist",)))

    def test_what_an_earlier_run_left_does_not_count_as_ready(
        self, supervisor: Supervisor, stand_in: StandIn, tmp_path: Path
    ) -> None:
        ready = tmp_path / "ready"
        ready.touch()

        with pytest.raises(PartFailedError, match="not ready"):
            supervisor.start(stand_in("worker", ready=ready.exists, ready_within=0.3, leftovers=(ready,)))


class TestRun:
    def test_returns_when_the_work_is_done(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal
    ) -> None:
        supervisor.run(stand_in("migrate", "note('migrated')", keeps_running=False))

        assert journal() == ["migrate started", "migrate migrated"]
        assert supervisor.parts == {}

    def test_fails_with_the_work(self, supervisor: Supervisor, stand_in: StandIn) -> None:
        with pytest.raises(PartFailedError, match="exit code 1"):
            supervisor.run(stand_in("migrate", "sys.exit(1)", keeps_running=False))


class TestRestart:
    def test_a_crashed_part_is_started_again(
        self,
        supervisor: Supervisor,
        stand_in: StandIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(part, "FIRST_DELAY", 0.01)
        supervisor.start(stand_in("worker"))
        worker = supervisor.parts["worker"]
        before = worker.pid

        worker.kill()
        eventually(lambda: worker.restarts == 1 and worker.running)

        assert worker.pid != before
        assert "worker ended with SIGKILL; starting it again in 0.01 s" in supervisor.log_lines("stack")

    def test_an_orderly_end_nobody_asked_for_is_a_crash_too(
        self,
        supervisor: Supervisor,
        stand_in: StandIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(part, "FIRST_DELAY", 0.01)

        supervisor.start(stand_in("worker", "time.sleep(0.1)"))

        eventually(lambda: supervisor.parts["worker"].restarts >= 2)

    def test_waits_longer_after_each_crash_up_to_half_a_minute(self) -> None:
        assert [part.restart_delay(crashes) for crashes in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]

    def test_a_part_that_waits_for_its_restart_stops_at_once(
        self, supervisor: Supervisor, stand_in: StandIn
    ) -> None:
        supervisor.start(stand_in("worker"))
        supervisor.parts["worker"].kill()
        eventually(lambda: not supervisor.parts["worker"].running)

        before = time.monotonic()
        supervisor.stop()

        assert time.monotonic() - before < part.FIRST_DELAY

    def test_a_part_stopped_on_purpose_stays_down_until_started(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal
    ) -> None:
        supervisor.start(stand_in("broker", ready=lambda: "broker started" in journal()))
        broker = supervisor.parts["broker"]

        broker.stop()
        assert not broker.running
        broker.start()
        broker.wait_ready()

        eventually(lambda: journal() == ["broker started", "broker stopped", "broker started"])


class TestPause:
    def test_freezes_and_thaws_a_part_with_its_children(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal
    ) -> None:
        parent = "subprocess.Popen(['setsid', 'sleep', '600']); note('forked'); time.sleep(600)"
        supervisor.start(stand_in("worker", parent, ready=lambda: "worker forked" in journal()))
        worker = supervisor.parts["worker"]
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
        assert len(family) == 2

        worker.pause()
        eventually(lambda: {process.status() for process in family} == {psutil.STATUS_STOPPED})
        worker.resume()
        eventually(lambda: psutil.STATUS_STOPPED not in {process.status() for process in family})

        family[1].kill()  # it left the process group, so nobody else will


class TestStop:
    def test_later_tiers_stop_first(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal
    ) -> None:
        for name in ("database", "worker", "beat"):
            supervisor.start(stand_in(name, ready=lambda name=name: f"{name} started" in journal()))

        supervisor.stop()

        assert journal()[3:] == ["beat stopped", "worker stopped", "database stopped"]

    def test_a_stubborn_part_is_killed_with_its_children(
        self,
        supervisor: Supervisor,
        stand_in: StandIn,
        journal: Journal,
        alive: Alive,
    ) -> None:
        parent = (
            f"subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)']);{STUBBORN}"
        )
        supervisor.start(stand_in("stubborn", parent, grace=0.2, ready=lambda: "stubborn deaf" in journal()))
        pid = supervisor.parts["stubborn"].pid
        (child,) = psutil.Process(pid).children()

        supervisor.stop()

        assert not alive(pid)
        eventually(lambda: not alive(child.pid))  # a signal is sent before it is obeyed

    def test_an_orderly_end_leaves_no_children_behind_either(
        self,
        supervisor: Supervisor,
        stand_in: StandIn,
        journal: Journal,
        alive: Alive,
    ) -> None:
        parent = "child = subprocess.Popen(['sleep', '600']); note('forked'); time.sleep(600)"
        supervisor.start(stand_in("worker", parent, ready=lambda: "worker forked" in journal()))
        (child,) = psutil.Process(supervisor.parts["worker"].pid).children()

        supervisor.stop()

        assert journal()[-1] == "worker stopped"
        eventually(lambda: not alive(child.pid))

    def test_a_paused_part_hears_the_signal(
        self, supervisor: Supervisor, stand_in: StandIn, journal: Journal
    ) -> None:
        supervisor.start(stand_in("worker", ready=lambda: "worker started" in journal()))
        process = psutil.Process(supervisor.parts["worker"].pid)
        supervisor.parts["worker"].pause()
        eventually(lambda: process.status() == psutil.STATUS_STOPPED)

        supervisor.stop()

        assert journal() == ["worker started", "worker stopped"]

    def test_hurry_skips_the_grace(self, supervisor: Supervisor, stand_in: StandIn, journal: Journal) -> None:
        supervisor.start(stand_in("stubborn", STUBBORN, grace=60, ready=lambda: "stubborn deaf" in journal()))

        before = time.monotonic()
        supervisor.hurry()
        supervisor.stop()

        assert time.monotonic() - before < 5

    def test_after_a_failed_start_the_others_stop(
        self, supervisor: Supervisor, stand_in: StandIn, alive: Alive
    ) -> None:
        supervisor.start(stand_in("database"))
        pid = supervisor.parts["database"].pid
        with pytest.raises(PartFailedError):
            supervisor.start(stand_in("broken", "sys.exit(1)", ready=lambda: False))

        supervisor.stop()

        assert not alive(pid)
