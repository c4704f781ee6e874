"""What this machine has against what the project wants, each with the command that fixes it."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from helpers import files
from helpers.data.parallel import available_cores

PACKAGE = "spr-net-notebooks"
GIB = 2**30
MEMORY_WANTED = 8  # GiB; the default run was measured below it
DISK_WANTED = 5  # GiB


@dataclass(frozen=True)
class Finding:
    """One row: what is looked at, what is wanted, what was found, and the repair if it is amiss."""

    name: str
    wanted: str
    found: str
    ok: bool
    repair: str = ""


def check_environment() -> list[Finding]:
    """Look at Python, packages, kernel, cores, memory, GPU, disk and folders; changes nothing."""
    machine = (_kernel(), _cores(), _memory(), _gpu(), *_folders())
    return [_python(), *_packages(), _operators(), *machine]


def _python() -> Finding:
    found = platform.python_version()
    repair = "make clean && make PYTHON=/path/to/python3.11 doctor"
    return Finding("Python", ">=3.11", found, sys.version_info >= (3, 11), repair)


def _packages() -> Iterator[Finding]:
    try:
        wanted = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield Finding("helpers", "installed", "not installed", False, "pip install --no-deps -e .")
        return
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)
    detectron2 = _version("detectron2") or "not installed (only comparisons need it)"
    yield Finding("detectron2", "optional", detectron2, True)


def _package(requirement: Requirement) -> Finding:
    name, wanted, found = requirement.name, str(requirement.specifier), _version(requirement.name)
    ok = found is not None and requirement.specifier.contains(found, prereleases=True)
    return Finding(name, wanted or "any", found or "missing", ok, f"pip install '{name}{wanted}'")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _operators() -> Finding:
    """torch and torchvision of different builds import, then fail at the first operator."""
    try:
        torch = importlib.import_module("torch")
        nms = importlib.import_module("torchvision.ops").nms
        nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
        found, ok = "match", True
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        found, ok = str(error).splitlines()[0][:80], False
    repair = "pip install --force-reinstall torch torchvision   (both from one index)"
    return Finding("torch + torchvision", "a matching pair", found, ok, repair)


def _kernel() -> Finding:
    """The kernel that notebooks name (`python3`) must start this environment's Python."""
    repair = f"{sys.executable} -m ipykernel install --sys-prefix --name python3"
    try:
        specs = importlib.import_module("jupyter_client.kernelspec")
        command = specs.KernelSpecManager().get_kernel_spec("python3").argv[0]
    except ImportError:
        return Finding("Jupyter kernel", "python3", "jupyter is missing", False, repair)
    except specs.NoSuchKernel:
        return Finding("Jupyter kernel", "python3", "none of that name", False, repair)
    if command in ("python", "python3"):  # Jupyter reads these as the Python that starts it
        command = sys.executable
    ok = Path(command).parent == Path(sys.executable).parent
    return Finding("Jupyter kernel", "python3, of this environment", command, ok, repair)


def _cores() -> Finding:
    return Finding("CPU cores", ">=1", str(available_cores()), True)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    repair = "close other programs, or make fewer scenes: scenes make --jobs 1"
    ok = total >= 0.95 * MEMORY_WANTED
    return Finding("memory", f">={MEMORY_WANTED} GiB", f"{total:.1f} GiB", ok, repair)


def _gpu() -> Finding:
    try:
        torch = importlib.import_module("torch")
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except (ImportError, RuntimeError) as error:
        names = [f"not usable: {error}"]
    return Finding("GPU", "optional", ", ".join(names) or "none (the CPU is used)", True)


def _folders() -> Iterator[Finding]:
    folders = {"data": files.data_dir(), "outputs": files.outputs_dir()}
    for name, folder in folders.items():
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        repair = f"export HELPERS_{name.upper()}=/a/folder/you/may/write"
        yield Finding(
            f"{name} folder", "writable", str(folder), os.access(existing, os.W_OK), repair
        )
    free = shutil.disk_usage(existing).free / GIB
    repair = "export HELPERS_OUTPUTS=/a/folder/on/a/larger/disk"
    yield Finding(
        "free disk", f">={DISK_WANTED} GiB", f"{free:.1f} GiB", free >= DISK_WANTED, repair
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    findings = check_environment()
    print(f"     {'NAME':<20} {'WANTED':<30} FOUND")
    for row in findings:
        print(f"{'ok ' if row.ok else 'FIX'}  {row.name:<20} {row.wanted:<30} {row.found}")
    wrong = [row for row in findings if not row.ok]
    for row in wrong:
        print(f"\n{row.name}: {row.found}\n  fix it with: {row.repair}")
    if not wrong:
        print("\nall is well")
    return min(len(wrong), 1)
