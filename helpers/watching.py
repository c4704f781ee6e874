"""Whether a person is before the notebook, who would see a picture change."""

from __future__ import annotations


def someone_watches() -> bool:
    """Whether the running cell was sent by a front end with a person before it.

    Such a front end (JupyterLab, Notebook, VS Code) offers to answer `input()`; papermill,
    nbconvert and a plain interpreter do not.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))
