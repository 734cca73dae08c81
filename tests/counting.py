"""A relay on loopback that counts what a client asks of an HTTP server."""

import re
import socket
import threading
from collections import Counter
from urllib.parse import urlsplit

from support import free_port

# without an anchor: on a connection that is kept, a request follows right after a body
REQUEST = re.compile(rb"(?:GET|POST|PUT|PATCH|DELETE) ([^ ?]+)\S* HTTP/1\.1\r\n")


class Relay:
    """In front of the server at `uri`; what went through it is known when it is closed."""

    def __init__(self, uri: str) -> None:
        self._there = ("127.0.0.1", urlsplit(uri).port or 80)
        self.uri = f"http://127.0.0.1:{free_port()}"
        self._asked: list[bytearray] = []  # by connection
        self._answered: list[bytearray] = []
        self._door = socket.create_server(("127.0.0.1", urlsplit(self.uri).port or 80))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def requests(self) -> Counter[str]:
        """By path."""
        found = (path for asked in list(self._asked) for path in REQUEST.findall(bytes(asked)))
        return Counter(path.decode() for path in found)

    @property
    def bytes_sent(self) -> int:
        return sum(map(len, self._asked))

    @property
    def bytes_received(self) -> int:
        return sum(map(len, self._answered))

    def close(self) -> None:
        self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self._there)
            for source, target, seen in (
                (client, server, self._asked),
                (server, client, self._answered),
            ):
                seen.append(bytearray())
                thread = threading.Thread(
                    target=_pass_on, args=(source, target, seen[-1]), daemon=True
                )
                thread.start()


def _pass_on(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    try:
        while data := source.recv(65536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            end.close()
