"""JupyterLab and Chromium for tests: one server and one browser for the whole run."""

import ast
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat

from dmlviz.serve import PROMPT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Cells out of view must stay in the page, and nothing may call home or save by itself.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
    "docmanager-extension/plugin": {"autosave": False},
}


@contextlib.contextmanager
def jupyterlab(folder, home, *options):
    """A server on the loopback address with settings of its own; gives (address, token).

    Its connection to kernels is that of `dmlviz lab`, unless the options say otherwise.
    """
    for name, values in SETTINGS.items():
        place = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    environment.pop("MPLBACKEND", None)  # notebooks draw inline
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--allow-root",
        "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
        *(options or [f"--ServerApp.{PROMPT}"]),
    ]  # fmt: skip
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_up(f"{address}/api/status?token={token}", server)
            yield address, token
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_until_up(address, server, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError("JupyterLab ended before it answered")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"JupyterLab did not answer in {seconds} s")


def eventually(question, seconds=60):
    """Wait until the answer is true; the page, the kernel and the mouse keep their own time."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
    return answer


def write_notebook(address, token, name, *cells):
    """Put a new notebook of these cells where the server keeps its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook}).encode()
    url = f"{address}/api/contents/{name}?token={token}"
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")).close()


def end_kernels(address, token):
    """End all kernels: one left behind may still be training."""
    url = f"{address}/api/kernels"
    with urllib.request.urlopen(f"{url}?token={token}") as answer:
        kernels = json.load(answer)
    for kernel in kernels:
        end = urllib.request.Request(f"{url}/{kernel['id']}?token={token}", method="DELETE")
        urllib.request.urlopen(end).close()


class Notebook:
    """One notebook open in JupyterLab."""

    def __init__(self, page, address, token, name):
        self.page = page
        page.goto(f"{address}/lab/tree/{name}?token={token}&reset")
        page.wait_for_function(
            """() => {
              const s = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session;
              return s?.kernel?.status === 'idle' && s.kernel.connectionStatus === 'connected';
            }""",
            timeout=120_000,
        )

    def run_all(self, seconds=1200):  # one core may take minutes for a lesson
        """Run every cell, and wait for the last one (the kernel's status is no guide to that)."""
        self.page.set_default_timeout(seconds * 1000)
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.set_default_timeout(30_000)

    def errors(self):
        """Names and words of all errors in the outputs."""
        return self.page.evaluate(
            """() => {
              const found = [];
              for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
                for (const output of cell.sharedModel.toJSON().outputs ?? []) {
                  const {output_type, ename, evalue} = output;
                  if (output_type === 'error') found.push(`${ename}: ${evalue}`);
                }
              }
              return found;
            }"""
        )

    def python(self, expression):
        """The value of an expression in the kernel."""
        words = self.page.evaluate(
            """async (v) => {
              const {session} = window.jupyterapp.shell.currentWidget.sessionContext;
              const question = {code: '', user_expressions: {v}, store_history: false};
              const reply = await session.kernel.requestExecute(question).done;
              return reply.content.user_expressions.v.data['text/plain'];
            }""",
            expression,
        )
        return ast.literal_eval(words)

    def execute(self, code):
        """Run code that is in no cell."""
        self.page.evaluate(
            """async (code) => {
              const {session} = window.jupyterapp.shell.currentWidget.sessionContext;
              await session.kernel.requestExecute({code, store_history: false}).done;
            }""",
            code,
        )

    def restart(self):
        """Restart the kernel and forget all outputs."""
        self.page.evaluate(
            """async () => {
              const panel = window.jupyterapp.shell.currentWidget;
              for (const cell of panel.content.widgets) cell.model.clearExecution?.();
              for (const cell of panel.content.model.cells) cell.outputs?.clear();
              await panel.sessionContext.session.kernel.restart();
            }"""
        )


class Widget:
    """The n-th of our widgets in the notebook: its pictures and its controls, found by label.

    A picture is what a figure or a canvas shows; a control may change only one of them.
    """

    SHOWN = """pictures => pictures.every(p => p.toDataURL || (p.complete && p.naturalWidth > 0))
      ? pictures.map(p => p.src ?? p.toDataURL()).join(' ') : null"""

    def __init__(self, page, n=0):
        self.page = page
        self.box = page.locator(".widget-vbox:has(.widget-image)").nth(n)
        self.pictures = self.box.locator(".widget-image, .dmlviz-ff canvas")
        self.box.locator(".widget-image").wait_for(timeout=60_000)
        self.box.locator(".noUi-handle").first.wait_for(timeout=60_000)

    def picture(self):
        return [picture.screenshot() for picture in self.pictures.all()]

    def labels(self):
        """Labels of all its sliders."""
        return self.box.locator(".widget-slider .widget-label").all_inner_texts()

    def handle(self, label):
        """The handle of a slider."""
        slider = self.box.locator(".widget-slider").filter(
            has=self.page.locator(".widget-label", has_text=label)
        )
        return slider.first.locator(".noUi-handle")

    def press(self, label, key):
        """Press a key on a slider's handle; returns the picture that follows."""
        return self._changed_by(lambda: self.handle(label).press(key))

    def move_every_slider(self, key="ArrowRight"):
        """Press the key on each: every time another picture follows, and no error."""
        for label in self.labels():
            before = self.picture()
            assert self.press(label, key) != before, label
        assert self.caption() == ""

    def choose(self, option, nth=0):
        """Choose from the nth dropdown that offers it; returns the picture that follows."""
        offers = self.page.locator("option", has_text=option)
        menu = self.box.locator("select").filter(has=offers).nth(nth)
        return self._changed_by(lambda: menu.select_option(option))

    def type(self, label, text):
        """Type into a field, and leave it."""
        field = self.box.get_by_label(label)
        field.fill(text)
        field.press("Enter")

    def click(self, text):
        self.box.locator("button").filter(has_text=text).click()

    def wait_for_change(self):
        """Wait until the picture is another one, and return it."""
        return self._changed_by(lambda: None)

    def caption(self):
        """What stands below the picture: an error in words, or nothing."""
        return self.box.locator(".widget-html").last.inner_text()

    def _changed_by(self, action):
        before = eventually(lambda: self.pictures.evaluate_all(self.SHOWN), 30)
        action()
        eventually(lambda: self.pictures.evaluate_all(self.SHOWN) not in (None, before), 30)
        return self.picture()
