"""Infrastructure and services together: the whole system."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Self

from mindtrack_local import environment, services
from mindtrack_local.config import GATEWAY_PORT, METRICS_PORTS, PROVIDER_PORT, Service, StackConfig
from mindtrack_local.environment import Environment
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.issuer import LIFE, Issuer, Role
from mindtrack_local.output import Terminal
from mindtrack_local.part import Part
from mindtrack_local.ports import HOST
from mindtrack_local.process import ProcessSpec
from mindtrack_shared.db import roles

#: Without these nothing is accepted or analysed; the others repair and clean up, now and then.
AWAITED: frozenset[Service] = frozenset({"gateway", "inference", "relay"})


class Stack:
    """The system, running while the `with` block does; arguments and errors as for `Infrastructure`."""

    def __init__(self, config: StackConfig, *, terminal: Terminal | None = None) -> None:
        self.config = config
        self.infrastructure = Infrastructure(config, terminal=terminal)
        self.stopping = False
        self._port: int | None = None
        self._metrics_ports: dict[Service, int] = {}
        self._provider_port: int | None = None

    @property
    def base_url(self) -> str:
        """Where the gateway listens.

        Raises:
            RuntimeError: it is not among the services.

        """
        if self._port is None:
            raise RuntimeError("the stack runs no gateway")
        return f"http://{HOST}:{self._port}"

    @property
    def metrics_ports(self) -> Mapping[Service, int]:
        """Where each service that has no port of its own tells what it counts."""
        return self._metrics_ports

    @property
    def database_url(self) -> str:
        return self.infrastructure.database_url

    @property
    def queue_url(self) -> str:
        return self.infrastructure.queue_url

    @property
    def issuer(self) -> Issuer:
        return self.infrastructure.issuer

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a further service, started by hand, joins this stack."""
        return self.infrastructure.environment.variables()

    def token(self, subject: str, *roles: Role, life: timedelta = LIFE) -> str:
        return self.issuer.token(subject, *roles, life=life)

    def process(self, name: str) -> Part:
        """Return a running part, to kill, pause or look at: see `Infrastructure.process`."""
        return self.infrastructure.process(name)

    def start(self) -> None:
        try:
            self.infrastructure.claim()
            if "gateway" in self.config.services:
                self._port = self._reserve_port()
                if self.config.sign_in:
                    self._provider_port = self.infrastructure.reserve("provider", PROVIDER_PORT)
            self._metrics_ports = {
                service: self.infrastructure.reserve(f"{service}'s metrics", METRICS_PORTS[service])
                for service in self.config.services
                if service in METRICS_PORTS
            }
            self.infrastructure.start_servers()
            self._start_services()
        except BaseException:
            self.stop()
            raise

    def _reserve_port(self) -> int:
        ordered = self.config.gateway_port
        if ordered is None:
            return self.infrastructure.reserve("gateway", GATEWAY_PORT)
        return self.infrastructure.reserve("gateway", ordered, strict=True)

    def _start_services(self) -> None:
        supervisor = self.infrastructure.supervisor
        supervisor.run(services.migrate({**self.environment, **self._overrides("migrate")}))
        # What nobody waits for comes after what everybody does: imports take seconds of processor time.
        awaited, others = (
            [self._spec(service) for service in self.config.services if (service in AWAITED) is wanted]
            for wanted in (True, False)
        )
        supervisor.start(*awaited, *self._provider())
        supervisor.start(*others, same_tier=True)
        environment.save(self.infrastructure.layout.environment, self.environment)

    def _provider(self) -> list[ProcessSpec]:
        if self._provider_port is None or self._port is None:
            return []
        return [services.provider(self.infrastructure.layout.var, self._provider_port, self._port)]

    def add_inference(self, name: str, overrides: Mapping[str, str] | None = None) -> Part:
        """Start one more inference worker and wait until it is ready."""
        spec = self._inference(name, overrides or {})
        self.infrastructure.supervisor.start(spec, same_tier=True)
        return self.process(name)

    def _spec(self, service: Service) -> ProcessSpec:
        variables = self.infrastructure.environment
        match service:
            case "gateway":
                assert self._port is not None  # noqa: S101 - reserved before any service starts
                told = variables.for_gateway(self._port, self._metrics_ports, self._provider_port)
                return services.gateway({**told, **self._overrides(service)}, self._port)
            case "inference":
                return self._inference(service, self._told(service))
            case _:
                return services.scheduler(
                    service, {**variables.variables(roles.WORKER), **self._told(service)}
                )

    def _told(self, service: Service) -> dict[str, str]:
        """Return what is a service's own."""
        told = self.infrastructure.environment.for_metrics(self._metrics_ports[service])
        return {**told, **self._overrides(service)}

    def _overrides(self, name: str) -> Mapping[str, str]:
        return self.config.service_overrides.get(name, {})

    def _inference(self, name: str, overrides: Mapping[str, str]) -> ProcessSpec:
        variables: Environment = self.infrastructure.environment
        ready_file = self.infrastructure.layout.run / f"{name}.ready"
        return services.inference({**variables.for_inference(ready_file), **overrides}, ready_file, name)

    def stop(self) -> None:
        """Stop what runs, last started first. Safe to call again."""
        self.stopping = True
        if self.infrastructure.claimed:  # else it is another stack's
            self.infrastructure.layout.environment.unlink(missing_ok=True)
        self.infrastructure.stop()

    def hurry(self) -> None:
        """Make a `stop` under way kill what still runs instead of waiting for it."""
        self.infrastructure.hurry()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
