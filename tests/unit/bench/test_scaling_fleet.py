"""The fleet against queueing theory, against a plainer simulation, and through all that may befall it."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from bench.scaling.day import FloatArray, Lane, draw
from bench.scaling.fleet import POLL, Cluster, Fleet

from unit.bench.event_by_event import starts
from unit.bench.lanes import LATER, NO_LOSSES, UNIT, exponential, poisson


def known(arrivals: FloatArray, lengths: FloatArray) -> Lane:
    """A lane in which sizes tell lengths exactly."""
    return Lane(arrivals, lengths, lengths, NO_LOSSES)


def mean_wait(lane: Lane, replicas: int) -> float:
    fleet = Fleet(lane, UNIT, replicas, seed=0)
    fleet.run(LATER)
    return float((fleet.starts - lane.arrivals).mean())


def erlang_c(replicas: int, load: float) -> float:
    """The share of recordings that wait in an M/M/c queue, `load` being replicas' worth of work."""
    waiting = load**replicas / factorial(replicas) * replicas / (replicas - load)
    return waiting / (sum(load**k / factorial(k) for k in range(replicas)) + waiting)


@pytest.mark.parametrize(("replicas", "load"), [(1, 0.5), (4, 3.0), (20, 16.0)])
def test_waits_are_those_of_erlang(replicas: int, load: float) -> None:
    lanes = [poisson(load, exponential(1.0, 200_000, seed), seed + 10) for seed in range(4)]
    expected = erlang_c(replicas, load) / (replicas - load)
    assert np.mean([mean_wait(lane, replicas) for lane in lanes]) == pytest.approx(expected, rel=0.05)


def test_equal_lengths_wait_half_as_long_at_one_replica() -> None:
    load = 0.6
    lane = poisson(load, np.ones(400_000))
    assert mean_wait(lane, 1) == pytest.approx(load / (1 - load) / 2, rel=0.03)


def test_agrees_with_a_plain_simulation_while_replicas_are_added() -> None:
    lane = draw(20_000, seed=3, seconds=3600).interactive
    lane = replace(lane, losses=NO_LOSSES)
    cluster = Cluster(speed=1.0, warm_start=40.0, cold_start=150.0, per_node=1)
    fleet = Fleet(lane, cluster, replicas=30, seed=0)
    ready = [0.0] * 30
    for look in range(1, 100):
        fleet.run(look * POLL)
        fleet.look()
        fleet.resize(30 + look)
        ready.append(look * POLL + cluster.cold_start)
    fleet.run(LATER)
    plain = starts(lane, ready)
    np.testing.assert_allclose(fleet.starts, [plain[job] for job in range(lane.arrivals.size)])


def troubled(seed: int) -> tuple[Lane, Fleet]:
    """A fleet that grows, shrinks and loses nodes by chance for an hour, and then gets time to finish."""
    lane = poisson(5.0, exponential(4.0, 18_000, seed), seed)
    fleet = Fleet(lane, UNIT, replicas=25, seed=seed)
    rng = np.random.default_rng(seed)
    for look in range(1, 241):
        fleet.run(look * POLL)
        if look % 20 == 0:
            fleet.lose_node()
        fleet.look()
        fleet.resize(int(rng.integers(5, 40)))
    fleet.run(LATER)
    return lane, fleet


@pytest.mark.parametrize("seed", range(5))
def test_every_recording_is_finished_whatever_happens(seed: int) -> None:
    lane, fleet = troubled(seed)
    assert fleet.finished
    assert (fleet.starts >= lane.arrivals).all()


def test_a_seed_tells_all() -> None:
    (_, one), (_, same), (_, other) = troubled(1), troubled(1), troubled(2)
    np.testing.assert_array_equal(one.starts, same.starts)
    assert one.replica_seconds == same.replica_seconds
    assert not np.array_equal(one.starts, other.starts)


def test_first_come_first_served_while_the_fleet_changes() -> None:
    lane = poisson(5.0, exponential(4.0, 5000))
    fleet = Fleet(lane, UNIT, replicas=10, seed=0)
    for look in range(1, 50):
        fleet.run(look * POLL)
        fleet.resize(10 + look % 7 * 3)
    fleet.run(LATER)
    assert (np.diff(fleet.starts) >= 0).all()


def test_a_replica_that_leaves_finishes_what_it_has() -> None:
    lane = known(np.array([0.0, 0.0, 1.0]), np.array([100.0, 100.0, 1.0]))
    fleet = Fleet(lane, UNIT, replicas=2, seed=0)
    fleet.run(15.0)
    fleet.resize(1)
    assert fleet.size == 2
    assert fleet.look().load.running_seconds == 200.0
    fleet.run(150.0)
    assert fleet.size == 1
    assert fleet.starts.tolist() == [0.0, 0.0, 100.0]
    assert fleet.replica_seconds == 100.0 + 150.0


def test_what_a_lost_node_had_begins_again_after_its_lease() -> None:
    lane = known(np.array([0.0, 0.0, 20.0]), np.array([30.0, 5.0, 200.0]))
    fleet = Fleet(lane, Cluster(speed=1.0, per_node=2, cold_start=20.0, lease=60.0), replicas=2, seed=0)
    fleet.run(10.0)
    fleet.lose_node()
    assert fleet.size == 0
    assert fleet.look().load.running_seconds == 30.0, "nobody knows yet that its replica is gone"
    fleet.resize(1)
    fleet.run(15.0)
    assert not fleet.finished
    fleet.run(LATER)
    assert fleet.starts.tolist() == [230.0, 0.0, 30.0], "the lease lapsed at 70, the replica was free at 230"


def test_a_replica_that_leaves_may_give_back_what_it_has() -> None:
    lane = replace(known(np.array([0.0, 0.0, 1.0]), np.array([100.0, 100.0, 1.0])), gives_back=True)
    fleet = Fleet(lane, UNIT, replicas=2, seed=0)
    fleet.run(15.0)
    fleet.resize(1)
    assert fleet.size == 1
    fleet.run(LATER)
    assert fleet.finished
    assert sorted(fleet.starts.tolist()) == [0.0, 100.0, 200.0], "begun anew, before what came later"
    assert fleet.starts[2] == 200.0


def test_an_autoscaler_sees_queue_work_and_use_and_takes_sizes_for_lengths() -> None:
    arrivals, lengths = np.array([0.0, 5.0, 6.0, 7.0]), np.array([10.0, 20.0, 30.0, 40.0])
    fleet = Fleet(Lane(arrivals, lengths, 2 * lengths, NO_LOSSES), UNIT, replicas=2, seed=0)
    fleet.run(15.0)
    load = fleet.look().load
    assert (load.queued_jobs, load.queued_seconds, load.running_seconds) == (1, 80.0, 100.0)
    assert load.arriving == pytest.approx(200.0 / 15)
    assert load.utilisation == pytest.approx((15 + 10) / 30)


def test_arrivals_are_those_of_the_last_minute() -> None:
    lane = known(np.array([5.0, 61.0, 100.0]), np.array([600.0, 60.0, 30.0]))
    fleet = Fleet(lane, UNIT, replicas=1, seed=0)
    rates = []
    for now in (60.0, 75.0, 120.0, 165.0):
        fleet.run(now)
        rates.append(fleet.look().load.arriving)
    assert rates == [10.0, 1.0, 1.5, 0.0]


def test_a_replica_is_ready_sooner_where_a_node_has_room() -> None:
    lane = known(np.zeros(8), np.full(8, 1000.0))
    fleet = Fleet(lane, Cluster(speed=1.0, per_node=4, warm_start=40.0, cold_start=150.0), 2, seed=0)
    fleet.run(15.0)
    fleet.resize(6)
    fleet.run(500.0)
    assert sorted(fleet.starts[:6].tolist()) == [0.0, 0.0, 55.0, 55.0, 165.0, 165.0]
