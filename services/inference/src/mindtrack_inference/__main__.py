"""`mindtrack-inference`: run the worker until SIGTERM, then finish the drain in hand."""

from __future__ import annotations

import sys

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.settings import InferenceSettings
from mindtrack_inference.worker import build_app
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.queue.names import DRAIN_QUEUE
from mindtrack_shared.settings import DatabaseSettings, JobSettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import open_store


def main() -> None:
    try:
        # What is wrong must stop the service here, not each of its children.
        settings, queue = InferenceSettings(), QueueSettings()
        load_bundle(settings.bundle)
        open_store(StorageSettings())
        DatabaseSettings()
        JobSettings()
    except (BundleError, ValueError) as error:
        sys.exit(f"mindtrack-inference: {error}")
    app = build_app(settings, queue)
    app.worker_main(["--quiet", "worker", "--queues", DRAIN_QUEUE, "--without-gossip", "--without-mingle"])


if __name__ == "__main__":
    main()
