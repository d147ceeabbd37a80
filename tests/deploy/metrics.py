"""What services tell Prometheus."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

import mindtrack_gateway.metrics
import mindtrack_inference.metrics
import mindtrack_scheduler.metrics

#: What Prometheus appends to the names of counters and histograms.
SUFFIXES = ("", "_total", "_bucket", "_count", "_sum")


def told() -> dict[str, set[str]]:
    """Return the labels of every sample that a service may expose, by name."""
    modules = (mindtrack_gateway.metrics, mindtrack_inference.metrics, mindtrack_scheduler.metrics)
    found = [each for module in modules for each in vars(module).values()]
    return {
        family.name + suffix: set(metric._labelnames)
        for metric in found
        if isinstance(metric, MetricWrapperBase)
        for family in metric.collect()
        for suffix in SUFFIXES
    }
