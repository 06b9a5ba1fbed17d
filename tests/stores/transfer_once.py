"""
One copy in a process of its own, which tells on its output what it took.

The arguments are one JSON object: ``url``, ``size_bytes``, ``max_connections``, and ``folder`` for a local sink or
``endpoint``, ``access_key``, ``secret_key`` and ``bucket`` for S3. The peak is that of the resident memory, above what
the process had when everything was imported and the client had done its first request.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from airflow_provider_kaltura.transfer.checksum import crc64nvme
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.plan import part_bytes_for


def memory(name: str) -> int:
    """Read a line of the kernel's account of this process, in bytes."""
    found = re.search(name + r":\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) * 1024 if found else 0


def sink_of(given: dict[str, Any]) -> Any:
    """Make the sink."""
    if "folder" in given:
        return LocalSink(given["folder"], durability="batch")
    import boto3  # noqa: PLC0415 - only where S3 is measured
    from botocore.config import Config  # noqa: PLC0415 - see above

    from airflow_provider_kaltura.transfer.s3_sink import S3Sink  # noqa: PLC0415 - see above

    client = boto3.client(
        "s3",
        endpoint_url=given["endpoint"],
        aws_access_key_id=given["access_key"],
        aws_secret_access_key=given["secret_key"],
        region_name="us-east-1",
        # The body's hash stays out of the signature, as it does over TLS: the store checks its CRC-64/NVME.
        config=Config(s3={"addressing_style": "path", "payload_signing_enabled": False}, max_pool_connections=10),
    )
    return S3Sink(client, given["bucket"])


def warm_up(sink: Any, url: str) -> None:
    """Import and connect whatever a first transfer imports and connects."""
    small = url.replace(url.split("/")[-2], "1000", 1)
    upload = sink.begin("warm", size_bytes=1000, part_bytes=1000)
    with HttpPool(HttpOptions(proxies={})) as pool:
        copy(HttpSource(FixedUrl(small), size_bytes=1000, pool=pool), upload, size_bytes=1000, part_bytes=1000)
    upload.commit()
    sink.store.delete("warm")
    crc64nvme(b"")


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Copy, and tell what it took."""
    sink, size = sink_of(given), given["size_bytes"]
    warm_up(sink, given["url"])
    part_bytes = part_bytes_for(size, sink.capabilities)
    gc.collect()
    before = memory("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    with HttpPool(HttpOptions(proxies={})) as pool:
        source = HttpSource(FixedUrl(given["url"]), size_bytes=size, pool=pool)
        upload = sink.begin("object", size_bytes=size, part_bytes=part_bytes)
        began = time.monotonic()
        result = copy(
            source,
            upload,
            size_bytes=size,
            part_bytes=part_bytes,
            capabilities=sink.capabilities,
            max_connections=given["max_connections"],
        )
        seconds = time.monotonic() - began
        stands = upload.commit(checksum=result.checksum)
    peak = memory("VmHWM") - before
    sink.store.delete("object")
    return {
        "seconds": seconds,
        "peak_bytes": peak,
        "connections": result.connections,
        "requests": result.requests,
        "checksum": result.checksum,
        "size_bytes": stands.size_bytes,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201 - whoever started this process reads it
