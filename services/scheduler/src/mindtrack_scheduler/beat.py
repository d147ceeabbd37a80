"""A Celery beat scheduler that shows that it lives."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler

from mindtrack_shared.observability.liveness import LifeSign


class LivingScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery ships no types
    """Shows it with every tick, and while it waits for a broker that starting again would not bring back."""

    def __init__(self, *args: Any, life_sign: LifeSign, **options: Any) -> None:  # noqa: ANN401 - Celery's
        self._life_sign = life_sign
        super().__init__(*args, **options)

    def tick(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's
        self._life_sign.show()
        return super().tick(*args, **options)

    def _ensure_connected(self) -> Any:  # noqa: ANN401 - Celery's
        with self._life_sign.shown_meanwhile():
            return super()._ensure_connected()
