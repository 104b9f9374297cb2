"""README.md, its programs run as they stand."""

from __future__ import annotations

import re
import signal
import unittest

import roost
from daemon import FOLDER, Daemon, until


class ReadmeTests(unittest.TestCase):
    def setUp(self) -> None:
        self.daemon = Daemon()
        self.addCleanup(self.daemon.end)
        text = (FOLDER / "README.md").read_text()
        self.programs = {
            match.group(1): match.group(2) for match in re.finditer(r"```python\n# (\w+)\.py\n(.*?)```", text, re.S)}
        self.output = re.search(r"```text\n(.*?)```", text, re.S)

    def test_client_and_worker_print_what_the_page_says(self) -> None:
        self.assertEqual(sorted(self.programs), ["async_worker", "client", "worker"])
        worker = self.daemon.program("worker", self.programs["worker"])
        client = self.daemon.program("client", self.programs["client"])
        output, errors = client.communicate(timeout=120)
        assert self.output is not None
        self.assertEqual((client.returncode, output), (0, self.output.group(1)), errors)
        worker.send_signal(signal.SIGTERM)
        output, errors = worker.communicate(timeout=120)
        self.assertEqual(worker.returncode, 0, errors)

    def test_the_asynchronous_worker_works_and_stops(self) -> None:
        worker = self.daemon.program("worker", self.programs["async_worker"])
        client = self.daemon.client()
        made = [client.submit("page" * number, queue="pages", type="fetch").id for number in range(20)]
        self.assertEqual([client.result(id, timeout=60) for id in made], [4 * number for number in range(20)])
        worker.send_signal(signal.SIGTERM)
        output, errors = worker.communicate(timeout=120)
        self.assertEqual((worker.returncode, output), (0, ""), errors)


if __name__ == "__main__":
    unittest.main()
