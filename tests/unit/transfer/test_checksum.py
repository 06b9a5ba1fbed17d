from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer import checksum
from airflow_provider_kaltura.transfer.errors import ObjectMissingError
from airflow_provider_kaltura.transfer.memory_sink import MemoryStore


def crc64nvme_by_definition(data):
    """Compute a CRC-64/NVME bit by bit: reflected, polynomial 0xAD93D23594C93659, all ones in and out."""
    value = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
    return value ^ 0xFFFFFFFFFFFFFFFF


def test_crc64nvme_is_the_published_one():
    """The check value of the CRC catalogue for "123456789"."""
    assert checksum.checksum_of(b"123456789") == "crc64nvme:ae8b14860a799888"
    assert checksum.checksum_of(b"") == "crc64nvme:0000000000000000"


@given(st.binary(max_size=200))
def test_crc64nvme_is_that_of_its_definition(data):
    """The library computes what the definition says, from every kind of buffer."""
    expected = crc64nvme_by_definition(data)
    assert checksum.crc64nvme(data) == checksum.crc64nvme(bytearray(data)) == checksum.crc64nvme(memoryview(data))
    assert checksum.crc64nvme(data) == expected


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_parts_combine_to_the_whole(parts):
    """The checksum of the whole follows from those of its parts, empty ones included."""
    values = [(checksum.crc64nvme(part), len(part)) for part in parts]
    assert checksum.combine_crc64nvme(values) == checksum.crc64nvme(b"".join(parts))


def test_order_of_the_parts_matters():
    """Two parts exchanged are another object."""
    one, two = (checksum.crc64nvme(b"one"), 3), (checksum.crc64nvme(b"two"), 3)
    assert checksum.combine_crc64nvme([one, two]) != checksum.combine_crc64nvme([two, one])


def test_sha256_and_none():
    """The other names give what they say."""
    assert checksum.checksum_of(b"x", "sha256") == f"sha256:{hashlib.sha256(b'x').hexdigest()}"
    assert checksum.checksum_of(b"x", "none") is None


@pytest.mark.parametrize("name", checksum.CHECKSUM_NAMES)
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 30])
def test_a_standing_object_is_read_back_in_pieces(name, size, monkeypatch):
    """Reading back gives the same checksum as the bytes did."""
    monkeypatch.setattr(checksum, "READ_BACK_BYTES", 10)
    store, data = MemoryStore(), bytes(range(size))
    store.write("a", data)
    assert checksum.checksum_of_object(store, "a", size, name) == checksum.checksum_of(data, name)


def test_reading_back_what_is_missing_is_an_error():
    """A checksum of nothing is never given for an object that is gone."""
    with pytest.raises(ObjectMissingError):
        checksum.checksum_of_object(MemoryStore(), "a", 1, "sha256")
