"""What browsers are told to refuse on behalf of the page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Own files only; nothing inline, nothing of others, nobody's frame.
_ALLOWED = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "media-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
POLICY = "; ".join(_ALLOWED)
OF_FILES: Mapping[str, str] = MappingProxyType(
    {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
)
OF_SHELLS: Mapping[str, str] = MappingProxyType(
    {
        **OF_FILES,
        "Content-Security-Policy": POLICY,
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        # Whoever comes after must not go back to it.
        "Cache-Control": "no-store",
        "Vary": "Accept-Language, Cookie",
    }
)
