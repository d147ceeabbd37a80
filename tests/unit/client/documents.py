"""What the gateway sends, as plain JSON."""

from __future__ import annotations

from typing import Any

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
USER_ID = "01890a5d-0000-7000-8000-000000000001"

_PROBABILITIES = {"Neutral": 0.5, "Happy": 0.1, "Sad": 0.1, "Anxious": 0.1, "Stressed": 0.2}


def job(status: str = "queued", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    document: dict[str, Any] = {
        "id": JOB_ID,
        "user_id": USER_ID,
        "status": status,
        "attempt": 0 if status == "queued" else 1,
        "created_at": "2026-11-22T08:00:00Z",
        "started_at": None,
        "finished_at": None,
        "recording": {
            "id": "01890a5d-0000-7000-8000-000000000002",
            "recorded_at": "2026-11-22T07:59:00Z",
            "time_zone": "Asia/Tokyo",
            "content_type": "audio/mp4",
            "size_bytes": 4321,
        },
        "quality": quality() if status in {"succeeded", "rejected"} else None,
        "analysis": analysis() if status == "succeeded" else None,
        "problem": None,
    }
    return document | changes


def quality() -> dict[str, Any]:
    return {
        "speech_seconds": 6.1,
        "speech_ratio": 0.813,
        "snr_db": 24.6,
        "clipping_ratio": 0.0,
        "level_dbfs": -21.37,
        "bandwidth_hz": None,
        "dc_offset": 0.0004,
    }


def analysis(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    scores = {
        "probabilities": _PROBABILITIES,
        "unmapped_mass": 0.0,
        "uncertainty": 0.7,
        "indeterminate": False,
        "indeterminate_reason": None,
    }
    return {
        **scores,
        "emotion": "Neutral",
        "confidence": 0.5,
        "stress_score": 0.3,
        "indices": {"anxiety": 0.1, "depressive": 0.1, "baseline": 0.6},
        "biomarkers": {
            "f0_median_hz": {"value": 118.3, "unit": "Hz", "z": 1.26, "n": 12},
            "pause_ratio": {"value": 0.214, "unit": "1", "z": None, "n": None},
            "response_latency_seconds": {"value": None, "unit": "s", "z": None, "n": None},
        },
        "audio_seconds": 7.5,
        "processing_seconds": 0.4,
        "model": {
            "bundle_id": "demo",
            "bundle_revision": "r1",
            "engine": "openvino",
            "precision": "int8",
            "temperature": 1.3,
            "abstention_threshold": 0.9,
            "calibration_set": "four voices",
        },
        "windows": [{"start_seconds": 0.0, "end_seconds": 5.0, **scores}],
    } | changes


def indeterminate() -> dict[str, Any]:
    return job("succeeded", analysis=analysis(indeterminate=True, indeterminate_reason="uncertain"))


def partly_known() -> dict[str, Any]:
    """A job of a model that knows neither Anxious nor Happy."""
    return job(
        "succeeded",
        analysis=analysis(
            probabilities={"Neutral": 0.5, "Happy": None, "Sad": 0.3, "Anxious": None, "Stressed": 0.2},
            stress_score=None,
            indices={"anxiety": None, "depressive": 0.3, "baseline": None},
        ),
    )


def rejected() -> dict[str, Any]:
    problem = {
        "type": "https://mindtrack.example/problems/too-short",
        "title": "Recording too short",
        "detail": "Please speak a little longer.",
        "code": "too_short",
        "measured": 2.318,
        "needed": 4.0,
        "unit": "s",
    }
    return job("rejected", problem=problem)


def day(date: str, stress: float, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    return {
        "day": date,
        "count": 1,
        "stress_mean": stress,
        "stress_sd": None,
        "stress_min": stress,
        "stress_max": stress,
        "anxiety_mean": 0.1,
        "depressive_mean": 0.1,
        "baseline_mean": 0.6,
    } | changes


def trend(*days: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": USER_ID,
        "first_day": "2026-11-16",
        "last_day": "2026-11-22",
        "count": len(days),
        "stress_mean": 0.5 if days else None,
        "latest": {"recorded_at": "2026-11-22T08:00:00+01:00", "stress_score": 0.9} if days else None,
        "days": list(days),
        "notice": "Wellness decision support, not a diagnosis: the server's words.",
    }


def measure_trend(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    return {
        "measure": "stress_score",
        "unit": "1",
        "status": "above",
        "direction": "rising",
        "recordings": 6,
        "recording_days": 5,
        "days": 7,
        "coverage": 5 / 7,
        "calibration": {
            "complete": True,
            "span_days": {"have": 40, "need": 14},
            "recording_days": {"have": 30, "need": 5},
            "recordings": {"have": 31, "need": 8},
        },
        "baseline": {
            "centre": 0.2,
            "low": 0.1,
            "high": 0.35,
            "recordings": 31,
            "recording_days": 30,
            "first_day": "2026-10-01",
            "last_day": "2026-11-08",
        },
        "seven_day_z": 1.2,
        "slope": None,
        "points": [{"day": "2026-11-22", "recordings": 1, "value": 0.5, "z": 1.4}],
        "caveats": [{"code": "gap", "sentence": "What happened meanwhile is not known."}],
    } | changes


CLINICIAN_ID = "01890a5d-0000-7000-8000-000000000003"
INVITATION_ID = "01890a5d-0000-7000-8000-000000000004"
NOTE_ID = "01890a5d-0000-7000-8000-00000000000c"
GRANT_ID = "01890a5d-0000-7000-8000-000000000005"
CODE = "7K3M-9QXD-2HVT-4B8N"
CONSENT = {"scopes": ["trends", "analyses"], "purpose": "Weekly sessions", "use_context": "healthcare"}


def invitation(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    document: dict[str, Any] = CONSENT | {
        "id": INVITATION_ID,
        "state": "open",
        "grant_days": 90,
        "created_at": "2026-11-22T08:00:00Z",
        "expires_at": "2026-11-29T08:00:00Z",
        "redeemed_at": None,
        "clinician_id": None,
        "withdrawn_at": None,
    }
    return document | changes


def grant(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    document: dict[str, Any] = CONSENT | {
        "id": GRANT_ID,
        "user_id": USER_ID,
        "clinician_id": CLINICIAN_ID,
        "you_are": "person",
        "state": "live",
        "granted_at": "2026-11-22T09:00:00Z",
        "expires_at": "2027-02-20T09:00:00Z",
        "revoked_at": None,
        "revoked_by": None,
    }
    return document | changes


def access(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    document: dict[str, Any] = {
        "id": "01890a5d-0000-7000-8000-000000000006",
        "at": "2026-11-23T10:30:00Z",
        "clinician_id": CLINICIAN_ID,
        "grant_id": GRANT_ID,
        "action": "getTrends",
        "outcome": "allowed",
    }
    return document | changes


def erasure(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    return {
        "receipt_id": "01890a5d-0000-7000-8000-00000000000e",
        "begun_at": "2026-11-22T08:00:00Z",
        "erased_at": "2026-11-22T08:00:09Z",
        "removed": {"recordings": 12, "uploads": 0, "notes": 1},
        "audio_left": 0,
    } | changes


def patient(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    document: dict[str, Any] = {
        "user_id": USER_ID,
        "label": None,
        "status": "well_above",
        "direction": "rising",
        "seven_day_z": 2.345,
        "as_of": "2026-11-22",
        "recent": [None, -3.0, *[0.0] * 25, 4.5],
        "last_recorded_at": "2026-11-22T07:59:00Z",
        "alerts": {"count": 2, "oldest_since": "2026-11-20T08:00:00Z"},
        "grant_id": GRANT_ID,
        "scopes": ["alerts", "trends"],
        "expires_at": "2027-02-20T09:00:00Z",
    }
    return document | changes


def overview() -> dict[str, Any]:
    return {
        "persons": 3,
        "by_status": {"above": 1, "within_range": 1},
        "by_direction": {"rising": 1, "steady": 1},
        "not_evaluated": 0,
        "trends_not_granted": 1,
        "silent": 1,
        "silent_days": 14,
        "alerts": {"persons": 1, "open": 2, "oldest_since": None, "not_granted": 0},
        "notice": "Not a diagnosis.",
    }


def note(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    return {
        "id": NOTE_ID,
        "user_id": USER_ID,
        "author_id": CLINICIAN_ID,
        "text": "Sleeps better.",
        "revision": 1,
        "created_at": "2026-11-22T08:00:00Z",
        "updated_at": "2026-11-22T08:00:00Z",
        "deleted_at": None,
    } | changes


def history_day(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    value = {"value": 0.3, "unit": "1", "recordings": 2, "speech_seconds": 12.5}
    origin = {
        "bundle_revision": "r1",
        "device_class": "built_in audio/wav",
        "values": {"stress_score": value},
    }
    return {"day": "2026-11-22", "origins": [origin]} | changes


def fhir_bundle(*resources: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    links = [{"relation": "self", "url": "http://elsewhere.test/here"}]
    if following is not None:
        links.append({"relation": "next", "url": f"http://elsewhere.test/there?_count=2&cursor={following}"})
    entries = {"entry": [{"fullUrl": "urn:uuid:1", "resource": each} for each in resources]}
    return {"resourceType": "Bundle", "type": "searchset", "link": links} | (entries if resources else {})


def problem(status: int, title: str = "Nope", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"type": "about:blank", "title": title, "status": status, "detail": "Because."} | changes


def receipt(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the document
    return {
        "job_id": JOB_ID,
        "receipt_id": "01890a5d-0000-7000-8000-00000000000b",
        "deleted_at": "2026-11-22T08:00:00Z",
        "audio_deleted_at": "2026-11-22T08:00:01Z",
    } | changes
