"""
The program that runs the emulator of Google Cloud Storage, with what it lacks added.

It checks CRC32C and MD5, joins objects and keeps metadata; that stays as it is. It ignores every condition on a
generation, answers one request at a time, lists without pages, reads a body of several parts as an e-mail (slowly), and
writes all it knows to a file after each change. So here, before its handlers run: ``ifGenerationMatch``, ``generation``
and the conditions on sources are checked as the service documents them, at most 32 objects are composed, listings have
pages, and requests come in parallel on connections that stay open. ``POST /token`` gives a token for any key,
``GET /requests`` tells what was asked, and the bucket ``locked`` wants a token that was given.
"""

from __future__ import annotations

import json
import secrets
import threading
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.storage import Storage

LOCKED = "locked"
PAGE = 500
CONTROL = ("/requests", "/everything", "/make")
SEEN: list[dict[str, Any]] = []
TOKENS: set[str] = set()
LOCK = threading.RLock()
READ_DATA = emulator._read_data


class QuickStorage(Storage):
    """Writes no file after each change, and keeps apart names that a file system would not."""

    def _write_config_to_file(self):
        pass

    def _object_path(self, bucket_name, file_name):
        return f"{bucket_name}/{sha256(file_name.encode()).hexdigest()}"


def refuse(response, status, reason, message=""):
    """Answer as the service refuses."""
    response.status = status
    error = {"code": int(status), "message": message, "errors": [{"reason": reason, "message": message}]}
    response.json({"error": error})


def generation_of(storage, bucket, name):
    """Tell which writing of an object stands, 0 for none."""
    found = storage.objects.get(bucket, {}).get(name)
    return int(found["generation"]) if found else 0


def conditional(handler, name_of):
    """Check the conditions in the query before a handler runs."""

    def checked(request, response, storage, *more):
        bucket = request.params["bucket_name"]
        if bucket not in storage.buckets:
            return refuse(response, HTTPStatus.NOT_FOUND, "notFound", "no such bucket")
        now = generation_of(storage, bucket, name_of(request))
        wanted = request.query.get("generation")
        if wanted and int(wanted[0]) != now:
            return refuse(response, HTTPStatus.NOT_FOUND, "notFound", "no such generation")
        match = request.query.get("ifGenerationMatch")
        if match and int(match[0]) != now:
            return refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
        return handler(request, response, storage, *more)

    return checked


def compose(request, response, storage, *more):
    """Check number and conditions of the sources."""
    sources = request.data["sourceObjects"]
    if not 1 <= len(sources) <= 32:
        return refuse(response, HTTPStatus.BAD_REQUEST, "invalid", "between 1 and 32 source objects")
    for source in sources:
        now = generation_of(storage, request.params["bucket_name"], source["name"])
        if not now or int(source.get("generation", now)) != now:
            return refuse(response, HTTPStatus.NOT_FOUND, "notFound", "no such source")
        if int(source.get("objectPreconditions", {}).get("ifGenerationMatch", now)) != now:
            return refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
    return objects.compose(request, response, storage, *more)


def listing(request, response, storage, *more):
    """Cut a listing into pages."""
    objects.ls(request, response, storage, *more)
    if response.status == HTTPStatus.OK:
        found = json.loads(response._content)
        # As in the service, a page begins after a name, whatever was deleted meanwhile.
        after = request.query.get("pageToken", [""])[0]
        items = [one for one in found["items"] if one["name"] > after]
        following = {"nextPageToken": items[PAGE - 1]["name"]} if len(items) > PAGE else {}
        response.json({**found, "items": items[:PAGE], **following})


def token(_request, response, _storage, *_more):
    """Give a token, as Google's OAuth does for a signed assertion."""
    given = f"token-{secrets.token_hex(12)}"
    TOKENS.add(f"Bearer {given}")
    response.json({"access_token": given, "expires_in": 3600, "token_type": "Bearer"})


def requests(_request, response, _storage, *_more):
    """Tell what was asked, and forget it."""
    response.json(SEEN)
    SEEN.clear()


def everything(request, response, storage, *_more):
    """List all objects of a bucket."""
    response.json(list(storage.objects.get(request.query["bucket"][0], {}).values()))


def make(request, response, storage, *_more):
    """Make a bucket."""
    buckets.create_bucket(request.query["bucket"][0], storage)
    response.json({})


def read_data(handler, query):
    """Read a body of two parts by its boundary, byte for byte."""
    kind = handler.headers.get("Content-Type") or ""
    if not kind.startswith("multipart/related"):
        return READ_DATA(handler, query)
    raw = handler.rfile.read(int(handler.headers["Content-Length"]))
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    _, meta, rest = raw.split(boundary, 2)
    heads, _, content = rest.partition(b"\r\n\r\n")
    return {
        "meta": json.loads(meta.partition(b"\r\n\r\n")[2]),
        "content": content[: content.rindex(b"\r\n" + boundary + b"--")],
        "content-type": heads.partition(b"Content-Type:")[2].strip().decode(),
    }


class Request(emulator.Request):
    """Reads its body before anything is decided about it, and is remembered."""

    def set_match(self, match):
        """Take the handler's pattern."""
        super().set_match(match)
        data = self.data if isinstance(self.data, dict) else {}
        body = data.get("meta", data)
        if not self.path.startswith(CONTROL):
            entry = {"method": self.method, "path": self.path, "query": self.query, "body": body}
            SEEN.append({**entry, "has_token": self.get_header("Authorization") in TOKENS})


class Handler(emulator.RequestHandler):
    """Keeps connections open, and lets nobody without a token into the locked bucket."""

    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes: with the delay each answer takes 40 ms.
    disable_nagle_algorithm = True

    def route(self, method):
        """Answer one request."""
        if f"/b/{LOCKED}/" in self.path and self.headers.get("Authorization") not in TOKENS:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            SEEN.append({"method": method, "path": self.path, "query": {}, "body": {}, "has_token": False})
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with LOCK:
            emulator.Router(self).handle(method)

    def do_GET(self):  # noqa: N802 - the server calls it so
        """Answer GET."""
        self.route("GET")

    def do_POST(self):  # noqa: N802 - the server calls it so
        """Answer POST."""
        self.route("POST")

    def do_DELETE(self):  # noqa: N802 - the server calls it so
        """Answer DELETE."""
        self.route("DELETE")

    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many requests at once."""

    daemon_threads = True
    request_queue_size = 64


def main():
    """Serve until ended."""
    changed = {
        objects.insert: conditional(objects.insert, lambda request: request.query["name"][0]),
        objects.compose: conditional(compose, lambda request: request.params["object_id"]),
        objects.delete: conditional(objects.delete, lambda request: request.params["object_id"]),
        objects.ls: listing,
    }
    emulator.HANDLERS = (
        (r"^/token$", {"POST": token}),
        (r"^/requests$", {"GET": requests}),
        (r"^/everything$", {"GET": everything}),
        (r"^/make$", {"GET": make}),
        *((path, {verb: changed.get(one, one) for verb, one in by.items()}) for path, by in emulator.HANDLERS),
    )
    emulator._read_data = read_data
    emulator.Request = Request
    running = Server(("127.0.0.1", 0), partial(Handler, QuickStorage(use_memory_fs=True)))
    print(running.server_address[1], flush=True)  # noqa: T201 - how the parent learns the port
    running.serve_forever()


if __name__ == "__main__":
    main()
