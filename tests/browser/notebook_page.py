"""A notebook open in JupyterLab: run it, look into it, press keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# How long things may take on a slow machine that is busy with others; all end when they are there.
OPENS = 300_000  # ms until Lab shows the notebook and a kernel is there
RUNS = 1_800_000  # ms until the longest notebook has run
ANSWERS = 90_000  # ms until the kernel has answered a key
POLLS = 200  # ms between looks at something that takes long

READY = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  return kernel?.status === 'idle' && panel.content.widgets.length > 0;
}"""
RUN_ALL = """() => {
  window.finished = null;
  window.jupyterapp.commands.execute('notebook:run-all-cells')
    .then(() => { window.finished = true; }, (error) => { window.finished = String(error); });
}"""
KILL = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel.requestExecute({ code: 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)' });
}"""
CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => {
  const { source, outputs, execution_count } = cell.model.sharedModel.toJSON();
  return { type: cell.model.type, source: [source].flat().join(''), outputs: outputs ?? [],
    count: execution_count ?? null };
})"""
DRAWN = """async () => {  // a new size is drawn in the frame after it is noticed
  for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
}"""
DARK = """(dark) => window.jupyterapp.commands.execute(
  'apputils:change-theme', { theme: dark ? 'JupyterLab Dark' : 'JupyterLab Light' })"""


class NotebookPage:
    """One tab of the browser with one notebook."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280, height: int = 900) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(ANSWERS)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(address, timeout=OPENS)
        self.page.wait_for_function(READY, timeout=OPENS, polling=POLLS)

    def run_all(self) -> None:
        self.page.evaluate(RUN_ALL)
        self.page.wait_for_function("() => window.finished !== null", timeout=RUNS, polling=POLLS)
        assert self.page.evaluate("() => window.finished") is True

    def kill_kernel(self) -> None:
        """kill -9, and wait for the one that Lab starts in its place."""
        self.page.evaluate(KILL)
        self.page.locator(".jp-Dialog button").first.click(timeout=OPENS)
        self.page.wait_for_function(READY, timeout=OPENS, polling=POLLS)

    def cells(self) -> list[dict[str, Any]]:
        return self.page.evaluate(CELLS)

    def errors(self) -> list[str]:
        """Errors that cells ended with."""
        outputs = [output for cell in self.cells() for output in cell["outputs"]]
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]

    def set_theme(self, *, dark: bool) -> None:
        self.page.evaluate(DARK, dark)
        body = self.page.locator(f"body[data-jp-theme-light='{str(not dark).lower()}']")
        body.wait_for(state="attached", timeout=ANSWERS)

    def wait_until_drawn(self) -> None:
        """Until what is known to the page can be seen on it."""
        self.page.evaluate(DRAWN)

    def screenshot(self, path: Path) -> None:
        self.wait_until_drawn()
        self.page.screenshot(path=path, animations="disabled")
