"""A Celery consumer that shows life, connects anew if an acknowledgement is lost, and stops in time."""

from __future__ import annotations

from typing import Any

from celery.bootsteps import RUN
from celery.worker.consumer import Consumer

from mindtrack_shared.observability.liveness import SHOW_EVERY, LifeSign


class LivingConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Shows with the timer of the worker's loop that the loop turns, whatever its children do.

    Without a broker the loop stands still, and starting again would not bring the broker back.
    """

    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *args: Any, life_sign: LifeSign, **options: Any) -> None:  # noqa: ANN401 - Celery's
        super().__init__(*args, **options)
        self._life_sign = life_sign
        life_sign.show()
        self.timer.call_repeatedly(SHOW_EVERY, life_sign.show)

    def update_strategies(self) -> None:
        """Have an acknowledgement raise that fails with its connection.

        Celery would note it and go on with that connection, which counts the message as in hand: for a worker
        that takes one at a time, it was the last. What is raised has the consumer connect anew.
        """
        errors, self.connection_errors = self.connection_errors, ()
        try:
            super().update_strategies()
        finally:
            self.connection_errors = errors

    def on_close(self) -> None:
        """Leave to the pool what it was given, when the worker stops.

        Celery forgets there what no child has accepted. What lies in a child's pipe is carried out all the
        same, and the child then waits for half a minute that somebody reads its result.
        """
        if self.controller.blueprint.state != RUN:
            self.pool.flush = None
        super().on_close()

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - Celery's
        with self._life_sign.shown_meanwhile():
            return super().ensure_connected(conn)
