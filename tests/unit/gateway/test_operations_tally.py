"""What processes count adds up, over their restarts."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from mindtrack_gateway.operations.exposition import Samples
from mindtrack_gateway.operations.tally import AUDIO, ENDED, Tally, counted

KEY = (AUDIO, "interactive")


def page(text: str) -> Samples:
    return Samples(text_string_to_metric_families(text))


def test_only_what_clients_asked_for_counts_as_requests() -> None:
    told = page(
        'mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="200"} 4\n'
        'mindtrack_http_request_seconds_count{method="POST",route="/v1/jobs",status="202"} 2\n'
        'mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="503"} 1\n'
        'mindtrack_http_request_seconds_count{method="GET",route="/metrics",status="200"} 1000\n'
        'mindtrack_http_request_seconds_count{method="GET",route="/readyz",status="503"} 9\n'
    )

    assert counted(told) == {("requests", "2xx"): 6, ("requests", "5xx"): 1}


def test_series_that_differ_in_nothing_that_matters_are_one() -> None:
    told = page(
        'mindtrack_jobs_ended_total{status="failed",code="timeout",node="a"} 4\n'
        'mindtrack_jobs_ended_total{status="failed",code="timeout",node="b"} 2\n'
        'mindtrack_jobs_ended_total{status="rejected",code="too_noisy"} 1\n'
        "mindtrack_job_retries_total 5\n"
        "mindtrack_swept_uploads_total 8\n"
    )

    assert counted(told) == {
        (ENDED, "failed", "timeout"): 6,
        (ENDED, "rejected", "too_noisy"): 1,
        ("retried",): 5,
    }


def test_the_first_look_has_nothing_to_compare_with() -> None:
    tally = Tally(600)
    tally.add("a", {KEY: 100.0})

    assert tally.rates(0.0) == (None, {})
    assert tally.totals[KEY] == 100


def test_the_second_says_how_quickly_it_rose() -> None:
    tally = Tally(600)
    for at, (a, b) in ((0.0, (100.0, 50.0)), (5.0, (110.0, 60.0))):
        tally.add("a", {KEY: a})
        tally.add("b", {KEY: b})
        seconds, rates = tally.rates(at)

    assert (seconds, rates[KEY]) == (5, 4)
    assert tally.totals[KEY] == 170


def test_a_counter_that_fell_began_again_from_zero() -> None:
    tally = Tally(600)
    tally.add("a", {KEY: 100.0})
    tally.rates(0.0)
    tally.add("a", {KEY: 30.0})

    assert tally.rates(10.0) == (10, {KEY: 3.0})
    assert tally.totals[KEY] == 130


def test_one_who_was_away_for_a_look_lost_nothing() -> None:
    tally = Tally(600)
    tally.add("a", {KEY: 100.0})
    tally.rates(0.0)
    tally.rates(5.0)
    tally.add("a", {KEY: 140.0})

    assert tally.rates(10.0) == (10, {KEY: 4.0})


def test_what_somebody_new_had_counted_already_is_no_rise() -> None:
    tally = Tally(600)
    tally.rates(0.0)
    tally.add("new", {KEY: 1_000_000.0})
    assert tally.rates(5.0) == (5, {KEY: 0.0})
    tally.add("new", {KEY: 1_000_010.0})

    assert tally.rates(10.0) == (10, {KEY: 1.0})
    assert tally.totals[KEY] == 1_000_010


def test_what_is_counted_for_the_first_time_rose_from_nothing() -> None:
    tally = Tally(600)
    tally.add("a", {})
    tally.rates(0.0)
    tally.add("a", {KEY: 20.0})

    assert tally.rates(10.0) == (10, {KEY: 2.0})


def test_who_is_forgotten_comes_back_as_somebody_else() -> None:
    tally = Tally(600)
    tally.add("a", {KEY: 10.0})
    tally.rates(0.0)
    tally.forget("a")
    tally.add("a", {KEY: 500.0})

    assert tally.rates(10.0) == (10, {KEY: 0.0})


def test_rates_are_over_the_looks_of_the_window() -> None:
    tally = Tally(60)
    seconds = []
    for at in (0.0, 30.0, 60.0, 90.0, 1000.0):
        tally.add("a", {KEY: at * 2})
        window, rates = tally.rates(at)
        seconds.append(window)
        assert at == 0 or rates[KEY] == 2

    # The last look is kept however old it is: else who looks now and then would learn nothing.
    assert seconds == [None, 30, 60, 60, 910]
