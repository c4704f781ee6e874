"""The log once more, in the files TensorBoard reads: records of protobuf messages, scalars only.

TensorBoard itself is not needed to write them. Fields and numbers are those of its `event.proto`
and `summary.proto`; a record is framed as in a TFRecord file.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from helpers.files import StorageError

VERSION = b"brain.Event:2"
SKIPPED = ("step", "epoch")


class EventLog:
    """Appends rows to a new event file in `folder`; the steps up to `after` stay as they are.

    TensorBoard is told to forget what earlier files say of later steps: a killed run had logged
    some that are done again.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        host = socket.gethostname()
        self._path = folder / f"events.out.tfevents.{time.time():.6f}.{host}.{os.getpid()}"
        try:
            folder.mkdir(exist_ok=True)
            self._file = self._path.open("wb")
        except OSError as error:
            raise self._error(error) from error
        self._write(_bytes(3, VERSION))
        self._write(_varint(2, after + 1) + _bytes(7, _varint(1, 1)))  # session log: START

    def __call__(self, row: Mapping[str, float]) -> None:
        """Append one row of the log. Raises StorageError when it cannot be written."""
        values = [
            _bytes(1, _bytes(1, _tag(name).encode()) + _float(2, value))
            for name, value in row.items()
            if name not in SKIPPED
        ]
        self._write(_varint(2, int(row["step"])) + _bytes(5, b"".join(values)))

    def close(self) -> None:
        self._file.close()

    def _write(self, event: bytes) -> None:
        """One event with the time of now, on its way to the disk at once."""
        data = _key(1, 1) + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(data))
        try:
            self._file.write(length + _masked_crc(length) + data + _masked_crc(data))
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write {self._path}: {error.strerror}")


def _tag(name: str) -> str:
    """TensorBoard groups by what stands before the slash."""
    if name.startswith("seconds_"):
        return name.replace("_", "/", 1)
    return name if name in ("lr", "grad_norm", "skipped") else f"loss/{name}"


def _key(field: int, wire: int) -> bytes:
    return bytes([field << 3 | wire])


def _varint(field: int, value: int) -> bytes:
    return _key(field, 0) + _base_128(value)


def _float(field: int, value: float) -> bytes:
    return _key(field, 5) + struct.pack("<f", value)


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _base_128(len(content)) + content


def _base_128(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def _crc_table() -> list[int]:
    """Remainders of all bytes for CRC-32C (Castagnoli), bits reflected."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.tolist()


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`, e.g. 0xE3069283 of b"123456789"."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
