"""LiveRun: a loop on a background thread that can be paused, stepped, reset and ended.

The notebook's own thread stays free, so sliders answer while the loop runs, and also while another
cell computes. Callbacks of controls only *write* into `params`; the loop reads a copy before each
step and draws on its own clock. Frames are limited, because the browser cannot refuse them.

Python's threads take turns every 5 ms. A step of training asks for its turn again after each of its
hundred small operations, so beside a cell that computes it would need half a second: while a run
plays, turns are short. And torch uses one thread for it: small steps are quicker so, and browser
and other cells need the other cores.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import torch

FRAMES_PER_SECOND = 12
MOST = 0.4  # of the loop's work, for frames
TURN, USUAL_TURN = 0.00001, sys.getswitchinterval()  # seconds
_RUNNING: dict[str, "LiveRun"] = {}


class LiveRun:
    """Calls `step(params)` again and again on a daemon thread, and `frame()` twelve times a second.

    Args:
        step: one step of the loop.
        frame: draws the present state.
        name: a new run ends an older one of the same name, so that running a cell twice leaves no
            thread behind.
    """

    def __init__(
        self, step: Callable[[dict[str, Any]], None], frame: Callable[[], None], name: str
    ) -> None:
        self.step, self.frame, self.name = step, frame, name
        self.params: dict[str, Any] = {}
        self.steps, self.error = 0, None
        self._playing, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.lock = threading.RLock()  # one step at a time, from whichever thread
        older = _RUNNING.pop(name, None)
        if older is not None:
            older.close()
        _RUNNING[name] = self

    error: BaseException | None

    @property
    def playing(self) -> bool:
        return self._playing.is_set() and self.error is None

    def play(self) -> None:
        """Start, or go on."""
        if self._ended.is_set():
            raise RuntimeError("this run has ended: make a new one")
        if self._thread is None or not self._thread.is_alive():
            self.error = None
            self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
            self._thread.start()
        self._playing.set()
        _share_time()

    def pause(self) -> None:
        """Stop after the step under way."""
        self._playing.clear()
        _share_time()
        with self.lock:  # wait for it
            pass

    def once(self, steps: int = 1) -> None:
        """Do so many steps now, on the calling thread, and draw; an error is raised."""
        self.error = None  # of an earlier start
        for _ in range(steps):
            with self.lock:
                self.step(dict(self.params))
                self.steps += 1
        self.draw()

    def draw(self) -> None:
        """Draw the present state, and not one half-way through a step of another thread."""
        with self.lock:
            self.frame()

    def wait(self, steps: int, seconds: float = 60) -> None:
        """Wait until so many steps are done in all; raises the loop's error, or TimeoutError."""
        end = time.monotonic() + seconds
        while self.steps < steps:
            if self.error is not None:
                raise self.error
            if time.monotonic() > end:
                raise TimeoutError(f"only {self.steps} of {steps} steps in {seconds} s")
            time.sleep(0.01)

    def close(self) -> None:
        """End the thread; the run cannot go on afterwards."""
        self._ended.set()
        self._playing.set()  # a waiting loop has to notice
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)
        if _RUNNING.get(self.name) is self:
            del _RUNNING[self.name]
        _share_time()

    def _loop(self) -> None:
        due = 0.0
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of this thread, and of those that begin before it ends
        try:
            while not self._ended.is_set():
                if not self._playing.wait(timeout=0.2):
                    continue
                with self.lock:
                    if self._ended.is_set() or not self._playing.is_set():
                        continue
                    self.step(dict(self.params))
                    self.steps += 1
                    if (start := time.monotonic()) >= due:
                        worked = time.thread_time()
                        self.frame()
                        worked = time.thread_time() - worked
                        # Frames catch up after a long step, but leave most of the time to steps.
                        # That they wait for another cell's turn to end is not held against them.
                        due = max(due + 1 / FRAMES_PER_SECOND, start + worked / MOST)
                time.sleep(0)  # let the notebook's thread in
        except BaseException as error:
            self.error = error
            self._playing.clear()
            _share_time()
            self.draw()
        finally:
            torch.set_num_threads(threads)


def _share_time() -> None:
    """Short turns for Python's threads while any run plays."""
    playing = any(run.playing for run in _RUNNING.values())
    sys.setswitchinterval(TURN if playing else USUAL_TURN)
