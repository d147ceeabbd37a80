"""HTTP/1.1 as uvicorn speaks it, with an end to headers: httptools gathers them for as long as they come."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Of a request line and its headers, counted by what was read while they were incomplete.
LONGEST_HEAD = 64 * 1024  # bytes


class BoundedHeads(HttpToolsProtocol):
    """Answers 400 and hangs up when a head does not end."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request line and headers are too long.")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
