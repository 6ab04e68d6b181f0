"""JupyterLab on the tutorials, the playground as a page, and their connection to kernels."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from traitlets.utils.importstring import import_item

from browser.jupyter import eventually
from dmlviz import cli
from dmlviz.serve import PROMPT, lab, page


@pytest.fixture
def called(monkeypatch):
    calls = []
    monkeypatch.setattr(lab.subprocess, "call", lambda command: calls.append(command) or 0)
    return calls


def test_lab_opens_the_tutorials_and_no_browser_without_a_display(called, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert cli.main(["lab", "--port", "9999"]) == 0
    (command,) = called
    assert any(part.endswith("/tutorials") for part in command)
    assert {"--no-browser", "--port=9999", f"--ServerApp.{PROMPT}"} <= set(command)
    monkeypatch.setenv("DISPLAY", ":0")
    cli.main(["lab"])
    assert "--no-browser" not in called[1]


def test_lab_outside_a_checkout_says_where_the_tutorials_are(called, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(lab.dmlviz, "__file__", str(tmp_path / "site" / "dmlviz" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lab"]) == 1
    assert "clone" in capsys.readouterr().err
    assert not called


# --- playground -------------------------------------------------------------------------------


def test_the_page_is_served_to_this_machine_with_a_token(monkeypatch, tmp_path):
    started = []

    def call(command, env):
        (notebook,) = [part for part in command if part.endswith(".ipynb")]
        started.append((command, Path(notebook).read_text()))
        return 0

    monkeypatch.setattr(page, "find_spec", lambda name: object())
    monkeypatch.setattr(page.subprocess, "call", call)
    arguments = ["playground", "--no-browser", "--port", "9000", "--data-root", str(tmp_path)]
    assert cli.main(arguments) == 0
    command, notebook = started[0]
    assert {"--token", "--Voila.ip=127.0.0.1", "--no-browser", "--port=9000"} <= set(command)
    assert f"--Voila.{PROMPT}" in command
    assert "TrainingPlayground" in notebook


def test_what_the_page_shows_runs(glyph_root):
    import ipywidgets

    (code,) = [cell.source for cell in page.page(glyph_root).cells if cell.cell_type == "code"]
    *lines, last = code.strip().splitlines()
    space = {}
    exec("\n".join(lines), space)
    live = eval(last, space)
    assert isinstance(live.widget, ipywidgets.Widget)
    assert live.params["method"] != live.params["other method"]
    live.step()
    live.close()


# `dmlviz playground`, where Ctrl-C works even if these tests run in the background.
PAGE = """
import signal
from dmlviz.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
raise SystemExit(main())
"""


def test_the_page_answers_this_machine_and_the_token_alone(glyph_root, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers["Location"], answer.read().decode()
        finally:
            connection.close()

    log, family = tmp_path / "log", []
    command = [sys.executable, "-c", PAGE, "playground", "--no-browser", f"--port={port}"]
    command.append(f"--data-root={glyph_root}")
    with log.open("w") as file:
        served = subprocess.Popen(command, stderr=file, stdout=file, start_new_session=True)
    try:
        address = rf"http://127\.0\.0\.1:{port}(/\?token=\w+)"
        eventually(lambda: served.poll() is not None or re.search(address, log.read_text()), 120)
        printed = re.search(address, log.read_text())
        assert printed, log.read_text()
        for path in ("/", "/api/kernels", printed[1][:-1]):  # the last is a digit short
            status, place, _ = get(path)
            assert status == 403 or (status == 302 and place.startswith("/login")), path
        with socket.socket() as other:  # where it answers if it listens to everybody
            other.settimeout(5)
            assert other.connect_ex(("127.0.0.2", port)) != 0
        status, _, words = get(printed[1])
        assert status == 200
        assert "Two networks learn what is alike" in words
        assert "application/vnd.jupyter.widget-view+json" in words
        family += psutil.Process(served.pid).children(recursive=True)
        assert len(family) >= 2  # Voila and its kernel
        os.killpg(served.pid, signal.SIGINT)  # Ctrl-C
        assert served.wait(timeout=60) == 0, log.read_text()
        assert psutil.wait_procs(family, timeout=60)[1] == []
    finally:
        with suppress(psutil.NoSuchProcess):
            family += psutil.Process(served.pid).children(recursive=True)
        served.kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        served.wait(timeout=30)


def test_without_voila_the_page_names_the_remedy(monkeypatch, capsys):
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    assert cli.main(["playground"]) == 1
    assert "pip install -e '.[page]'" in capsys.readouterr().err


# --- the connection ---------------------------------------------------------------------------


def test_the_connection_sends_small_messages_at_once(monkeypatch):
    kind = import_item(PROMPT.split("=")[1])
    assert issubclass(kind, ZMQChannelsWebsocketConnection)
    said = []
    handler = KernelWebsocketHandler.__new__(KernelWebsocketHandler)
    monkeypatch.setattr(KernelWebsocketHandler, "set_nodelay", lambda _, value: said.append(value))
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda _: said.append("on"))
    connection = kind.__new__(kind)
    connection.websocket_handler = handler
    connection.connect()
    assert said == [True, "on"]
