"""
Connections that another thread can end while their own waits for them.

Closing a response from another thread waits for the very read that it should end; shutting its socket down doesn't.
Imported with the first request, since it needs ``urllib3``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Final
from weakref import WeakValueDictionary

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

#: The socket on which each thread has asked last. A thread reads one answer at a time.
_SOCKETS: Final[WeakValueDictionary[int, socket.socket]] = WeakValueDictionary()


def interrupt(thread_id: int) -> None:
    """
    End what a thread waits for on its connection; harmless when it waits for nothing.

    :param thread_id: Its ``ident``.
    """
    found = _SOCKETS.get(thread_id)
    if found is not None:
        with contextlib.suppress(OSError):
            # Of the socket itself: that of TLS takes its state away from the thread that reads.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


def _note(connection: HTTPConnection) -> None:
    sock = getattr(connection.sock, "socket", connection.sock)
    if isinstance(sock, socket.socket):
        _SOCKETS[threading.get_ident()] = sock


class _Plain(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _note(self)
        super().request(*arguments, **options)
        _note(self)


class _Secured(HTTPSConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _note(self)
        super().request(*arguments, **options)
        _note(self)


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecuredPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secured


#: For ``PoolManager.pool_classes_by_scheme``.
POOL_CLASSES: Final[dict[str, type[urllib3.HTTPConnectionPool]]] = {"http": _PlainPool, "https": _SecuredPool}
