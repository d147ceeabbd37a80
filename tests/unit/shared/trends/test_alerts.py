from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindtrack_shared.domain.trends import (
    METHOD,
    RULE,
    AlertState,
    DayValue,
    End,
    Ended,
    Evidence,
    Measure,
    Opened,
    Reader,
    charts,
    ended,
    evidence,
    finished,
    next_state,
    opened,
)
from trend_days import HEADSET, MONDAY, NEXT_MODEL, day, run, usual, value

STRESS = Measure.STRESS_SCORE
TODAY = day(60)


def speaks(**changes: object) -> Evidence:
    """Evidence that is just enough for an alert, but for the changes."""
    enough = Evidence(
        measure=STRESS,
        method=METHOD,
        bundle_revision="model-1",
        day=TODAY,
        ewma=1.01,
        limit=1.0,
        recent_z=0.8,
        recent_days=3,
        recent_recordings=4,
        beyond=2,
        back=0,
        since=TODAY - timedelta(days=9),
        baseline_days=20,
        baseline_first_day=MONDAY,
        baseline_last_day=day(27),
    )
    return enough._replace(**changes)  # type: ignore[arg-type]  # checked when the test runs


def opens(found: Evidence, *, state: AlertState | None = None, today: date = TODAY) -> bool:
    step = next_state(state or AlertState(), found, today=today)
    assert step.state.open is isinstance(step.event, Opened)
    return step.state.open


def test_an_alert_opens_where_all_conditions_hold_just_so() -> None:
    assert opens(speaks())


@pytest.mark.parametrize(
    "changes",
    [
        {"beyond": 1},
        {"beyond": 0, "ewma": 1.0},
        {"recent_z": 0.79},
        {"recent_days": 2},
        {"since": TODAY - timedelta(days=8)},
        {"day": TODAY - timedelta(days=7), "since": TODAY - timedelta(days=30)},
    ],
    ids=["confirmations", "limit", "last week", "days of the last week", "too new", "too old"],
)
def test_it_stays_closed_where_one_of_them_does_not(changes: dict[str, object]) -> None:
    assert not opens(speaks(**changes))


def test_nothing_to_say_changes_nothing() -> None:
    step = next_state(AlertState(), None, today=TODAY)

    assert (step.state, step.event) == (AlertState(), None)


def test_it_says_why() -> None:
    event = next_state(AlertState(), speaks(), today=TODAY).event

    assert isinstance(event, Opened)
    assert event.on == TODAY
    reason = event.reason
    assert (reason.rule, reason.rule_version) == ("sustained-rise", "1")
    assert (reason.method, reason.method_version) == (METHOD.name, METHOD.version)
    assert reason.values == {"ewma": 1.01, "recent_z": 0.8, "days_beyond": 2.0, "lasting_days": 9.0}
    assert reason.thresholds == {"ewma": 1.0, "recent_z": 0.8, "days_beyond": 2.0, "lasting_days": 9.0}
    assert (reason.recordings, reason.recording_days) == (4, 3)
    assert (reason.first_day, reason.last_day) == (TODAY - timedelta(days=6), TODAY)
    assert (reason.baseline_days, reason.baseline_first_day) == (20, MONDAY)
    assert (reason.measure, reason.bundle_revision) == (STRESS, "model-1")


OPEN = AlertState(opened_on=day(40), bundle_revision="model-1")


def end(found: Evidence | None, *, today: date = TODAY) -> End | None:
    event = next_state(OPEN, found, today=today).event
    assert event is None or isinstance(event, Ended)
    return event.why if event else None


def test_an_alert_ends_when_it_has_settled() -> None:
    assert end(speaks(back=2, beyond=0)) is End.SETTLED
    assert end(speaks(back=1, beyond=0)) is None
    assert end(speaks()) is None


def test_an_alert_ends_when_nobody_records() -> None:
    found = speaks(day=TODAY)

    assert end(found, today=TODAY + timedelta(days=13)) is None
    assert end(found, today=TODAY + timedelta(days=14)) is End.SILENT


def test_an_alert_ends_when_there_is_nothing_to_compare() -> None:
    assert end(None) is End.NOTHING_TO_COMPARE
    assert end(speaks(bundle_revision="model-2")) is End.NOTHING_TO_COMPARE


def test_after_an_end_there_are_two_weeks_without_another() -> None:
    state = next_state(OPEN, speaks(back=2), today=TODAY).state
    assert (state.open, state.opened_on, state.ended_on) == (False, day(40), TODAY)

    def again(days: int) -> bool:
        today = TODAY + timedelta(days=days)
        return opens(speaks(day=today), state=state, today=today)

    assert not again(0)
    assert not again(13)
    assert again(14)


def test_without_a_cool_down_there_is_still_one_a_week_at_most() -> None:
    rule = replace(RULE, cool_down_days=0)
    state = AlertState(opened_on=TODAY, ended_on=TODAY, bundle_revision="model-1")

    def again(days: int) -> bool:
        today = TODAY + timedelta(days=days)
        return next_state(state, speaks(day=today), today=today, rule=rule).state.open

    assert not again(6)
    assert again(7)


def test_to_ask_twice_changes_nothing() -> None:
    first = next_state(AlertState(), speaks(), today=TODAY)
    second = next_state(first.state, speaks(), today=TODAY)

    assert (second.state, second.event) == (first.state, None)


def latest(days: list[DayValue], today: date) -> Evidence | None:
    found = finished(list(charts(days, measure=STRESS, last_day=today).values()), today)
    return found[-1] if found else None


def story(days: list[DayValue], until: int) -> list[tuple[date, str]]:
    """Ask once a day, as the scheduler does."""
    state, events = AlertState(), []
    for number in range(until):
        found = latest(days, day(number))
        step = next_state(state, found, today=day(number))
        state = step.state
        if isinstance(step.event, Opened):
            events.append((step.event.on, "opened"))
        elif isinstance(step.event, Ended):
            events.append((step.event.on, step.event.why))
    return events


STEADY = usual(60, seed=3)
CALM = usual(60, seed=4)


def test_a_lasting_rise_opens_one_alert_and_settling_ends_it() -> None:
    raised = [1.6 + 0.3 * each for each in usual(25, seed=5)]

    [(began, first), (over, second)] = story(run([*STEADY, *raised, *CALM]), 140)

    assert (first, second) == ("opened", "settled")
    assert day(60 + 10) <= began <= day(60 + 15)
    assert day(85) < over <= day(101)


def test_three_terrible_days_are_no_alert() -> None:
    assert story(run([*STEADY, *[4.0] * 3, *[0.0] * 30]), 90) == []


def test_a_fall_is_no_alert() -> None:
    assert story(run([*STEADY, *[-3.0] * 30]), 90) == []


def test_silence_ends_an_alert() -> None:
    events = story(run([*STEADY, *[2.0] * 20]), 120)

    assert [what for _, what in events] == ["opened", "silent"]
    assert events[1][0] == day(79 + 14)


def test_a_new_model_ends_an_alert() -> None:
    days = run([*STEADY, *[2.0] * 20]) + run([2.0] * 5, first=80, origin=NEXT_MODEL)

    assert story(days, 84)[-1] == (day(81), "nothing_to_compare")


def test_a_new_headset_raises_no_alert() -> None:
    headset = [4.0 + each for each in usual(40, seed=6)]

    assert story(run(STEADY) + run(headset, first=60, origin=HEADSET), 100) == []


@given(st.lists(st.tuples(st.booleans(), st.floats(-3, 5)), min_size=60, max_size=120), st.integers(0, 5))
@settings(max_examples=12, deadline=None)
def test_whatever_happens_alerts_keep_their_distance(life: list[tuple[bool, float]], seed: int) -> None:
    days = run(usual(30, seed=seed)) + [
        value(30 + n, each) for n, (recorded, each) in enumerate(life) if recorded
    ]

    events = story(days, 30 + len(life) + 20)

    kinds = [what == "opened" for _, what in events]
    assert kinds == [n % 2 == 0 for n in range(len(kinds))]
    for (before, what), (after, _) in pairwise(events):
        assert (after - before).days >= (0 if what == "opened" else 14)
    openings = [on for on, what in events if what == "opened"]
    assert all((after - before).days >= 7 for before, after in pairwise(openings))


@given(st.lists(st.tuples(st.booleans(), st.floats(-3, 5)), min_size=30, max_size=100))
@settings(max_examples=30, deadline=None)
def test_evidence_is_what_the_chart_says(life: list[tuple[bool, float]]) -> None:
    days = run(usual(20)) + [value(20 + n, each) for n, (recorded, each) in enumerate(life) if recorded]
    [chart] = charts(days, measure=STRESS, last_day=day(200)).values()
    places = [n for n in range(len(chart.day)) if chart.judged[n]]

    found = list(evidence(chart))

    assert [each.day.toordinal() for each in found] == chart.day[places].tolist()
    beyond = back = 0
    for each, place in zip(found, places, strict=True):
        if place and chart.day[place] - chart.day[place - 1] > METHOD.restart_days:
            beyond = back = 0
        beyond = beyond + 1 if chart.ewma[place] > chart.limit[place] else 0
        settled = chart.ewma[place] <= chart.limit[place] / 2 and chart.recent_z[place] < 0.4
        back = back + 1 if settled else 0
        assert (each.ewma, each.limit) == (chart.ewma[place], chart.limit[place])
        assert (each.beyond, each.back) == (beyond, back)
        assert each.since <= each.day
        assert each.baseline_days == chart.current.usual.recording_days[place]
        assert each.recent_days == each.recent_recordings == chart.recent_count[place]


def test_evidence_counts_recordings_of_the_last_week_only() -> None:
    days = [replace(each, recordings=2) for each in run(usual(40))]

    found = latest(days, day(40))

    assert found is not None
    assert (found.recent_days, found.recent_recordings) == (7, 14)


def test_there_is_no_evidence_before_there_is_a_baseline() -> None:
    assert latest([], day(0)) is None
    assert latest(run(usual(14)), day(14)) is None
    assert latest(run(usual(15)), day(14)) is None, "the fifteenth is not over"
    assert latest(run(usual(15)), day(15)) is not None


def test_by_itself_it_watches_the_stress_score_only() -> None:
    assert RULE.measures == {STRESS}


@pytest.mark.parametrize(
    ("days", "how_long"),
    [
        (3, "about a week"),
        (10, "about a week"),
        (11, "about two weeks"),
        (17, "about two weeks"),
        (18, "about three weeks"),
        (59, "about eight weeks"),
        (60, "more than two months"),
        (400, "more than two months"),
    ],
)
def test_people_are_told_how_long_in_words(days: int, how_long: str) -> None:
    message = opened(STRESS, since=TODAY - timedelta(days=days - 1), on=TODAY)

    assert message.body == (f"Your voice logs have sounded more tense than your usual range for {how_long}.")


MESSAGES = [
    *(opened(measure, since=day(0), on=day(10), reader=reader) for measure in Measure for reader in Reader),
    *(ended(why, reader=reader) for why in End for reader in Reader),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.body)
def test_messages_are_calm_and_say_what_they_do_not_mean(message: object) -> None:
    text = message.text  # type: ignore[attr-defined]  # of a list of messages

    assert "not a diagnosis" in text
    assert "sounded to a model" in text
    assert "can be wrong" in text
    assert not any(character.isdigit() for character in text)
    assert not any(
        word in text.lower()
        for word in ("!", "you are", "stressed", "depress", "disorder", "alarm", "score", "risk", "urgent")
    )


def test_clinicians_read_of_somebody_else() -> None:
    for message in (
        opened(STRESS, since=day(0), on=day(10), reader=Reader.CLINICIAN),
        *(ended(why, reader=Reader.CLINICIAN) for why in End),
    ):
        assert "your" not in message.text.lower()
