from __future__ import annotations

from ipaddress import ip_network

import pytest

from mindtrack_gateway.edge import client_name, kind_of
from mindtrack_gateway.limits import Kind

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/jobs", Kind.UPLOADS),
        ("POST", "/v1/uploads", Kind.UPLOADS),
        ("POST", "/analyze-stress", Kind.UPLOADS),
        ("GET", "/v1/jobs/42", Kind.POLLS),
        ("HEAD", "/v1/jobs/42", Kind.POLLS),
        ("GET", "/v1/jobs/42/events", Kind.POLLS),
        ("GET", "/v1/jobs", Kind.OTHERS),
        ("POST", "/v1/grants", Kind.CODES),
        ("GET", "/v1/grants", Kind.OTHERS),
        ("POST", "/v1/jobs/42/cancel", Kind.OTHERS),
        ("POST", "/v1/jobs/status", Kind.OTHERS),
        ("GET", "/v1/users/me/trends", Kind.OTHERS),
        ("GET", "/nothing", Kind.OTHERS),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("GET", "/metrics", None),
        ("GET", "/static/0123/core/api.js", None),
    ],
)
def test_classes(method: str, path: str, kind: Kind | None) -> None:
    assert kind_of(method, path) == kind


@pytest.mark.parametrize(
    ("peer", "forwarded", "name"),
    [
        ("8.8.8.8", (), "8.8.8.8"),
        ("8.8.8.8", ("1.1.1.1",), "8.8.8.8"),  # anybody can say so
        ("10.1.2.3", ("1.1.1.1",), "1.1.1.1"),
        ("10.1.2.3", ("9.9.9.9, 1.1.1.1",), "1.1.1.1"),  # the client's own claim is to the left
        ("10.1.2.3", ("9.9.9.9, 1.1.1.1, 10.9.9.9",), "1.1.1.1"),
        ("10.1.2.3", ("9.9.9.9", "1.1.1.1"), "1.1.1.1"),
        ("10.1.2.3", ("x" * 60_000 + ", 1.1.1.1",), "1.1.1.1"),
        ("10.1.2.3", ("8.8.8.8, " + "10.1.1.1, " * 60 + "10.9.9.9",), None),  # further away than we look
        ("10.1.2.3", ("1.1.1.1, nonsense",), None),
        ("10.1.2.3", ("",), None),
        ("10.1.2.3", (), None),
        ("10.1.2.3", ("10.7.7.7, 10.8.8.8",), None),
        ("::ffff:10.1.2.3", ("1.1.1.1",), "1.1.1.1"),
        ("::ffff:8.8.8.8", (), "8.8.8.8"),
        ("2001:db8:1::1", ("2a00:1450:1:2:3:4:5:6",), "2a00:1450:1:2::/64"),
        ("2a00:1450:1:2:9::", (), "2a00:1450:1:2::/64"),
        ("127.0.0.1", (), None),
        ("192.168.1.1", ("1.1.1.1",), None),
        ("testclient", (), None),
    ],
)
def test_an_address_is_the_first_that_no_trusted_proxy_vouches_for(
    peer: str, forwarded: tuple[str, ...], name: str | None
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]

    assert client_name({"client": (peer, 1), "headers": headers}, PROXIES) == name


def test_without_trusted_proxies_nobody_is_believed() -> None:
    headers = [(b"x-forwarded-for", b"1.1.1.1")]

    assert client_name({"client": ("10.1.2.3", 1), "headers": headers}, ()) is None
    assert client_name({"client": ("8.8.8.8", 1), "headers": headers}, ()) == "8.8.8.8"
    assert client_name({"client": None, "headers": headers}, ()) is None
