"""Event files hold what the log holds, readable without TensorBoard by the format's own words."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from helpers.training.events import EventLog, crc32c
from helpers.training.log import read_log

Field = tuple[int, int | bytes]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_check_sums_of_the_standard(data, wanted):  # RFC 3720, B.4
    assert crc32c(data) == wanted


def records(path: Path) -> list[bytes]:
    """The contents of a TFRecord file, every check sum checked."""
    raw, contents = path.read_bytes(), []
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        data, raw, frame = raw[12 : 12 + length], raw[16 + length :], raw
        for part, stored in ((frame[:8], frame[8:12]), (data, frame[12 + length : 16 + length])):
            crc = crc32c(part)
            assert stored == struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)
        contents.append(data)
    return contents


def fields(message: bytes) -> list[Field]:
    """Numbers and raw values of a protobuf message's fields."""
    found = []
    while message:
        number, wire = message[0] >> 3, message[0] & 7
        message = message[1:]
        if wire in (1, 5):
            size = {1: 8, 5: 4}[wire]
            value, message = message[:size], message[size:]
        else:
            value, shift = 0, 0
            while True:
                byte, message = message[0], message[1:]
                value, shift = value | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            if wire == 2:
                value, message = message[:value], message[value:]
        found.append((number, value))
    return found


def scalars(event: bytes) -> tuple[int, dict[str, float]]:
    """Step and values of an event."""
    step, values = 0, {}
    for number, value in fields(event):
        step = value if number == 2 else step
        if number == 5:
            for _, entry in fields(value):
                parts = dict(fields(entry))
                values[parts[1].decode()] = struct.unpack("<f", parts[2])[0]
    return step, values


def test_a_training_is_there_once_in_the_log_and_once_in_the_events(toy, tmp_path):
    def stop(row):
        if row["step"] == 7:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        toy.train_toy(tmp_path, tensorboard=True, on_log=stop)
    toy.train_toy(tmp_path, tensorboard=True)
    first, second = sorted((tmp_path / "tensorboard").iterdir(), key=os.path.getmtime)
    version, start, *killed = records(first)
    assert dict(fields(version))[3] == b"brain.Event:2"
    assert [scalars(event)[0] for event in killed] == list(range(1, 8))
    version, start, *resumed = records(second)
    assert dict(fields(start))[2] == 6 and fields(dict(fields(start))[7]) == [(1, 1)]
    table = read_log(tmp_path / "log.csv").set_index("step")
    for step, values in map(scalars, killed[:5] + resumed):
        row = table.loc[step]
        assert values["loss/loss_a"] == pytest.approx(row["loss_a"], rel=1e-6)
        assert values["lr"] == pytest.approx(row["lr"], rel=1e-6)
        assert values["seconds/step"] == pytest.approx(row["seconds_step"], rel=1e-6)
    assert len(killed[:5] + resumed) == len(table)


def test_long_numbers_take_more_bytes(tmp_path):
    log = EventLog(tmp_path / "events", after=0)
    log({"step": 66_800, "total": 2.5, "skipped": 3})
    log.close()
    [path] = (tmp_path / "events").iterdir()
    assert scalars(records(path)[-1]) == (66_800, {"loss/total": 2.5, "skipped": 3.0})
