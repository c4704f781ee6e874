"""The environment check finds what is there and names a repair for what is not."""

from __future__ import annotations

from importlib import metadata

import pytest

from helpers.__main__ import main
from helpers.tools import doctor


def test_this_environment_is_well() -> None:
    findings = doctor.check_environment()
    packages = {row.name: row for row in findings}
    assert packages["torch"].ok and packages["torch"].found == metadata.version("torch")
    assert packages["torch + torchvision"].found == "match"
    assert packages["Jupyter kernel"].ok, packages["Jupyter kernel"].found


def test_missing_package_has_a_repair(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "timm" else real(name))
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "timm: missing" in printed
    assert "pip install 'timm>=" in printed


def test_unwritable_outputs_name_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    rows = {row.name: row for row in doctor.check_environment()}
    assert not rows["outputs folder"].ok
    assert "HELPERS_OUTPUTS" in rows["outputs folder"].repair
