"""Submits jobs to a Roost daemon and works on them, on the standard library alone.

    client = roost.Client("http://127.0.0.1:8080", key)
    job = client.submit({"to": "ada@example.org"}, queue="email")
    print(client.wait(job.id).result)

``Client`` and ``Worker`` use threads and may be used from many; ``AsyncClient`` and ``AsyncWorker`` are the same for
asyncio, over threads. Whatever a daemon refuses is a ``RoostError``, of a class that says what kind it is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import datetime
import http.client
import json
import logging
import os
import random
import re
import secrets
import select
import signal
import socket
import ssl
import threading
import time
import types
import urllib.parse
from typing import (
    Any, AsyncIterator, Awaitable, Callable, Dict, Generic, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple,
    Type, TypeVar, Union,
)

__version__ = "0.1.0"
__all__ = [
    "AlreadyEnded", "AsyncClient", "AsyncJobContext", "AsyncWorker", "Client", "Conflict", "DeadLetter", "Duration",
    "Extended", "Forbidden", "IdempotencyConflict", "InvalidRequest", "Job", "JobCancelled", "JobContext", "LeaseLost",
    "LeasedJob", "NewJob", "NoResult", "NotFound", "PermanentFailure", "Queue", "QueueFull", "Retry", "RoostError", "ServerError",
    "Snooze", "Submitted", "TimedOut", "Unauthorized", "Unavailable", "UnexpectedAnswer", "Unreachable", "Worker",
]

#: Seconds, or as the HTTP API writes it: ``"1h30m"``.
Duration = Union[int, float, datetime.timedelta, str]

_logger = logging.getLogger("roost")
_T = TypeVar("_T")
_H = TypeVar("_H")

# --- Errors ----------------------------------------------------------------------------------------------------------


class RoostError(Exception):
    """Why something was refused, or could not be asked.

    ``code`` is stable, ``message`` says what to do; ``status`` is None where no daemon answered.
    """

    def __init__(
        self, code: str, message: str, *, status: Optional[int] = None, request_id: Optional[str] = None,
        details: Optional[Mapping[str, Any]] = None, retry_after: Optional[float] = None, from_daemon: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        #: Under which the daemon logged the request.
        self.request_id = request_id
        self.details: Mapping[str, Any] = details or {}
        #: Seconds that the daemon asks to wait.
        self.retry_after = retry_after
        #: Whether the daemon itself said so, rather than something in front of it, or this library.
        self.from_daemon = from_daemon

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" (request {self.request_id})" if self.request_id else "")

    @property
    def field(self) -> Optional[str]:
        """The field of the request that is wrong."""
        field = self.details.get("field")
        return field if isinstance(field, str) else None

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later. The client has repeated it already."""
        if self.status is None:
            return self.code == "unreachable"
        return self.status in (408, 429, 502, 503, 504, 507) or (self.status >= 500 and not self.from_daemon)

    @property
    def _is_undecided(self) -> bool:
        return not self.from_daemon or self.is_retryable or self.status == 500


class Unreachable(RoostError):
    """No answer came. Whether the daemon did what was asked is not known, unless ``was_sent`` is False."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__("unreachable", message)
        self.was_sent = was_sent


class UnexpectedAnswer(RoostError):
    """What answered is no Roost daemon."""


class TimedOut(RoostError):
    """What a call waited for has not come in the time it was given."""


class NoResult(RoostError):
    """The job failed or was cancelled: ``code`` is ``no_result``, the message says why."""


class InvalidRequest(RoostError):
    """The request is wrong as it is: 400, 405, 413, 414, 415, 422, 431."""


class Unauthorized(RoostError):
    """401: the key is unknown, revoked or missing."""


class Forbidden(RoostError):
    """403: the key may not do this."""


class NotFound(RoostError):
    """404: there is no such thing, or the key may not see it."""


class Conflict(RoostError):
    """409: the job's state says no."""


class LeaseLost(Conflict):
    """Another worker may hold the job: stop working on it."""


class AlreadyEnded(Conflict):
    """This attempt was ended before with another outcome; ``details`` says which stands."""


class IdempotencyConflict(Conflict):
    """The idempotency key belongs to another job."""

    @property
    def existing_job_id(self) -> Optional[str]:
        found = self.details.get("existing_job_id")
        return found if isinstance(found, str) else None


class Unavailable(RoostError):
    """408, 429, 502, 503, 504, 507: busy, full, starting or stopping. Later it may work."""


class QueueFull(Unavailable):
    """429: the queue takes no more jobs now."""


class ServerError(RoostError):
    """500: the daemon could not answer."""


_BY_CODE: Mapping[str, Type[RoostError]] = {
    "lease_lost": LeaseLost, "already_ended": AlreadyEnded, "idempotency_conflict": IdempotencyConflict,
    "queue_full": QueueFull,
}
_BY_STATUS: Mapping[int, Type[RoostError]] = {
    400: InvalidRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 405: InvalidRequest, 408: Unavailable,
    409: Conflict, 413: InvalidRequest, 414: InvalidRequest, 415: InvalidRequest, 422: InvalidRequest,
    429: Unavailable, 431: InvalidRequest, 500: ServerError, 502: Unavailable, 503: Unavailable, 504: Unavailable,
    507: Unavailable,
}
# The status of what stands in an item of a batch, where no status is said.
_STATUS_OF_ITEM: Mapping[str, int] = {
    "queue_forbidden": 403, "forbidden_scope": 403, "job_not_found": 404, "lease_lost": 409, "already_ended": 409,
    "job_not_running": 409, "idempotency_conflict": 409, "payload_too_large": 413, "out_of_range": 422,
    "contradiction": 422, "too_many_queues": 422, "queue_full": 429, "overloaded": 503, "memory_low": 503,
    "outcome_unknown": 503, "stopping": 503, "starting": 503, "disk_low": 507, "draining": 409,
}


def _refusal(
    body: Mapping[str, Any], status: int, retry_after: Optional[float] = None, request_id: Optional[str] = None
) -> RoostError:
    code, message, details = str(body.get("code")), str(body.get("message")), body.get("details")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, RoostError)
    return kind(
        code, message, status=status, request_id=request_id, details=details if isinstance(details, dict) else None,
        retry_after=retry_after, from_daemon=True)


class PermanentFailure(Exception):
    """Raised by a handler: trying again would not help, the job becomes DEAD."""


class Retry(Exception):
    """Raised by a handler: failed, to be tried again ``after`` so long, while attempts are left."""

    def __init__(self, error: str, after: Optional[Duration] = None) -> None:
        super().__init__(error)
        self.after = after


class Snooze(Exception):
    """Raised by a handler: not now. The job comes back after the delay, and the attempt does not count."""

    def __init__(self, delay: Duration) -> None:
        super().__init__(f"snoozed for {_duration(delay)}")
        self.delay = delay


class JobCancelled(Exception):
    """Raised in a handler by ``JobContext.check`` and ``progress``: stop working on the job."""


# --- What the daemon tells -------------------------------------------------------------------------------------------


def _time(value: Any) -> Optional[datetime.datetime]:
    if not isinstance(value, str):
        return None
    return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))


def _sure_time(value: Any) -> datetime.datetime:
    time = _time(value)
    if time is None:
        raise UnexpectedAnswer("unexpected_answer", f"{value!r} is no time")
    return time


_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _seconds(value: Duration) -> float:
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        parts = re.findall(r"([0-9.]+)(ms|[dhms])", value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            raise ValueError(f"{value!r} is no duration: write 30s, 1h30m, 250ms")
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return float(value)


def _duration(value: Duration) -> str:
    """As the daemon takes it."""
    if isinstance(value, str):
        return value
    seconds = _seconds(value)
    if not 0 <= seconds < 1e12:
        raise ValueError(f"a duration must be 0 seconds or more, got {value!r}")
    return f"{round(seconds * 1000)}ms"


@dataclasses.dataclass(frozen=True)
class Submitted:
    """A job that is on the daemon's disk."""

    id: str
    state: str
    queue: str
    run_at: datetime.datetime
    created_at: datetime.datetime
    #: The idempotency key had been used before: this is the job of that time.
    is_duplicate: bool

    @classmethod
    def _of(cls, body: Mapping[str, Any]) -> Submitted:
        return cls(
            body["job_id"], body["state"], body["queue"], _sure_time(body["run_at"]), _sure_time(body["created_at"]),
            bool(body.get("idempotent")))


@dataclasses.dataclass(frozen=True)
class Job:
    """What is known of a job."""

    id: str
    state: str
    queue: str
    type: str
    priority: int
    attempts: int
    #: None: unlimited.
    max_retries: Optional[int]
    owner_id: str
    created_at: datetime.datetime
    group: Optional[str]
    run_at: Optional[datetime.datetime]
    started_at: Optional[datetime.datetime]
    lease_until: Optional[datetime.datetime]
    finished_at: Optional[datetime.datetime]
    worker_id: Optional[str]
    cancel_requested: bool
    result: Any
    progress: Any
    #: The text of the last failure.
    error: Optional[str]
    cancel_reason: Optional[str]
    metadata: Mapping[str, str]
    tags: Sequence[str]
    traceparent: Optional[str]
    tracestate: Optional[str]
    #: None where it was not asked for.
    payload: Any
    #: Everything, as it was sent.
    raw: Mapping[str, Any] = dataclasses.field(repr=False)

    @property
    def is_final(self) -> bool:
        return self.state in ("ACKED", "DEAD", "CANCELLED")

    @classmethod
    def _of(cls, body: Mapping[str, Any]) -> Job:
        return cls(
            body["job_id"], body["state"], body["queue"], body["type"], body["priority"], body["attempts"],
            _retries(body["max_retries"]), body["owner_id"], _sure_time(body["created_at"]), body.get("group"),
            _time(body.get("run_at")), _time(body.get("started_at")), _time(body.get("lease_until")),
            _time(body.get("finished_at")), body.get("worker_id"), bool(body.get("cancel_requested")),
            body.get("result"), body.get("progress"), body.get("result_error"), body.get("cancel_reason"),
            body.get("metadata") or {}, body.get("tags") or [], body.get("traceparent"),
            body.get("tracestate"), body.get("payload"), body)


@dataclasses.dataclass(frozen=True)
class LeasedJob:
    """A job that is this worker's until its lease ends."""

    id: str
    #: The fencing token: it belongs to this attempt only.
    lease_id: str
    payload: Any
    type: str
    queue: str
    group: Optional[str]
    priority: int
    #: 1 for the first attempt.
    attempt: int
    #: None: unlimited.
    max_retries: Optional[int]
    #: By the daemon's clock.
    lease_until: datetime.datetime
    #: How long the lease is, in seconds.
    lease: float
    created_at: datetime.datetime
    metadata: Mapping[str, str]
    tags: Sequence[str]
    traceparent: Optional[str]
    tracestate: Optional[str]
    raw: Mapping[str, Any] = dataclasses.field(repr=False)

    @classmethod
    def _of(cls, body: Mapping[str, Any]) -> LeasedJob:
        return cls(
            body["job_id"], body["lease_id"], body["payload"], body["type"], body["queue"], body.get("group"),
            body["priority"], body["attempt"], _retries(body["max_retries"]), _sure_time(body["lease_until"]),
            _seconds(str(body["lease"])), _sure_time(body["created_at"]), body.get("metadata") or {},
            body.get("tags") or [], body.get("traceparent"), body.get("tracestate"), body)


@dataclasses.dataclass(frozen=True)
class Extended:
    """What the daemon says when a lease is extended."""

    lease_until: datetime.datetime
    #: Somebody has cancelled the job: end it.
    cancel_requested: bool
    #: The progress was too large to be kept.
    progress_dropped: bool


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    """A job whose attempts are spent, or that failed for good."""

    id: str
    queue: str
    reason: str
    last_error: Optional[str]
    attempts: int
    dead_at: Optional[datetime.datetime]
    payload: Any
    raw: Mapping[str, Any] = dataclasses.field(repr=False)

    @classmethod
    def _of(cls, body: Mapping[str, Any]) -> DeadLetter:
        return cls(
            body["job_id"], body["queue"], str(body.get("reason", "")), body.get("last_error"),
            int(body.get("attempts", 0)), _time(body.get("dead_at")), body.get("payload"), body)


@dataclasses.dataclass(frozen=True)
class Queue:
    """What there is in a queue."""

    name: str
    #: Jobs by state.
    counts: Mapping[str, int]
    paused: bool
    settings: Mapping[str, Any]
    raw: Mapping[str, Any] = dataclasses.field(repr=False)

    @classmethod
    def _of(cls, body: Mapping[str, Any]) -> Queue:
        return cls(body["name"], body["counts"], bool(body.get("paused")), body.get("settings") or {}, body)


def _retries(value: Any) -> Optional[int]:
    return None if value == "unlimited" else int(value)


@dataclasses.dataclass(frozen=True)
class NewJob:
    """A job to be submitted. What is None the queue, or the daemon, decides.

    ``payload`` is anything that ``json`` can write. ``priority`` is −128 to 127, or ``low``, ``medium``, ``high``,
    ``critical``. ``max_retries`` is 0 to 1000 or ``"unlimited"``. ``retry`` is a policy such as
    ``{"initial": "2s", "factor": 2, "max": "60s", "jitter": "full"}``. Jobs of one ``idempotency_key`` are one job;
    without one the client makes one for each call, so that a request that is repeated makes no second job.
    """

    payload: Any
    queue: Optional[str] = None
    type: Optional[str] = None
    group: Optional[str] = None
    priority: Union[int, str, None] = None
    delay: Optional[Duration] = None
    run_at: Optional[datetime.datetime] = None
    max_retries: Union[int, str, None] = None
    retry: Optional[Mapping[str, Any]] = None
    lease: Optional[Duration] = None
    retention: Optional[Duration] = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    traceparent: Optional[str] = None
    idempotency_key: Optional[str] = None
    tracestate: Optional[str] = None

    def _body(self) -> Dict[str, Any]:
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise ValueError("run_at must have a time zone, such as datetime.timezone.utc")
        fields = {
            "queue": self.queue, "type": self.type, "group": self.group, "priority": self.priority,
            "delay": None if self.delay is None else _duration(self.delay),
            "run_at": None if self.run_at is None else self.run_at.isoformat(timespec="milliseconds"),
            "max_retries": self.max_retries, "retry": self.retry,
            "lease": None if self.lease is None else _duration(self.lease),
            "retention": None if self.retention is None else _duration(self.retention),
            "tags": list(self.tags) or None, "metadata": dict(self.metadata) or None, "traceparent": self.traceparent,
            "tracestate": self.tracestate, "idempotency_key": self.idempotency_key or "py-" + secrets.token_hex(16),
        }
        return {"payload": self.payload, **{name: value for name, value in fields.items() if value is not None}}


#: A leased job, or its id and lease id.
Held = Union[LeasedJob, Tuple[str, str]]

# --- Requests --------------------------------------------------------------------------------------------------------


def _encoded(body: Any) -> bytes:
    """UTF-8 without NaN, infinities and lone surrogates, none of which is JSON: ``ValueError``."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


class _Poll:
    """A request that waits, and that another thread can end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Optional[socket.socket] = None
        self._is_aborted = False

    @property
    def is_aborted(self) -> bool:
        return self._is_aborted

    def _attach(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._socket = connection.sock
            if self._is_aborted:
                self._end()

    def _detach(self) -> None:
        with self._lock:
            self._socket = None

    def abort(self) -> None:
        """Closes this side of the connection: the daemon then leases nothing for it."""
        with self._lock:
            self._is_aborted = True
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class _Backoff:
    """Pauses that double, half of each random, so that clients do not come back all at once."""

    def __init__(self) -> None:
        self._next = 0.05

    def pause(self, at_least: Optional[float] = None) -> float:
        pause = self._next / 2 + random.random() * self._next / 2
        self._next = min(self._next * 2, 5.0)
        return max(pause, min(at_least or 0.0, 60.0))

    def reset(self) -> None:
        self._next = 0.05


class _Transport:
    """Connections to one daemon, each used by one thread at a time."""

    _MAX_IDLE = 32

    def __init__(self, url: str, key: str, timeout: float, deadline: float, tls: Optional[ssl.SSLContext]) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the URL must look like http://127.0.0.1:8080")
        if parts.username or parts.password:
            raise ValueError("the URL must not have a user or password: the key is given by itself")
        if not key or not all("\x21" <= character <= "\x7e" for character in key):
            raise ValueError("this is no API key: it must be visible ASCII, without spaces")
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._key = key
        self.url = f"{parts.scheme}://{parts.netloc}{self._prefix}"
        self.timeout = timeout
        self.deadline = deadline
        # With the time since when each is idle.
        self._idle: List[Tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def send(
        self, method: str, path: str, body: Any = None, *, wait: float = 0.0, is_idempotent: bool = True,
        poll: Optional[_Poll] = None,
    ) -> Dict[str, Any]:
        """Asks again where that is safe and may help, for at most ``deadline`` seconds."""
        content = None if body is None else _encoded(body)
        begun, backoff = time.monotonic(), _Backoff()
        while True:
            try:
                return self.send_once(method, path, content, wait=wait, poll=poll)
            except RoostError as error:
                pause = backoff.pause(error.retry_after)
                is_safe = is_idempotent or _was_not_taken(error)
                is_late = time.monotonic() + pause - begun > self.deadline
                if not error.is_retryable or not is_safe or is_late or (poll is not None and poll.is_aborted):
                    raise
                _logger.debug("asking again: %s %s: %s", method, path, error)
                time.sleep(pause)

    def send_once(
        self, method: str, path: str, content: Optional[bytes], *, wait: float = 0.0, timeout: Optional[float] = None,
        poll: Optional[_Poll] = None,
    ) -> Dict[str, Any]:
        limit = (self.timeout if timeout is None else timeout) + wait
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        connection = self._take(limit)
        was_sent = False
        try:
            try:
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(limit)
                if poll is not None:
                    poll._attach(connection)
                was_sent = True
                connection.request(method, self._prefix + path, content, headers)
                response = connection.getresponse()
                answer = response.read()
            finally:
                if poll is not None:
                    poll._detach()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            reason = str(error) or type(error).__name__
            raise Unreachable(f"no answer from {self.url}: {reason}", was_sent=was_sent) from error
        if response.will_close:
            connection.close()
        else:
            self._give(connection)
        return self._judge(response, answer)

    def _take(self, limit: float) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            # What can be read from an idle connection is its end. The daemon closes after two minutes.
            readable, _, _ = select.select([connection.sock], [], [], 0)
            if not readable and time.monotonic() - since < 60:
                return connection
            connection.close()
        connect = min(limit, 10.0)
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=connect, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=connect)

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < self._MAX_IDLE:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def _judge(self, response: http.client.HTTPResponse, answer: bytes) -> Dict[str, Any]:
        try:
            body = json.loads(answer)
        except ValueError:
            body = None
        retry_after = response.getheader("Retry-After", "")
        seconds = float(retry_after) if retry_after.isdigit() else None
        request_id = response.getheader("X-Request-ID")
        if 200 <= response.status < 300:
            if isinstance(body, dict):
                return body
        elif isinstance(body, dict) and isinstance(body.get("code"), str) and "message" in body:
            raise _refusal(body, response.status, seconds, request_id)
        elif response.status >= 500 or response.status in (408, 429):
            raise _BY_STATUS.get(response.status, Unavailable)(
                "unexpected_answer", f"status {response.status}, and no answer of a Roost daemon",
                status=response.status, retry_after=seconds)
        raise UnexpectedAnswer(
            "unexpected_answer", f"status {response.status}, and no answer of a Roost daemon", status=response.status)


def _was_not_taken(error: RoostError) -> bool:
    if isinstance(error, Unreachable):
        return not error.was_sent
    return error.from_daemon and error.is_retryable and error.code != "outcome_unknown"


def _path(*parts: str) -> str:
    return "".join("/" + urllib.parse.quote(part, safe="") for part in parts)


def _query(**fields: Union[str, int, None]) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return "?" + urllib.parse.urlencode(given) if given else ""


# --- The client ------------------------------------------------------------------------------------------------------


class Client:
    """A handle on connections to one daemon: make one, use it from any thread.

    A request is repeated by itself where that is safe and may help: no answer came, or the daemon is busy or away.
    Proxies of the environment are not used.

    :param timeout: Seconds that one attempt may take, long polls not counted.
    :param deadline: Seconds after which no further attempt begins; 0 asks once.
    :param tls: For ``https``; without, the system's authorities are trusted.
    """

    _LONG_POLL = 30.0

    def __init__(
        self, url: str, key: str, *, timeout: float = 30.0, deadline: float = 60.0,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._transport = _Transport(url, key, timeout, deadline, tls)

    @classmethod
    def from_environment(cls, *, timeout: float = 30.0, deadline: float = 60.0) -> Client:
        """By ``ROOST_URL``, ``ROOST_KEY``, and for ``https`` ``ROOST_CA``, ``ROOST_CERT``, ``ROOST_CERT_KEY``."""
        key = os.environ.get("ROOST_KEY")
        if not key:
            raise ValueError("there is no API key: set the environment variable ROOST_KEY")
        tls = ssl.create_default_context(cafile=os.environ.get("ROOST_CA") or None)
        if os.environ.get("ROOST_CERT"):
            tls.load_cert_chain(os.environ["ROOST_CERT"], os.environ.get("ROOST_CERT_KEY") or None)
        url = os.environ.get("ROOST_URL") or "http://127.0.0.1:8080"
        return cls(url, key, timeout=timeout, deadline=deadline, tls=tls)

    def close(self) -> None:
        """Closes what is open and not in use."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What clients do.

    def submit(
        self, payload: Any, *, queue: Optional[str] = None, type: Optional[str] = None, group: Optional[str] = None,
        priority: Union[int, str, None] = None, delay: Optional[Duration] = None,
        run_at: Optional[datetime.datetime] = None, max_retries: Union[int, str, None] = None,
        retry: Optional[Mapping[str, Any]] = None, lease: Optional[Duration] = None,
        retention: Optional[Duration] = None, tags: Sequence[str] = (), metadata: Optional[Mapping[str, str]] = None,
        traceparent: Optional[str] = None, idempotency_key: Optional[str] = None, tracestate: Optional[str] = None,
    ) -> Submitted:
        """Submits a job, see ``NewJob``. When this returns it is on the daemon's disk."""
        job = NewJob(
            payload, queue, type, group, priority, delay, run_at, max_retries, retry, lease, retention, tags,
            metadata or {}, traceparent, idempotency_key, tracestate)
        return Submitted._of(self._transport.send("POST", "/jobs", job._body()))

    def submit_many(self, jobs: Iterable[NewJob]) -> List[Union[Submitted, RoostError]]:
        """Submits jobs in as few requests as fit them, 1,000 or 8 MiB each.

        Each is accepted or refused by itself: the results, in the order of the jobs, are not raised. Where a whole
        request failed, each of its jobs has that error, and the requests after it are sent all the same.
        """
        results: List[Union[Submitted, RoostError]] = []
        for batch in _batches(job._body() for job in jobs):
            try:
                answer = self._transport.send("POST", "/jobs/batch", {"jobs": batch})["results"]
            except RoostError as error:
                results += [error] * len(batch)
                continue
            for item in answer:
                if "code" in item:
                    results.append(_refusal(item, _STATUS_OF_ITEM.get(item["code"], 400)))
                else:
                    results.append(Submitted._of(item))
        return results

    def get(self, job_id: str, *, payload: bool = False) -> Job:
        """What is known of a job. :raises NotFound:"""
        return Job._of(self._transport.send("GET", _path("jobs", job_id) + ("?payload=true" if payload else "")))

    def history(self, job_id: str) -> List[Mapping[str, Any]]:
        """The last 20 attempts, the last first."""
        return list(self._transport.send("GET", _path("jobs", job_id, "history"))["items"])

    def wait(self, job_id: str, timeout: Optional[Duration] = None) -> Job:
        """The job once it is ACKED, DEAD or CANCELLED, by long polls.

        :param timeout: None waits as long as it takes.
        :raises TimedOut: The job goes on.
        """
        return self._wait(_Poll(), job_id, timeout)

    def _wait(self, poll: _Poll, job_id: str, timeout: Optional[Duration]) -> Job:
        end = None if timeout is None else time.monotonic() + _seconds(timeout)
        backoff = _Backoff()
        while True:
            begun = time.monotonic()
            wait = self._LONG_POLL if end is None else max(0.0, min(self._LONG_POLL, end - begun))
            path = _path("jobs", job_id) + _query(wait=_duration(wait))
            job = Job._of(self._transport.send("GET", path, wait=wait, poll=poll))
            if job.is_final:
                return job
            now = time.monotonic()
            if end is not None and now >= end:
                raise TimedOut("timed_out", f"job {job_id} is still {job.state}")
            # A daemon that stops ends its long polls early: no reason to ask at full speed.
            if now - begun < wait / 2:
                time.sleep(backoff.pause())
            else:
                backoff.reset()

    def result(self, job_id: str, timeout: Optional[Duration] = None) -> Any:
        """Waits for a job and returns what its worker gave back. :raises NoResult: It failed or was cancelled."""
        return _result(self.wait(job_id, timeout))

    def cancel(self, job_id: str, reason: Optional[str] = None) -> str:
        """Calls a job off. :returns: CANCELLED, or RUNNING: its worker hears of it."""
        body = {} if reason is None else {"reason": reason}
        return str(self._transport.send("POST", _path("jobs", job_id, "cancel"), body)["state"])

    def retry(self, job_id: str) -> str:
        """Runs a job now that waits, or again if it is DEAD or CANCELLED.

        It is sent again only where the daemon certainly did not do it; after ``Unreachable`` ask for the job first.
        """
        return str(self._transport.send("POST", _path("jobs", job_id, "retry"), is_idempotent=False)["state"])

    def delete(self, job_id: str) -> str:
        """Removes a job that has ended. :returns: What it was."""
        return str(self._transport.send("DELETE", _path("jobs", job_id))["state"])

    def jobs(
        self, *, queue: Optional[str] = None, state: Optional[str] = None, page_size: int = 100
    ) -> Iterator[Job]:
        """Jobs, newest first, fetched page by page."""
        for item in self._pages("/jobs", queue=queue, state=state, limit=page_size):
            yield Job._of(item)

    # Queues and dead letters.

    def queues(self) -> Iterator[Queue]:
        """The queues that the key may use."""
        for item in self._transport.send("GET", "/queues")["items"]:
            yield Queue._of(item)

    def queue(self, name: str) -> Queue:
        """A queue. :raises NotFound: It begins with its first job."""
        return Queue._of(self._transport.send("GET", _path("queues", name)))

    def pause_queue(self, name: str, reason: Optional[str] = None) -> Queue:
        """Gives no job of the queue to workers until it is resumed (a key that manages queues)."""
        body = {} if reason is None else {"reason": reason}
        return Queue._of(self._transport.send("POST", _path("queues", name, "pause"), body))

    def resume_queue(self, name: str) -> Queue:
        """Ends a pause."""
        return Queue._of(self._transport.send("POST", _path("queues", name, "resume")))

    def dead_letters(self, *, queue: Optional[str] = None, page_size: int = 100) -> Iterator[DeadLetter]:
        """Jobs that are DEAD, newest first, fetched page by page."""
        for item in self._pages("/dlq", queue=queue, limit=page_size):
            yield DeadLetter._of(item)

    def dead_letter(self, job_id: str, *, payload: bool = False) -> DeadLetter:
        """A dead letter. :raises NotFound:"""
        return DeadLetter._of(
            self._transport.send("GET", _path("dlq", job_id) + ("?payload=true" if payload else "")))

    def replay_dead_letter(self, job_id: str) -> str:
        """Runs a dead job again (a key that manages queues); sent again as ``retry`` is."""
        return str(self._transport.send("POST", _path("dlq", job_id, "replay"), is_idempotent=False)["state"])

    def delete_dead_letter(self, job_id: str) -> None:
        """Removes a dead letter (a key that manages queues)."""
        self._transport.send("DELETE", _path("dlq", job_id))

    def _pages(self, path: str, **fields: Union[str, int, None]) -> Iterator[Mapping[str, Any]]:
        cursor: Optional[str] = None
        while True:
            page = self._transport.send("GET", path + _query(cursor=cursor, **fields))
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    # What workers do.

    def lease(
        self, queues: Sequence[str] = ("default",), *, max_jobs: int = 1, wait: Duration = 0,
        lease: Optional[Duration] = None, worker_id: Optional[str] = None, order: Optional[str] = None,
        weights: Optional[Mapping[str, int]] = None,
    ) -> List[LeasedJob]:
        """Takes jobs to work on: as many as there are, none if none comes within ``wait``, at most 60 s.

        :param order: ``listed``: of the first queue that has one; else the job with the highest priority.
        :param weights: Instead of queues and order: queues with a weight each.
        """
        return self._lease(_Poll(), queues, max_jobs, _seconds(wait), lease, worker_id, order, weights)

    def _lease(
        self, poll: _Poll, queues: Sequence[str], max_jobs: int, wait: float, lease: Optional[Duration],
        worker_id: Optional[str], order: Optional[str], weights: Optional[Mapping[str, int]], once: bool = False,
    ) -> List[LeasedJob]:
        body: Dict[str, Any] = {"max_jobs": max_jobs}
        if weights:
            body["weights"] = dict(weights)
        else:
            body["queues"] = list(queues)
            if order is not None:
                body["order"] = order
        if wait > 0:
            body["wait"] = _duration(wait)
        if lease is not None:
            body["lease"] = _duration(lease)
        if worker_id is not None:
            body["worker_id"] = worker_id
        if once:
            answer = self._transport.send_once("POST", "/jobs/lease", _encoded(body), wait=wait, poll=poll)
        else:
            # Jobs whose answer was lost are leased until their lease ends: not asked for again blindly.
            answer = self._transport.send("POST", "/jobs/lease", body, wait=wait, is_idempotent=False, poll=poll)
        if not isinstance(answer.get("jobs"), list):
            raise UnexpectedAnswer("unexpected_answer", "the answer has no jobs as the contract describes them")
        return [LeasedJob._of(job) for job in answer["jobs"]]

    def ack(self, job: Held, result: Any = None) -> str:
        """Done. :returns: The job's state. :raises LeaseLost: It is another worker's."""
        body = {} if result is None else {"result": result}
        return self._end(job, "ack", body)

    def fail(
        self, job: Held, error: str, *, retryable: bool = True, retry_after: Optional[Duration] = None,
        hold_group: Optional[Duration] = None,
    ) -> str:
        """Failed: RETRY while attempts are left, then DEAD; DEAD at once if not retryable."""
        body: Dict[str, Any] = {"error": _bounded(error), "retryable": retryable}
        if retry_after is not None:
            body["retry_after"] = _duration(retry_after)
        if hold_group is not None:
            body["hold_group"] = _duration(hold_group)
        return self._end(job, "fail", body)

    def release(
        self, job: Held, delay: Optional[Duration] = None, *, hold_group: Optional[Duration] = None
    ) -> str:
        """Hands a job back; the attempt is not spent."""
        body: Dict[str, Any] = {} if delay is None else {"delay": _duration(delay)}
        if hold_group is not None:
            body["hold_group"] = _duration(hold_group)
        return self._end(job, "release", body)

    def extend(self, job: Held, lease: Optional[Duration] = None, *, progress: Any = None) -> Extended:
        """Keeps a job, counted from now: as long as it was leased for, or ``lease``.

        :param progress: How far it is: anything small that is JSON.
        :raises LeaseLost: It is another worker's.
        """
        body: Dict[str, Any] = {} if lease is None else {"lease": _duration(lease)}
        if progress is not None:
            body["progress"] = progress
        job_id, lease_id = _held(job)
        answer = self._transport.send("POST", _path("jobs", job_id, "extend"), {"lease_id": lease_id, **body})
        return Extended(
            _sure_time(answer.get("lease_until")), bool(answer.get("cancel_requested")),
            bool(answer.get("progress_dropped")))

    def _end(self, job: Held, verb: str, body: Mapping[str, Any]) -> str:
        job_id, lease_id = _held(job)
        return str(self._transport.send("POST", _path("jobs", job_id, verb), {"lease_id": lease_id, **body})["state"])


def _result(job: Job) -> Any:
    if job.state != "ACKED":
        why = job.error if job.state == "DEAD" else job.cancel_reason
        raise NoResult("no_result", f"job {job.id} is {job.state}" + (f": {why}" if why else ""))
    return job.result


def _held(job: Held) -> Tuple[str, str]:
    return (job.id, job.lease_id) if isinstance(job, LeasedJob) else job


def _bounded(error: str) -> str:
    """What an exception says may hold anything; the daemon takes 16 KiB of UTF-8."""
    text = (error or "failed without saying why").encode("utf-8", "replace")
    return text.decode("utf-8") if len(text) <= 8192 else text[:8192].decode("utf-8", "ignore") + "…"


def _batches(jobs: Iterable[Dict[str, Any]]) -> Iterator[List[Dict[str, Any]]]:
    batch: List[Dict[str, Any]] = []
    size = 0
    for job in jobs:
        length = len(_encoded(job)) + 1
        if batch and (len(batch) == 1_000 or size + length > (8 << 20) - 64):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += length
    if batch:
        yield batch


# --- The worker ------------------------------------------------------------------------------------------------------


class _Context:
    """What a handler knows of its job."""

    def __init__(self, session: _Session, record: _Record) -> None:
        self._session = session
        self._record = record
        #: All that the lease told.
        self.job = record.job
        self.id = record.job.id
        self.payload = record.job.payload
        self.type = record.job.type
        self.queue = record.job.queue
        self.group = record.job.group
        #: 1 for the first attempt.
        self.attempt = record.job.attempt
        self.metadata = record.job.metadata
        self.tags = record.job.tags
        self.traceparent = record.job.traceparent
        self.tracestate = record.job.tracestate
        #: The fencing token: written into your own store with the effect, it tells which attempt had it.
        self.lease_id = record.job.lease_id

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt leaves the job DEAD."""
        return self.job.max_retries is not None and self.attempt > self.job.max_retries

    @property
    def cancelled(self) -> bool:
        """Whether to stop: the job was cancelled, its lease is lost, or the worker's time is over."""
        return self._record.cancelled.is_set()

    def check(self) -> None:
        """:raises JobCancelled: if the handler is to stop."""
        if self.cancelled:
            raise JobCancelled(self._record.reason or "cancelled")


class JobContext(_Context):
    """What a handler knows of its job, and how it says how far it is.

    A thread cannot be stopped from outside: a handler that runs for long calls ``check`` or ``progress`` now and then.
    """

    def wait_cancelled(self, timeout: Duration) -> bool:
        """Sleeps, unless the handler is to stop: then True, at once."""
        return self._record.cancelled.wait(_seconds(timeout))

    def progress(self, value: Any) -> None:
        """Says how far the job is, at most 16 KiB of JSON; extends the lease, too. Dropped where no daemon answers.

        :raises JobCancelled: if the handler is to stop.
        """
        self._session.report(self._record, value)


class AsyncJobContext(_Context):
    """The same for asyncio: a handler that is to stop has its task cancelled."""

    async def progress(self, value: Any) -> None:
        """As ``JobContext.progress``."""
        await asyncio.get_running_loop().run_in_executor(None, self._session.report, self._record, value)


class _Record:
    """A leased job, from its lease to the moment its outcome is known."""

    def __init__(self, job: LeasedJob, now: float) -> None:
        self.job = job
        self.cancelled = threading.Event()
        #: Why the handler is to stop: ``cancelled``, ``lost``, ``ended``, ``drained``.
        self.reason: Optional[str] = None
        self.has_concluded = False
        self.is_forgotten = False
        self.extend_at = now + job.lease / 3
        self.ends_at = now + job.lease
        self.on_cancel: Optional[Callable[[], object]] = None


#: What is told of an attempt: ``ack``, ``fail`` or ``release``, and its fields.
_Outcome = Tuple[str, Dict[str, Any]]


class _Session:
    """One run of a worker: takes jobs, extends their leases, tells what became of them, and stops."""

    #: Seconds that a cancelled handler gets to end by itself before its job is handed back without it.
    GRACE = 2.0

    def __init__(self, worker: _Worker[Any], call: Callable[[_Session, _Record], Any]) -> None:
        self._worker = worker
        self._transport = worker.client._transport
        self._call = call
        self._changed = threading.Condition()
        self._records: Dict[str, _Record] = {}
        self._stopping = threading.Event()
        self._aborted = threading.Event()
        self._has_ended = False
        self._poll = _Poll()

    def run(self) -> None:
        keeper = threading.Thread(target=self._keep_leases, name="roost-leases", daemon=True)
        keeper.start()
        try:
            self._lease_jobs()
        finally:
            self._finish()
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()
            keeper.join()

    def stop(self) -> None:
        """Takes no more jobs; what runs may finish."""
        self._stopping.set()
        self._poll.abort()
        # Not by the condition, whose lock the thread may hold that a signal has interrupted.
        threading.Thread(target=self._wake, daemon=True).start()

    def abort(self) -> None:
        """Has what runs stop now."""
        self._aborted.set()
        self.stop()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # Leasing.

    def _lease_jobs(self) -> None:
        worker, backoff = self._worker, _Backoff()
        while True:
            with self._changed:
                while not self._stopping.is_set() and len(self._records) >= worker.concurrency:
                    self._changed.wait()
                free = worker.concurrency - len(self._records)
            if self._stopping.is_set():
                return
            begun = time.monotonic()
            try:
                jobs = worker.client._lease(
                    self._poll, worker.queues, min(free, 1000), worker.poll_wait, worker.lease, worker.worker_id,
                    worker.order, worker.weights, once=True)
            except RoostError as error:
                if self._stopping.is_set():
                    return
                if error.from_daemon and error.status in (401, 403, 422):
                    raise
                _logger.warning("no lease, asking again: %s", error)
                self._stopping.wait(backoff.pause(error.retry_after))
                continue
            for job in jobs:
                self._start(job)
            # A daemon that stops answers early: asking on at once would spin.
            if not jobs and time.monotonic() - begun < worker.poll_wait / 2:
                self._stopping.wait(backoff.pause())
            else:
                backoff.reset()

    def _start(self, job: LeasedJob) -> None:
        record = _Record(job, time.monotonic())
        with self._changed:
            self._records[job.lease_id] = record
            self._changed.notify_all()
        threading.Thread(target=self._work, args=(record,), name=f"roost-{job.id}", daemon=True).start()

    def _work(self, record: _Record) -> None:
        outcome = self._conclude(record)
        with self._changed:
            record.has_concluded = True
            is_told = not record.is_forgotten and record.reason != "lost"
        try:
            if is_told:
                self._tell(record, outcome)
        finally:
            with self._changed:
                self._records.pop(record.job.lease_id, None)
                self._changed.notify_all()

    def _conclude(self, record: _Record) -> _Outcome:
        try:
            return self._completed(self._call(self, record))
        except Snooze as snooze:
            return "release", {"delay": _duration(snooze.delay)}
        except PermanentFailure as failure:
            return "fail", {"error": _bounded(str(failure)), "retryable": False}
        except Retry as retry:
            body = {"error": _bounded(str(retry))}
            if retry.after is not None:
                body["retry_after"] = _duration(retry.after)
            return "fail", body
        except BaseException as error:  # pylint: disable=broad-except
            if record.reason in ("drained", "ended"):
                # Handed back: if the lease still counts with the daemon another worker gets the job at once.
                return "release", {}
            if not isinstance(error, (JobCancelled, asyncio.CancelledError, concurrent.futures.CancelledError)):
                _logger.warning("job %s: attempt %d failed", record.job.id, record.job.attempt, exc_info=error)
            name = type(error).__name__
            return "fail", {
                "error": _bounded(f"{name}: {error}" if str(error) else name), "retryable": record.reason is None}

    def _completed(self, result: Any) -> _Outcome:
        body = {} if result is None else {"result": result}
        try:
            _encoded(body)
        except (TypeError, ValueError, RecursionError) as error:
            return "fail", {"error": _bounded(f"the result is no JSON: {error}"), "retryable": False}
        return "ack", body

    # Telling.

    def _tell(self, record: _Record, outcome: _Outcome) -> None:
        backoff, is_second = _Backoff(), False
        while True:
            is_last = self._aborted.is_set()
            verb, body = outcome
            try:
                self._send(record, verb, body)
                return
            except RoostError as error:
                if error.from_daemon and (error.status == 409 or error.code == "job_not_found"):
                    _logger.warning("job %s: the lease was lost before the outcome was told", record.job.id)
                    return
                if error._is_undecided:
                    if is_last or record.reason == "lost":
                        _logger.warning("job %s: the outcome is not known to the daemon: %s", record.job.id, error)
                        return
                    self._aborted.wait(backoff.pause(error.retry_after))
                elif is_second or error.status in (401, 403):
                    _logger.error("job %s: the outcome was refused: %s", record.job.id, error)
                    return
                else:
                    # Such as a result that is too large: it will not be taken a second time either.
                    outcome, is_second = (
                        "fail", {"error": f"the outcome was refused: {error}", "retryable": False}), True

    def _send(self, record: _Record, verb: str, body: Mapping[str, Any], timeout: Optional[float] = None) -> None:
        content = _encoded({"lease_id": record.job.lease_id, **body})
        answer = self._transport.send_once("POST", _path("jobs", record.job.id, verb), content, timeout=timeout)
        if "state" not in answer:
            raise UnexpectedAnswer("unexpected_answer", "the answer has no state as the contract describes it")

    # Leases.

    def _keep_leases(self) -> None:
        while True:
            with self._changed:
                if self._has_ended:
                    return
                now = time.monotonic()
                records = [record for record in self._records.values() if record.reason not in ("lost", "ended")]
                ended = [record for record in records if record.ends_at <= now and not record.has_concluded]
                due = [record for record in records if record.extend_at <= now and record not in ended]
                if not ended and not due:
                    following = [record.extend_at for record in records]
                    following += [record.ends_at for record in records if not record.has_concluded]
                    self._changed.wait(min(following) - now if following else None)
                    continue
            for record in ended:
                _logger.warning("job %s: the lease has ended by this worker's clock", record.job.id)
                self._cancel(record, "ended")
            for first in range(0, len(due), 1000):
                self._extend(due[first:first + 1000])

    def _extend(self, records: Sequence[_Record]) -> None:
        items = [self._extension(record) for record in records]
        shortest = min(record.job.lease for record in records)
        asked = time.monotonic()
        try:
            answer = self._transport.send_once(
                "POST", "/jobs/extend", _encoded({"items": items}), timeout=max(shortest / 3, 0.1))
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != len(records):
                raise UnexpectedAnswer("unexpected_answer", "the answer has no results as the contract describes them")
        except RoostError as error:
            _logger.warning("leases could not be extended: %s", error)
            results = [{"code": "unreachable"}] * len(records)
        for record, result in zip(records, results):
            self._note(record, result, asked)

    def _extension(self, record: _Record) -> Dict[str, Any]:
        return {"job_id": record.job.id, "lease_id": record.job.lease_id, **self._wanted_lease()}

    def _wanted_lease(self) -> Dict[str, Any]:
        return {} if self._worker.lease is None else {"lease": _duration(self._worker.lease)}

    def _note(self, record: _Record, result: Mapping[str, Any], asked: float) -> None:
        code, length = result.get("code"), record.job.lease
        with self._changed:
            # The daemon may be away for a moment only: it is asked again well before the lease ends.
            record.extend_at = time.monotonic() + (length / 3 if code is None else length / 12)
            if code is None:
                # The daemon counts from when it was asked, or later.
                record.ends_at = asked + length
            if record.has_concluded:
                # An outcome that was told meanwhile has ended the lease; whoever tells it hears what became of it.
                return
        if code is not None and (_STATUS_OF_ITEM.get(str(code)) == 409 or code == "job_not_found"):
            _logger.warning("job %s: the lease was lost", record.job.id)
            self._cancel(record, "lost")
        elif result.get("cancel_requested"):
            self._cancel(record, "cancelled")

    def report(self, record: _Record, progress: Any) -> None:
        """Extends a lease and says how far its handler is."""
        if record.cancelled.is_set():
            raise JobCancelled(record.reason or "cancelled")
        body = {"lease_id": record.job.lease_id, "progress": progress, **self._wanted_lease()}
        content = _encoded(body)
        asked = time.monotonic()
        try:
            answer: Mapping[str, Any] = self._transport.send_once(
                "POST", _path("jobs", record.job.id, "extend"), content, timeout=max(record.job.lease / 3, 0.1))
        except RoostError as error:
            if error._is_undecided:
                _logger.debug("job %s: a progress report was dropped: %s", record.job.id, error)
                return
            answer = {"code": error.code}
            if error.status != 409 and error.code != "job_not_found":
                raise
        self._note(record, answer, asked)
        if record.cancelled.is_set():
            raise JobCancelled(record.reason or "cancelled")

    def _cancel(self, record: _Record, reason: str) -> None:
        with self._changed:
            if record.reason is not None and reason != "lost":
                return
            record.reason = reason
            on_cancel = record.on_cancel
        record.cancelled.set()
        if on_cancel is not None:
            on_cancel()

    def on_cancel(self, record: _Record, action: Callable[[], object]) -> None:
        """Has something done when the handler is to stop; at once, where that was before."""
        with self._changed:
            record.on_cancel = action
            is_late = record.reason is not None
        if is_late:
            action()

    # Stopping.

    def _finish(self) -> None:
        self._stopping.set()
        self._wait_until_idle(self._worker.drain_timeout, or_aborted=True)
        self._aborted.set()
        for record in self._running():
            self._cancel(record, "drained")
        self._wait_until_idle(self.GRACE, or_aborted=False)
        left = self._running()
        with self._changed:
            for record in left:
                record.is_forgotten = True
        threads = [threading.Thread(target=self._hand_back, args=(record,), daemon=True) for record in left]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _running(self) -> List[_Record]:
        with self._changed:
            return [record for record in self._records.values() if not record.has_concluded]

    def _wait_until_idle(self, limit: float, *, or_aborted: bool) -> None:
        end = time.monotonic() + limit
        with self._changed:
            while self._records and not (or_aborted and self._aborted.is_set()):
                left = end - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _hand_back(self, record: _Record) -> None:
        try:
            self._send(record, "release", {}, timeout=5.0)
        except RoostError as error:
            _logger.warning("job %s could not be handed back: %s", record.job.id, error)


class _Worker(Generic[_H]):
    def __init__(
        self, client: Client, queues: Sequence[str] = ("default",), *, concurrency: int = 4,
        lease: Optional[Duration] = None, poll_wait: Duration = 30.0, drain_timeout: Duration = 20.0,
        worker_id: Optional[str] = None, order: Optional[str] = None, weights: Optional[Mapping[str, int]] = None,
    ) -> None:
        """
        :param client: With a key of type worker.
        :param queues: Where to take jobs from, 1 to 32.
        :param concurrency: How many jobs run at once, and so how many are leased at most.
        :param lease: How long a job stays leased without a sign of life; without, as the job says. It is extended three
            times as often, however long a handler takes.
        :param drain_timeout: What running handlers get to end when the worker stops. What is left then is cancelled,
            and its jobs are handed back, their attempts not spent.
        :param order: ``listed``: of the first queue that has a job; else the job with the highest priority.
        :param weights: Instead of queues and order: queues with a weight each.
        """
        if concurrency < 1:
            raise ValueError("concurrency must be 1 or more")
        self.client = client
        self.queues = list(queues)
        self.concurrency = concurrency
        self.lease = lease
        self.poll_wait = min(_seconds(poll_wait), 60.0)
        self.drain_timeout = _seconds(drain_timeout)
        self.worker_id = worker_id or f"{socket.gethostname()[:180]}:{os.getpid()}"
        self.order = order
        self.weights = weights
        self._handlers: Dict[Optional[str], _H] = {}
        self._session: Optional[_Session] = None
        self._is_stopped = False

    def stop(self) -> None:
        """Takes no more jobs and lets what runs finish: ``run`` then returns. From any thread, also before ``run``."""
        self._is_stopped = True
        if self._session is not None:
            self._session.stop()

    def handler(self, type: Optional[str] = None) -> Callable[[_H], _H]:
        """Registers the function below it, for jobs of a type or for all that have no handler."""
        def register(function: _H) -> _H:
            self.handle(type, function)
            return function
        return register

    def handle(self, type: Optional[str], function: _H) -> None:
        """The same as a call."""
        self._handlers = {**self._handlers, type: function}

    def _handler_of(self, job: LeasedJob) -> _H:
        found = self._handlers.get(job.type) or self._handlers.get(None)
        if found is None:
            raise self._no_handler(job)
        return found

    def _begin(self, call: Callable[[_Session, _Record], Any]) -> _Session:
        session = _Session(self, call)
        self._session = session
        if self._is_stopped:
            session.stop()
        return session

    def _no_handler(self, job: LeasedJob) -> Retry:
        return Retry(
            f"this worker has no handler for the type {job.type}" if job.type
            else "this worker has no handler for jobs without a type")


#: What is returned is the job's result, what is raised a failure.
Handler = Callable[[JobContext], Any]
AsyncHandler = Callable[[AsyncJobContext], Awaitable[Any]]


class Worker(_Worker[Handler]):
    """Takes jobs, runs their handlers in threads, and tells the daemon what became of them.

        worker = roost.Worker(client, ["email"], concurrency=8)

        @worker.handler("email.send")
        def send(job: roost.JobContext) -> str:
            return mailer.send(job.payload["to"])

        worker.run()

    Returning completes the job. Any exception is retried while attempts are left; ``Retry`` says when,
    ``PermanentFailure`` never, ``Snooze`` later and unspent. Jobs run at least once: a handler whose worker died may
    have done its work already.
    """

    def run(self) -> None:
        """Works until it is stopped. In the main thread SIGTERM and SIGINT stop it; a second one cancels what runs.

        :raises RoostError: if the daemon itself refuses to lease at all: 401, 403, 422. One that is away is waited for.
        """
        session = self._begin(self._call)
        failures: List[BaseException] = []
        ended = threading.Event()

        def work() -> None:
            try:
                session.run()
            except BaseException as error:  # pylint: disable=broad-except
                failures.append(error)
            finally:
                ended.set()

        def on_signal(number: int, frame: Optional[types.FrameType]) -> None:
            if session._stopping.is_set():
                session.abort()
            else:
                session.stop()

        is_main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
        before = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            # A thread of its own: this one is there for signals.
            threading.Thread(target=work, name="roost-worker", daemon=True).start()
            ended.wait()
        finally:
            for number, action in before.items():
                signal.signal(number, action)
        if failures:
            raise failures[0]

    def _call(self, session: _Session, record: _Record) -> Any:
        return self._handler_of(record.job)(JobContext(session, record))


class AsyncWorker(_Worker[AsyncHandler]):
    """The same for asyncio: handlers are coroutine functions, and run in the loop of ``run``.

    What asks the daemon are threads: leases are extended also while something blocks the loop.
    """

    async def run(self) -> None:
        """As ``Worker.run``; cancelling it cancels what runs."""
        loop = asyncio.get_running_loop()
        session = self._begin(lambda session, record: self._call(loop, session, record))
        ended: asyncio.Future[None] = loop.create_future()

        def end(error: Optional[BaseException]) -> None:
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

        def work() -> None:
            failure: Optional[BaseException] = None
            try:
                session.run()
            except BaseException as error:  # pylint: disable=broad-except
                failure = error
            loop.call_soon_threadsafe(end, failure)

        def on_signal() -> None:
            if session._stopping.is_set():
                session.abort()
            else:
                session.stop()

        numbers = []
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, on_signal)
                numbers.append(number)
        threading.Thread(target=work, name="roost-worker", daemon=True).start()
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            session.abort()
            await ended
            raise
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _call(self, loop: asyncio.AbstractEventLoop, session: _Session, record: _Record) -> Any:
        handler = self._handler_of(record.job)

        async def attempt(handler: AsyncHandler = handler) -> Any:
            return await handler(AsyncJobContext(session, record))

        future = asyncio.run_coroutine_threadsafe(attempt(), loop)
        session.on_cancel(record, future.cancel)
        return future.result()


# --- The client for asyncio ------------------------------------------------------------------------------------------


class AsyncClient:
    """``Client`` for asyncio: each call runs in a thread of a pool, ``concurrency`` of them at once.

    A call that is cancelled goes on in its thread, but for ``wait``, ``result`` and ``lease``, whose request ends.
    """

    def __init__(
        self, url: str, key: str, *, timeout: float = 30.0, deadline: float = 60.0,
        tls: Optional[ssl.SSLContext] = None, concurrency: int = 64,
    ) -> None:
        self._client = Client(url, key, timeout=timeout, deadline=deadline, tls=tls)
        self._threads = concurrent.futures.ThreadPoolExecutor(concurrency, thread_name_prefix="roost-client")

    @classmethod
    def from_environment(cls, *, timeout: float = 30.0, deadline: float = 60.0) -> AsyncClient:
        """As ``Client.from_environment``."""
        client = Client.from_environment(timeout=timeout, deadline=deadline)
        transport = client._transport
        return cls(transport.url, transport._key, timeout=timeout, deadline=deadline, tls=transport._tls)

    @property
    def sync(self) -> Client:
        """The client below, for an ``AsyncWorker`` or a thread."""
        return self._client

    async def close(self) -> None:
        """Closes what is open and not in use."""
        self._threads.shutdown(wait=False)
        self._client.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, ask: Callable[[], _T], poll: Optional[_Poll] = None) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except asyncio.CancelledError:
            if poll is not None:
                poll.abort()
            raise

    async def submit(
        self, payload: Any, *, queue: Optional[str] = None, type: Optional[str] = None, group: Optional[str] = None,
        priority: Union[int, str, None] = None, delay: Optional[Duration] = None,
        run_at: Optional[datetime.datetime] = None, max_retries: Union[int, str, None] = None,
        retry: Optional[Mapping[str, Any]] = None, lease: Optional[Duration] = None,
        retention: Optional[Duration] = None, tags: Sequence[str] = (), metadata: Optional[Mapping[str, str]] = None,
        traceparent: Optional[str] = None, idempotency_key: Optional[str] = None, tracestate: Optional[str] = None,
    ) -> Submitted:
        return await self._call(lambda: self._client.submit(
            payload, queue=queue, type=type, group=group, priority=priority, delay=delay, run_at=run_at,
            max_retries=max_retries, retry=retry, lease=lease, retention=retention, tags=tags, metadata=metadata,
            traceparent=traceparent, idempotency_key=idempotency_key, tracestate=tracestate))

    async def submit_many(self, jobs: Iterable[NewJob]) -> List[Union[Submitted, RoostError]]:
        return await self._call(lambda: self._client.submit_many(jobs))

    async def get(self, job_id: str, *, payload: bool = False) -> Job:
        return await self._call(lambda: self._client.get(job_id, payload=payload))

    async def history(self, job_id: str) -> List[Mapping[str, Any]]:
        return await self._call(lambda: self._client.history(job_id))

    async def wait(self, job_id: str, timeout: Optional[Duration] = None) -> Job:
        poll = _Poll()
        return await self._call(lambda: self._client._wait(poll, job_id, timeout), poll)

    async def result(self, job_id: str, timeout: Optional[Duration] = None) -> Any:
        return _result(await self.wait(job_id, timeout))

    async def cancel(self, job_id: str, reason: Optional[str] = None) -> str:
        return await self._call(lambda: self._client.cancel(job_id, reason))

    async def retry(self, job_id: str) -> str:
        return await self._call(lambda: self._client.retry(job_id))

    async def delete(self, job_id: str) -> str:
        return await self._call(lambda: self._client.delete(job_id))

    def jobs(
        self, *, queue: Optional[str] = None, state: Optional[str] = None, page_size: int = 100
    ) -> AsyncIterator[Job]:
        return self._iterate(self._client.jobs(queue=queue, state=state, page_size=page_size))

    def queues(self) -> AsyncIterator[Queue]:
        return self._iterate(self._client.queues())

    async def queue(self, name: str) -> Queue:
        return await self._call(lambda: self._client.queue(name))

    async def pause_queue(self, name: str, reason: Optional[str] = None) -> Queue:
        return await self._call(lambda: self._client.pause_queue(name, reason))

    async def resume_queue(self, name: str) -> Queue:
        return await self._call(lambda: self._client.resume_queue(name))

    def dead_letters(self, *, queue: Optional[str] = None, page_size: int = 100) -> AsyncIterator[DeadLetter]:
        return self._iterate(self._client.dead_letters(queue=queue, page_size=page_size))

    async def dead_letter(self, job_id: str, *, payload: bool = False) -> DeadLetter:
        return await self._call(lambda: self._client.dead_letter(job_id, payload=payload))

    async def replay_dead_letter(self, job_id: str) -> str:
        return await self._call(lambda: self._client.replay_dead_letter(job_id))

    async def delete_dead_letter(self, job_id: str) -> None:
        await self._call(lambda: self._client.delete_dead_letter(job_id))

    async def _iterate(self, items: Iterator[_T]) -> AsyncIterator[_T]:
        while True:
            found = await self._call(lambda: next(((item,) for item in items), None))
            if found is None:
                return
            yield found[0]

    async def lease(
        self, queues: Sequence[str] = ("default",), *, max_jobs: int = 1, wait: Duration = 0,
        lease: Optional[Duration] = None, worker_id: Optional[str] = None, order: Optional[str] = None,
        weights: Optional[Mapping[str, int]] = None,
    ) -> List[LeasedJob]:
        poll = _Poll()
        return await self._call(
            lambda: self._client._lease(
                poll, queues, max_jobs, _seconds(wait), lease, worker_id, order, weights), poll)

    async def ack(self, job: Held, result: Any = None) -> str:
        return await self._call(lambda: self._client.ack(job, result))

    async def fail(
        self, job: Held, error: str, *, retryable: bool = True, retry_after: Optional[Duration] = None,
        hold_group: Optional[Duration] = None,
    ) -> str:
        return await self._call(lambda: self._client.fail(
            job, error, retryable=retryable, retry_after=retry_after, hold_group=hold_group))

    async def release(
        self, job: Held, delay: Optional[Duration] = None, *, hold_group: Optional[Duration] = None
    ) -> str:
        return await self._call(lambda: self._client.release(job, delay, hold_group=hold_group))

    async def extend(self, job: Held, lease: Optional[Duration] = None, *, progress: Any = None) -> Extended:
        return await self._call(lambda: self._client.extend(job, lease, progress=progress))
