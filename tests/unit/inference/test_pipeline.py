from __future__ import annotations

import numpy as np
import pytest

from mindtrack_inference.audio import decode
from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.errors import AbandonedError, RecordingRejectedError
from mindtrack_inference.pipeline import WINDOWS_PER_BATCH, Analyzer
from mindtrack_shared.domain.jobs import RejectionCode
from unit.inference.models import listening_model, write_bundle
from unit.inference.recordings import Format, encode, sweep

#: Windows of 0.5 s, 0.25 s apart; the last one is moved back by 0.05 s.
SECONDS = 3.2
STARTS = [0.25 * n for n in range(11)] + [2.7]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier.load(
        load_bundle(write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", listening_model()))
    )


@pytest.fixture(scope="module")
def analyzer(classifier: Classifier) -> Analyzer:
    return Analyzer(classifier, max_seconds=10)


@pytest.fixture(scope="module")
def recording() -> bytes:
    return encode(sweep(SECONDS, 16_000))


def test_windows_lie_where_they_were_cut(analyzer: Analyzer, recording: bytes) -> None:
    analysis = analyzer.analyze(recording)
    assert [window.start_seconds for window in analysis.windows] == pytest.approx(STARTS)
    assert [window.end_seconds for window in analysis.windows] == pytest.approx([s + 0.5 for s in STARTS])
    assert analysis.audio_seconds == pytest.approx(SECONDS)


def test_each_window_has_its_own_score(analyzer: Analyzer, classifier: Classifier, recording: bytes) -> None:
    waveform = decode(recording, max_seconds=10)
    for window in analyzer.analyze(recording).windows:
        first = round(window.start_seconds * 16_000)
        alone = classifier.probabilities(waveform[np.newaxis, first : first + 8_000])[0]
        assert window.probabilities.as_tuple() == pytest.approx(tuple(alone), abs=1e-5)


def test_result_is_the_mean_of_the_windows(analyzer: Analyzer, recording: bytes) -> None:
    analysis = analyzer.analyze(recording)
    rows = np.array([window.probabilities.as_tuple() for window in analysis.windows])
    assert np.ptp(rows, axis=0).max() > 1e-3  # the sweep does not sound the same throughout
    assert analysis.probabilities.as_tuple() == pytest.approx(tuple(rows.mean(axis=0)))


def test_provenance_and_time_come_along(analyzer: Analyzer, classifier: Classifier, recording: bytes) -> None:
    analysis = analyzer.analyze(recording)
    assert analysis.provenance == classifier.provenance
    assert 0 < analysis.processing_seconds < 30


def test_containers_agree(analyzer: Analyzer, recording: bytes) -> None:
    flac = encode(sweep(SECONDS, 16_000), Format("flac", "flac"))
    from_flac, from_wav = analyzer.analyze(flac), analyzer.analyze(recording)
    assert from_flac.probabilities.as_tuple() == pytest.approx(from_wav.probabilities.as_tuple(), abs=1e-3)


@pytest.mark.parametrize("batches", [0, 1])
def test_analysis_stops_between_batches(analyzer: Analyzer, recording: bytes, batches: int) -> None:
    answers = iter([False] * batches + [True])
    message = f"stopped after {batches * WINDOWS_PER_BATCH} of {len(STARTS)} windows"
    with pytest.raises(AbandonedError, match=message):
        analyzer.analyze(recording, should_stop=lambda: next(answers))
    assert list(answers) == []


def test_analysis_asks_before_every_batch(analyzer: Analyzer, recording: bytes) -> None:
    answers = iter([False] * 5)
    analyzer.analyze(recording, should_stop=lambda: next(answers))
    asked = 5 - len(list(answers))
    assert asked == -(-len(STARTS) // WINDOWS_PER_BATCH)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (encode(np.zeros(32_000, np.float32)), RejectionCode.TOO_QUIET),
        (encode(sweep(0.4, 16_000)), RejectionCode.TOO_SHORT),
        (encode(sweep(10.1, 16_000)), RejectionCode.TOO_LONG),
        (b"no sound", RejectionCode.UNREADABLE),
    ],
    ids=lambda value: str(value) if isinstance(value, RejectionCode) else "",
)
def test_recordings_at_fault_are_refused(analyzer: Analyzer, source: bytes, code: RejectionCode) -> None:
    with pytest.raises(RecordingRejectedError) as caught:
        analyzer.analyze(source)
    assert caught.value.code is code
