"""Writes docs/settings.md from the settings classes, so that it cannot drift."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from mindtrack_gateway.settings import GatewaySettings, LimitSettings, OperationsSettings, SignInSettings
from mindtrack_inference.settings import InferenceSettings, QualitySettings
from mindtrack_scheduler.settings import RetentionSettings, SchedulerSettings
from mindtrack_shared.settings import (
    AuditSettings,
    DatabaseSettings,
    IssuerSettings,
    JobSettings,
    KeySettings,
    LivenessSettings,
    LoginSettings,
    LogSettings,
    MetricsSettings,
    NotificationSettings,
    QueueSettings,
    StorageSettings,
    TracingSettings,
    WebhookSettings,
    variable,
)

GROUPS: tuple[type[BaseSettings], ...] = (
    DatabaseSettings,
    LoginSettings,
    StorageSettings,
    KeySettings,
    QueueSettings,
    JobSettings,
    LogSettings,
    LivenessSettings,
    MetricsSettings,
    TracingSettings,
    IssuerSettings,
    WebhookSettings,
    NotificationSettings,
    AuditSettings,
    GatewaySettings,
    SignInSettings,
    LimitSettings,
    OperationsSettings,
    InferenceSettings,
    QualitySettings,
    SchedulerSettings,
    RetentionSettings,
)

HEAD = """# Settings

Every service reads its settings from the environment when it starts. Durations are seconds or ISO 8601
(`90`, `PT1M30S`). Written by `make settings`.
"""


def reference() -> str:
    return "\n".join([HEAD, *(_section(group) for group in GROUPS)])


def _section(group: type[BaseSettings]) -> str:
    rows = [
        f"| `{variable(group, name)}` | {_default(field)} | {field.description} |"
        for name, field in group.model_fields.items()
    ]
    title = group.__name__.removesuffix("Settings")
    return "\n".join(
        [f"## {title}", "", "| Variable | Default | Meaning |", "| --- | --- | --- |", *rows, ""]
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, timedelta):
        return f"`{field.default.total_seconds():.10g}`"
    if isinstance(field.default, tuple):
        return f"`{json.dumps(field.default)}`"
    return "unset" if field.default is None else f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
