"""A real daemon, and programs beside it, for the tests: none outlives them."""

from __future__ import annotations

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Optional

import roost

ROOST = os.environ["ROOST_BIN"]
FOLDER = pathlib.Path(os.environ["ROOST_PYTHON"])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def until(what: str, is_so: Callable[[], Any]) -> Any:
    """Waits until something is so; the limit only ends a test that would wait forever."""
    limit = time.monotonic() + 60
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.005)


class Daemon:
    """`roost serve` in a folder of its own, which may be killed and started again at the same port."""

    def __init__(self, *arguments: str) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roost-"))
        self.arguments = ["--lease-check-interval", "10ms", *arguments]
        self.port = 0
        self.keys: Dict[str, str] = {}
        self.programs: List[subprocess.Popen[str]] = []
        self.start()

    def start(self) -> None:
        log = self.folder / "log"
        log.write_text("")
        with open(log, "a") as errors, open(self.folder / "keys", "w") as output:
            self.process = subprocess.Popen(
                [ROOST, "serve", "--dev", "--port", str(self.port), "--wal-dir", str(self.folder / "data"),
                 *self.arguments],
                stdout=output, stderr=errors, preexec_fn=_die_with_parent)
        found = until("the daemon listens", lambda: self._listening(log))
        self.port = int(found.group(1))
        if not self.keys:
            lines = (self.folder / "keys").read_text().splitlines()
            self.keys = dict(line.split("_key=") for line in lines if "_key=" in line)

    def _listening(self, log: pathlib.Path) -> Optional["re.Match[str]"]:
        if self.process.poll() is not None:
            raise AssertionError(log.read_text())
        return re.search(r"listening on http://.*:(\d+)\n", log.read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, kind: str = "client", **more: Any) -> roost.Client:
        return roost.Client(self.url, self.keys[kind], **more)

    def environment(self, kind: str) -> Dict[str, str]:
        return {**os.environ, "ROOST_URL": self.url, "ROOST_KEY": self.keys[kind], "PYTHONUNBUFFERED": "1"}

    def program(self, kind: str, script: str, *arguments: str) -> "subprocess.Popen[str]":
        """A Python program beside the daemon; its output is read by `communicate`."""
        program = subprocess.Popen(
            [sys.executable, "-c", script, *arguments], env=self.environment(kind), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent, cwd=self.folder)
        self.programs.append(program)
        return program

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        for program in self.programs:
            program.kill()
            program.communicate()
        self.kill()
        shutil.rmtree(self.folder)
