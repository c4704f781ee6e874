"""The toy training and its pictures, as fixtures, whatever pytest's import mode."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    import toy

    return toy


@pytest.fixture(scope="session")
def rectangles() -> ModuleType:
    import rectangles

    return rectangles
