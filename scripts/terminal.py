#!/usr/bin/env python3
"""Runs a command in a pseudo terminal and plays keys to it, for the tests of what people see.

    terminal.py [--size 24x80] STEP... -- COMMAND [ARGUMENT...]

A step is `expect:TEXT` (waits until TEXT was shown since the last step that found something), `send:TEXT` (with \\r, \\x1b
and the like), `signal:NAME`, `size:ROWSxCOLUMNS`, `run:COMMAND` (beside it), or `wait` (until the command ends). The transcript goes to standard
output; the last line says `status=N restored=yes|no`: whether the terminal has the modes that it had before.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

LIMIT = int(os.environ.get("TERMINAL_LIMIT", "60"))  # seconds: only so that a fault ends the test


def main() -> int:
    arguments = sys.argv[1:]
    size = (24, 80)
    if arguments[:1] == ["--size"]:
        size = tuple(int(part) for part in arguments[1].split("x"))
        arguments = arguments[2:]
    place = arguments.index("--")
    steps, command = arguments[:place], arguments[place + 1 :]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    before = termios.tcgetattr(slave)
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for descriptor in (0, 1, 2):
            os.dup2(slave, descriptor)
        os.closerange(3, 256)
        os.execvp(command[0], command)
    transcript, found, status = b"", 0, None
    deadline = time.monotonic() + LIMIT

    def read(wait: float) -> bytes:
        ready, _, _ = select.select([master], [], [], wait)
        return os.read(master, 65536) if ready else b""

    try:
        for step in steps:
            kind, _, text = step.partition(":")
            if kind == "send":
                os.write(master, text.encode().decode("unicode_escape").encode())
            elif kind == "signal":
                os.kill(child, getattr(signal, "SIG" + text))
            elif kind == "size":
                rows, columns = (int(part) for part in text.split("x"))
                fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            elif kind == "run":
                subprocess.run(text, shell=True, check=True)
            elif kind == "expect":
                while (at := transcript.find(text.encode(), found)) < 0:
                    if time.monotonic() > deadline:
                        raise TimeoutError(step)
                    transcript += read(1)
                found = at + len(text.encode())
            elif kind != "wait":
                raise ValueError(step)
        while True:
            transcript += read(0.02)
            if status is None:
                ended, code = os.waitpid(child, os.WNOHANG)
                status = code if ended else None
            elif not (more := read(0.05)):
                break
            else:
                transcript += more
            if time.monotonic() > deadline:
                raise TimeoutError("the end of the command")
    except (TimeoutError, ValueError) as error:
        print(f"terminal.py: waited in vain for {error}", file=sys.stderr)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        status = None
    sys.stdout.buffer.write(transcript + b"\n")
    code = -1 if status is None else os.waitstatus_to_exitcode(status)
    restored = "yes" if termios.tcgetattr(slave) == before else "no"
    print(f"status={code} restored={restored}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
