"""The worker: decodes recordings, scores them with a Wav2Vec2 classifier, writes analyses."""
