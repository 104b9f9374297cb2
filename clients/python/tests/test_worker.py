"""The worker against a real daemon: in threads, in asyncio, and as programs that are killed."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import unittest
from typing import Any, List

import roost
from answers import Answers
from daemon import Daemon, until

logging.getLogger("roost").addHandler(logging.NullHandler())
logging.getLogger("roost").propagate = False


class WorkerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.daemon = Daemon()
        self.addCleanup(self.daemon.end)
        self.client = self.daemon.client()
        self.worker = roost.Worker(self.daemon.client("worker", deadline=0), ["q"], concurrency=4)
        self.thread = threading.Thread(target=self.worker.run, daemon=True)

    def begin(self) -> None:
        def end() -> None:
            self.worker.stop()
            self.thread.join()

        self.thread.start()
        self.addCleanup(end)

    def submit(self, payload: Any = 1, **more: Any) -> str:
        return self.client.submit(payload, queue="q", **{"retry": {"initial": "1ms"}, **more}).id

    def test_what_a_handler_says_becomes_of_the_job(self) -> None:
        @self.worker.handler("say")
        def say(job: roost.JobContext) -> Any:
            if job.payload == "retry" and job.attempt == 1:
                raise roost.Retry("not today", after=0.001)
            if job.payload == "snooze" and not snoozed:
                snoozed.append(job.lease_id)
                raise roost.Snooze("10ms")
            if job.payload == "permanent":
                raise roost.PermanentFailure("never")
            if job.payload == "exit":
                raise SystemExit(3)
            if job.payload == "bug":
                raise KeyError("\ud800 name")
            if job.payload == "unspeakable":
                return object()
            if job.payload == "large":
                return "x" * (5 << 20)
            return [job.payload, job.attempt, job.is_last_attempt]

        snoozed: List[str] = []
        self.begin()
        ids = {
            word: self.submit(word, type="say", max_retries=1 if word in ("retry", "bug", "exit") else 3)
            for word in ("plain", "retry", "snooze", "permanent", "bug", "exit", "unspeakable", "large")
        }
        ids["unknown"] = self.submit(1, type="nobody", max_retries=0)
        jobs = {word: self.client.wait(id, timeout=60) for word, id in ids.items()}
        self.assertEqual(jobs["plain"].result, ["plain", 1, False])
        self.assertEqual(jobs["retry"].result, ["retry", 2, True])
        self.assertEqual(jobs["snooze"].result, ["snooze", 1, False])
        for word, attempts, error in (
            ("permanent", 1, "never"), ("bug", 2, "KeyError: "), ("exit", 2, "SystemExit: 3"),
            ("unspeakable", 1, "JSON"), ("large", 1, "the outcome was refused: payload_too_large"),
            ("unknown", 1, "no handler for the type nobody"),
        ):
            self.assertEqual((jobs[word].state, jobs[word].attempts), ("DEAD", attempts), word)
            self.assertIn(error, jobs[word].error or "", word)

    def test_a_lease_is_kept_however_long_the_handler_takes(self) -> None:
        release = threading.Event()

        @self.worker.handler()
        def hold(job: roost.JobContext) -> int:
            release.wait()
            return job.attempt

        self.begin()
        id = self.submit(lease="600ms", max_retries=0)
        seen = until("it runs", lambda: self.client.get(id).lease_until)
        until("its lease was extended five times over", lambda: self._later(id, seen, 5))
        release.set()
        self.assertEqual(self.client.result(id, timeout=60), 1)

    def _later(self, id: str, first: Any, times: int) -> bool:
        now = self.client.get(id).lease_until
        return now is not None and (now - first).total_seconds() > 0.6 * times

    def test_a_cancelled_job_stops_its_handler(self) -> None:
        reasons: List[str] = []

        @self.worker.handler()
        def work(job: roost.JobContext) -> None:
            job.progress("begun")
            if job.wait_cancelled(60):
                try:
                    job.check()
                except roost.JobCancelled as error:
                    reasons.append(str(error))
                    raise

        self.begin()
        id = self.submit(lease="1s")
        until("it runs", lambda: self.client.get(id).progress == "begun")
        self.assertEqual(self.client.cancel(id), "RUNNING")
        self.assertEqual(self.client.wait(id, timeout=60).state, "CANCELLED")
        self.assertEqual(reasons, ["cancelled"])

    def test_a_lost_lease_stops_its_handler_and_nothing_is_told(self) -> None:
        stopped = threading.Event()

        @self.worker.handler()
        def work(job: roost.JobContext) -> str:
            if job.attempt > 1:
                return "second"
            job.wait_cancelled(60)
            stopped.set()
            return "first"

        self.begin()
        id = self.submit(lease="2s")
        until("it runs", lambda: self.client.get(id).state == "RUNNING")
        # The daemon's word for it: released by somebody who knows the token.
        lease = until("the worker holds it", lambda: list(self.worker._session._records))[0]  # type: ignore[union-attr]
        self.daemon.client("worker").fail((id, lease), "taken away", retry_after=0.001)
        self.assertEqual(self.client.result(id, timeout=60), "second")
        until("the first attempt ended", stopped.is_set)

    def test_a_key_or_queue_that_is_refused_ends_the_worker(self) -> None:
        for kind, error in (("client", roost.Forbidden), ("no", roost.Unauthorized)):
            key = self.daemon.keys.get(kind, "worker_nobody")
            with self.assertRaises(error):
                roost.Worker(roost.Client(self.daemon.url, key)).run()
        with self.assertRaises(roost.InvalidRequest):
            roost.Worker(self.daemon.client("worker"), ["no such name!"]).run()

    def test_a_failed_attempt_is_logged_with_what_comes_next(self) -> None:
        @self.worker.handler()
        def fail(job: roost.JobContext) -> None:
            if job.payload == "retry":
                raise roost.Retry("not today\nnor tomorrow", after=0.001)
            if job.payload == "permanent":
                raise roost.PermanentFailure("never")
            raise KeyError("bug")

        with self.assertLogs("roost", logging.WARNING) as logs:
            self.begin()
            ids = {word: self.submit(word, max_retries=1) for word in ("retry", "permanent", "bug")}
            until("all ends are logged", lambda: sum(record.levelno == logging.ERROR for record in logs.records) == 3)
        for word, expected in (
            ("retry", [("WARNING", "attempt 1 of 2 failed, attempt 2 follows at "),
                       ("ERROR", "attempt 2 of 2 failed, and with it the job, which is DEAD: not today\\nnor tom")]),
            ("permanent", [("ERROR", "attempt 1 of 2 failed, and with it the job, which is DEAD: never")]),
            ("bug", [("WARNING", "attempt 1 of 2 failed"), ("ERROR", "KeyError")]),
        ):
            lines = [record for record in logs.records if ids[word] in record.getMessage()]
            self.assertEqual([record.levelname for record in lines], [level for level, _ in expected])
            for record, (_, text) in zip(lines, expected):
                self.assertIn(text, record.getMessage())
                self.assertEqual(record.exc_info is not None, word == "bug")

    def test_an_attempt_that_takes_longer_than_its_timeout_is_stopped_by_the_workers_own_clock(self) -> None:
        reasons: List[str] = []

        @self.worker.handler()
        def work(job: roost.JobContext) -> None:
            if job.job.timeout == 1.0 and job.job.deadline is not None and job.wait_cancelled(60):
                try:
                    job.check()
                except roost.JobCancelled as error:
                    reasons.append(str(error))
                    raise

        self.begin()
        body = {"payload": 1, "queue": "q", "lease": "60s", "timeout": "1s", "max_retries": 0}
        id = str(self.client._transport.send("POST", "/jobs", body)["job_id"])
        self.assertEqual(self.client.wait(id, timeout=60).state, "DEAD")
        until("the handler has ended", lambda: reasons)
        self.assertEqual(reasons, ["ended"])

    def test_no_more_run_at_once_than_may(self) -> None:
        lock, running, most = threading.Lock(), [0], [0]
        gate = threading.Semaphore(0)

        @self.worker.handler()
        def work(job: roost.JobContext) -> None:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            gate.acquire()
            with lock:
                running[0] -= 1

        self.begin()
        ids = [self.submit(number) for number in range(40)]
        until("all slots are full", lambda: running[0] == 4)
        self.assertEqual(self.client.queue("q").counts["RUNNING"], 4)
        gate.release(40)
        for id in ids:
            self.assertEqual(self.client.wait(id, timeout=60).state, "ACKED")
        self.assertEqual(most[0], 4)

    def test_outcomes_are_told_over_kill_and_restart_each_in_its_first_attempt(self) -> None:
        gate = threading.Event()
        started = threading.Semaphore(0)

        @self.worker.handler()
        def work(job: roost.JobContext) -> int:
            started.release()
            gate.wait()
            return int(job.payload) * 10

        self.begin()
        ids = [self.submit(number, lease="30s") for number in range(4)]
        for _ in ids:
            started.acquire()
        self.daemon.kill()
        gate.set()
        self.daemon.start()
        for number, id in enumerate(ids):
            job = self.client.wait(id, timeout=60)
            self.assertEqual((job.result, job.attempts), (number * 10, 1))

    def test_a_stop_lets_what_runs_finish_and_hands_the_rest_back_unspent(self) -> None:
        self.worker.drain_timeout = 0.2
        gate, stuck = threading.Event(), threading.Event()

        @self.worker.handler()
        def work(job: roost.JobContext) -> str:
            if job.payload == "stubborn":
                stuck.wait()
            elif job.payload == "polite":
                while not job.wait_cancelled(60):
                    pass
                job.check()
            else:
                gate.wait()
            return "done"

        self.thread.start()
        ids = {word: self.submit(word) for word in ("quick", "polite", "stubborn")}
        until("all run", lambda: all(self.client.get(id).state == "RUNNING" for id in ids.values()))
        self.worker.stop()
        gate.set()
        self.thread.join()
        states = {word: self.client.get(id) for word, id in ids.items()}
        self.assertEqual({word: job.state for word, job in states.items()},
                         {"quick": "ACKED", "polite": "READY", "stubborn": "READY"})
        self.assertEqual([states[word].attempts for word in ("polite", "stubborn")], [0, 0])
        stuck.set()

    def test_sigterm_drains_a_program_and_a_second_one_hurries(self) -> None:
        script = """
import roost, sys
worker = roost.Worker(roost.Client.from_environment(), ["q"], drain_timeout=600)
@worker.handler()
def work(job):
    open(job.payload, "w").close()
    job.wait_cancelled(600)
    job.check()
worker.run()
print("stopped")
"""
        id = self.submit(str(self.daemon.folder / "begun"))
        program = self.daemon.program("worker", script)
        until("it runs", (self.daemon.folder / "begun").exists)
        program.send_signal(signal.SIGTERM)
        admin = self.daemon.client("admin")
        until("it takes no more jobs", lambda: not any(
            worker["waiting"] for worker in admin._transport.send("GET", "/workers")["items"]))
        self.assertEqual(self.client.get(id).state, "RUNNING")
        program.send_signal(signal.SIGTERM)
        output, errors = program.communicate()
        self.assertEqual((program.returncode, output), (0, "stopped\n"), errors)
        job = self.client.get(id)
        self.assertEqual((job.state, job.attempts), ("READY", 0))

    def test_killed_programs_and_a_killed_daemon_lose_no_job(self) -> None:
        script = """
import os, roost
worker = roost.Worker(roost.Client.from_environment(deadline=0), ["q"], concurrency=8, lease="1s", poll_wait=1)
@worker.handler()
def work(job):
    with open("done", "a") as file:
        file.write(f"{job.payload}\\n")
    return job.payload
worker.run()
"""
        ids = [job.id for job in self.client.submit_many(
            [roost.NewJob(number, queue="q", max_retries=50, retry={"initial": "1ms", "max": "10ms"})
             for number in range(600)]) if isinstance(job, roost.Submitted)]
        done = self.daemon.folder / "done"
        done.write_text("")
        programs = [self.daemon.program("worker", script) for _ in range(2)]
        for count in (60, 200, 350):
            until("some ran", lambda: len(done.read_text().splitlines()) >= count)
            self.daemon.kill()
            programs[0].kill()
            programs[0].communicate()
            self.daemon.start()
            programs = [programs[1], self.daemon.program("worker", script)]
        for id in ids:
            self.assertEqual(self.client.wait(id, timeout=60).state, "ACKED")
        ran = done.read_text().split()
        self.assertEqual(set(ran), {str(number) for number in range(600)})

    def test_asyncio(self) -> None:
        asyncio.run(self._asyncio())

    async def _asyncio(self) -> None:
        worker = roost.AsyncWorker(self.daemon.client("worker"), ["q"], concurrency=20)
        cancelled = asyncio.Event()

        @worker.handler("add")
        async def add(job: roost.AsyncJobContext) -> int:
            await asyncio.sleep(0)
            return int(job.payload) + 1

        @worker.handler("hold")
        async def hold(job: roost.AsyncJobContext) -> None:
            await job.progress("begun")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        running = asyncio.ensure_future(worker.run())
        async with roost.AsyncClient(self.daemon.url, self.daemon.keys["client"]) as client:
            made = [await client.submit(number, queue="q", type="add") for number in range(50)]
            results = await asyncio.gather(*(client.result(job.id, timeout=60) for job in made))
            self.assertEqual(results, list(range(1, 51)))
            called = await client.submit(1, queue="q", type="hold", lease="1s")
            while (await client.get(called.id)).progress != "begun":
                await asyncio.sleep(0.005)
            await client.cancel(called.id)
            await asyncio.wait_for(cancelled.wait(), 60)
            self.assertEqual((await client.wait(called.id, timeout=60)).state, "CANCELLED")
            # What runs when the loop's task is cancelled goes back unspent.
            left = await client.submit(1, queue="q", type="hold")
            while (await client.get(left.id)).progress != "begun":
                await asyncio.sleep(0.005)
            running.cancel()
            await asyncio.wait([running])
            self.assertTrue(running.cancelled())
            job = await client.get(left.id)
            self.assertEqual((job.state, job.attempts), ("READY", 0))


class ForeignAnswerTests(unittest.TestCase):
    OWN = b'{"code":"queue_forbidden","message":"m","request_id":"r"}'

    def end(self, *answers: Any, **headers: str) -> roost.RoostError:
        """What ends a worker that gets these answers, and then the daemon's own no."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with Answers([*answers, (403, self.OWN)], given) as proxy:
            with self.assertRaises(roost.RoostError) as caught:
                roost.Worker(roost.Client(proxy.url, "k")).run()
            self.assertEqual(len(proxy.bodies), len(answers) + 1)
        return caught.exception

    def test_what_a_gateway_refuses_in_the_daemons_words_is_waited_out(self) -> None:
        error = self.end(
            (403, b'{"code":"AccessDenied","message":"x","request_id":"abc"}'), (401, b'{"code":"no","message":"x"}'),
            (403, b'{"code":"forbidden","message":"x"}'), (422, b'{"code":"no","message":"x","request_id":"abc"}'),
            (422, b'{"code":"no","message":"x"}'))
        self.assertIsInstance(error, roost.Forbidden)
        self.assertEqual((error.code, error.request_id), ("queue_forbidden", None))

    def test_jobs_that_are_none_are_waited_out(self) -> None:
        for jobs in (b'[{}]', b'[1]', b'[null]', b'[{"job_id":"j","lease_id":"l","payload":1,"type":"","queue":"q",'
                     b'"priority":0,"attempt":1,"max_retries":3,"lease_until":"x","lease":"x","created_at":"x"}]'):
            self.assertEqual(self.end((200, b'{"jobs":' + jobs + b'}')).code, "queue_forbidden")

    def test_a_retry_after_of_other_scripts_is_none(self) -> None:
        self.assertEqual(self.end((503, b""), (429, b"{}"), Retry_After="\u00b2").code, "queue_forbidden")


if __name__ == "__main__":
    unittest.main()
