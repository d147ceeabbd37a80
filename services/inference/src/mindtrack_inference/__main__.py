"""`mindtrack-inference`: run the worker until SIGTERM, then finish the drain in hand."""

from __future__ import annotations

import sys

from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.settings import InferenceSettings
from mindtrack_inference.worker import build_app
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.queue.names import DRAIN_QUEUE
from mindtrack_shared.settings import QueueSettings


def main() -> None:
    settings = InferenceSettings()
    try:
        load_bundle(settings.bundle)  # a broken bundle must stop the service, not each of its children
    except BundleError as error:
        sys.exit(f"mindtrack-inference: {error}")
    app = build_app(settings, QueueSettings())
    app.worker_main(["--quiet", "worker", "--queues", DRAIN_QUEUE, "--without-gossip", "--without-mingle"])


if __name__ == "__main__":
    main()
