"""The client against a real daemon."""

from __future__ import annotations

import asyncio
import datetime
import socket
import threading
import unittest
from typing import Any, List

import roost
from answers import Answers
from daemon import Daemon, until


class ClientTests(unittest.TestCase):
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.daemon.end()

    def setUp(self) -> None:
        self.client = self.daemon.client()
        self.worker = self.daemon.client("worker")
        self.admin = self.daemon.client("admin")
        self.queue = self.id().rpartition(".")[2]

    def tearDown(self) -> None:
        for client in (self.client, self.worker, self.admin):
            client.close()

    def lease(self, **more: Any) -> roost.LeasedJob:
        (job,) = self.worker.lease([self.queue], wait=30, **more)
        return job

    def test_every_option_of_a_submit_arrives(self) -> None:
        made = self.client.submit(
            {"to": "ada", "text": "é\u0000 \U0001f600", "n": 2**70}, queue=self.queue, type="email.send", group="shop",
            priority="high", max_retries=7, retry={"initial": "1s", "factor": 3, "max": "5m", "jitter": "none"},
            lease=datetime.timedelta(minutes=2), retention="1h", tags=["a", "b"], metadata={"m": "x"},
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate="a=1", delay=0.001)
        self.assertFalse(made.is_duplicate)
        job = self.lease(worker_id="w1")
        self.assertEqual(job.id, made.id)
        self.assertEqual(job.payload, {"to": "ada", "text": "é\u0000 \U0001f600", "n": 2**70})
        self.assertEqual((job.type, job.group, job.priority, job.max_retries), ("email.send", "shop", 10, 7))
        self.assertEqual((job.lease, job.attempt, job.tags, job.metadata), (120.0, 1, ["a", "b"], {"m": "x"}))
        self.assertEqual((job.traceparent or "")[3:35], "0af7651916cd43dd8448eb211c80319c")
        self.assertEqual(job.tracestate, "a=1")
        seen = self.client.get(made.id, payload=True)
        self.assertEqual((seen.state, seen.worker_id, seen.payload), ("RUNNING", "w1", job.payload))
        self.assertEqual(self.worker.ack(job, {"sent": True}), "ACKED")
        self.assertEqual(self.client.result(made.id, timeout=30), {"sent": True})
        self.assertEqual([item["outcome"] for item in self.client.history(made.id)], ["acked"])

    def test_run_at_needs_a_time_zone_and_what_is_no_json_is_no_payload(self) -> None:
        with self.assertRaises(ValueError):
            self.client.submit(1, run_at=datetime.datetime(2030, 1, 1))
        for payload in (float("nan"), "\ud800", object()):
            with self.assertRaises((ValueError, TypeError)):
                self.client.submit(payload)
        at = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
        self.assertEqual(self.client.submit(1, queue=self.queue, run_at=at).run_at, at)

    def test_an_idempotency_key_makes_one_job_and_a_conflict_names_it(self) -> None:
        first = self.client.submit({"a": 1, "b": 2}, queue=self.queue, idempotency_key="order-17")
        again = self.client.submit({"b": 2.0, "a": 1}, queue=self.queue, idempotency_key="order-17")
        self.assertTrue(again.is_duplicate and again.id == first.id)
        with self.assertRaises(roost.IdempotencyConflict) as caught:
            self.client.submit(2, queue=self.queue, idempotency_key="order-17")
        self.assertEqual(caught.exception.existing_job_id, first.id)

    def test_a_batch_of_thousands_in_order_each_for_itself(self) -> None:
        jobs = [roost.NewJob(number, queue=self.queue) for number in range(2_500)]
        jobs[1_200] = roost.NewJob(0, queue="no such name!")
        made = self.client.submit_many(jobs)
        self.assertEqual(len(made), 2_500)
        refused = made[1_200]
        assert isinstance(refused, roost.RoostError)
        self.assertIsInstance(refused, roost.InvalidRequest)
        ids = [job.id for job in made if isinstance(job, roost.Submitted)]
        self.assertEqual([job.id for job in self.client.jobs(queue=self.queue)], ids[::-1])
        self.assertEqual(self.client.queue(self.queue).counts["READY"], 2_499)
        self.assertIn(self.queue, [queue.name for queue in self.client.queues()])

    def test_outcomes_by_hand(self) -> None:
        def submit() -> str:
            return self.client.submit(1, queue=self.queue, max_retries=1, retry={"initial": "1ms"}).id

        first = submit()
        job = self.lease()
        extended = self.worker.extend(job, "1m", progress={"percent": 40})
        self.assertFalse(extended.cancel_requested)
        self.assertEqual(self.client.get(first).progress, {"percent": 40})
        self.assertEqual(self.worker.release(job), "READY")
        job = self.lease()
        self.assertEqual(job.attempt, 1)
        self.assertEqual(self.worker.fail(job, "no", retry_after=0.001), "RETRY")
        with self.assertRaises(roost.AlreadyEnded):
            self.worker.ack(job)
        job = self.lease()
        self.assertEqual((job.attempt, self.worker.fail((job.id, job.lease_id), "x" * 20_000)), (2, "DEAD"))
        with self.assertRaises(roost.NoResult):
            self.client.result(first)
        (letter,) = self.client.dead_letters(queue=self.queue)
        self.assertEqual((letter.id, letter.reason, letter.attempts), (first, "attempts_exhausted", 2))
        self.assertEqual(self.admin.replay_dead_letter(first), "READY")
        self.assertEqual(self.worker.fail(self.lease(), "never", retryable=False), "DEAD")
        self.assertEqual(self.client.dead_letter(first, payload=True).payload, 1)
        self.admin.delete_dead_letter(first)
        with self.assertRaises(roost.NotFound):
            self.client.get(first)
        with self.assertRaises(roost.LeaseLost):
            second = submit()
            self.worker.ack((second, "1-2a"))
        self.assertEqual(self.client.cancel(second, "not needed"), "CANCELLED")
        self.assertEqual(self.client.get(second).cancel_reason, "not needed")
        self.assertEqual(self.client.retry(second), "READY")
        self.assertTrue(self.admin.pause_queue(self.queue, "closed").paused)
        self.assertEqual(self.worker.lease([self.queue]), [])
        self.assertFalse(self.admin.resume_queue(self.queue).paused)
        self.assertEqual(len(self.worker.lease(weights={self.queue: 3, "other": 1}, max_jobs=5)), 1)

    def test_errors_have_a_class_and_the_daemons_code(self) -> None:
        for kind, code, ask in (
            (roost.NotFound, "job_not_found", lambda: self.client.get("nothing")),
            (roost.Forbidden, "forbidden_scope", lambda: self.client.lease()),
            (roost.InvalidRequest, "out_of_range", lambda: self.client.submit(1, priority=128)),
            (roost.Unauthorized, "invalid_key", lambda: roost.Client(self.daemon.url, "client_no").get("x")),
        ):
            with self.assertRaises(kind) as caught:
                ask()
            error = caught.exception
            assert isinstance(error, roost.RoostError)
            self.assertEqual((error.code, error.is_retryable), (code, False))
            self.assertTrue(error.request_id and error.message)
        with self.assertRaises(roost.TimedOut):
            self.client.wait(self.client.submit(1, queue=self.queue).id, timeout=0.05)

    def test_urls_and_keys_that_cannot_be_are_refused_at_once(self) -> None:
        for url, key in (
            ("127.0.0.1:8080", "k"), ("ftp://x", "k"), ("http://me:secret@x", "k"), ("http://x", "a b"),
            ("http://x", "k\r\nX: y"), ("http://x?a=b", "k"), ("http://x", ""),
        ):
            with self.assertRaises(ValueError):
                roost.Client(url, key)

    def test_nobody_listens_and_something_else_answers(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with self.assertRaises(roost.Unreachable) as caught:
                roost.Client(f"http://127.0.0.1:{closed.getsockname()[1]}", "k", deadline=0).submit(1)
            self.assertFalse(caught.exception.was_sent)
        with Answers([(200, b"<html>login</html>")] * 3) as proxy:
            with self.assertRaises(roost.UnexpectedAnswer):
                roost.Client(proxy.url, "k").submit(1)
        with Answers([(502, b"bad gateway"), (503, b""), (201, SUBMITTED)]) as proxy:
            self.assertEqual(roost.Client(proxy.url, "k").submit(1).id, "j")
            keys = [body.partition(b'"idempotency_key":')[2] for body in proxy.bodies]
            self.assertTrue(len(keys) == 3 and keys[0] and len(set(keys)) == 1, "each attempt has the same key")
        with Answers([(502, b""), (200, b'{"jobs":[]}')]) as proxy:
            with self.assertRaises(roost.Unavailable):
                roost.Client(proxy.url, "k").lease()
            self.assertEqual(len(proxy.bodies), 1, "a lease whose answer is lost is not asked for again")

    def test_an_idle_connection_that_the_daemon_has_closed_is_not_used(self) -> None:
        daemon = Daemon()
        try:
            worker = daemon.client("worker")
            self.assertEqual(worker.lease(), [])
            daemon.kill()
            daemon.start()
            self.assertEqual(worker.lease(), [])
        finally:
            daemon.end()

    def test_a_submit_goes_on_over_kill_and_restart(self) -> None:
        daemon = Daemon()
        try:
            client = daemon.client()
            ids: List[str] = []
            thread = threading.Thread(target=lambda: ids.extend(client.submit(i).id for i in range(300)))
            thread.start()
            for count in (50, 150):
                until("some are submitted", lambda: len(ids) >= count)
                daemon.kill()
                daemon.start()
            thread.join()
            self.assertEqual(len(set(ids)), 300)
            self.assertEqual({job.id for job in client.jobs()}, set(ids))
        finally:
            daemon.end()

    def test_asyncio(self) -> None:
        async def talk() -> None:
            async with roost.AsyncClient(self.daemon.url, self.daemon.keys["admin"]) as client:
                made = await asyncio.gather(*(client.submit(number, queue=self.queue) for number in range(20)))
                self.assertEqual(len([job async for job in client.jobs(queue=self.queue)]), 20)
                waiting = asyncio.ensure_future(client.result(made[0].id, timeout=60))
                jobs = await client.lease([self.queue], max_jobs=20, wait=30)
                states = await asyncio.gather(*(client.ack(job, job.payload) for job in jobs))
                self.assertEqual(states, ["ACKED"] * 20)
                self.assertEqual(await waiting, 0)
                self.assertEqual((await client.get(made[1].id)).result, 1)
                with self.assertRaises(roost.NotFound):
                    await client.get("nothing")
                # A cancelled poll leases nothing: the next job goes to who asks then.
                poll = asyncio.ensure_future(client.lease([self.queue], wait=60))
                while not any(worker.get("waiting") for worker in await self.workers(client)):
                    await asyncio.sleep(0.005)
                poll.cancel()
                await asyncio.wait([poll])
                while any(worker.get("waiting") for worker in await self.workers(client)):
                    await asyncio.sleep(0.005)
                await client.submit("last", queue=self.queue)
                (job,) = await client.lease([self.queue], wait=30)
                self.assertEqual((job.payload, job.attempt), ("last", 1))

        asyncio.run(talk())

    async def workers(self, client: roost.AsyncClient) -> List[Any]:
        answer = await client._call(lambda: client.sync._transport.send("GET", "/workers"))
        return list(answer["items"])


SUBMITTED = (
    b'{"job_id":"j","state":"READY","queue":"q","run_at":"2026-12-01T09:00:00.000Z",'
    b'"created_at":"2026-12-01T09:00:00.000Z"}')


if __name__ == "__main__":
    unittest.main()
