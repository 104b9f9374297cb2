"""A daemon of the test's own, and requests to it."""
import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request


class Daemon:
    """`roost serve --dev` on a port of the system's choice, over a directory of its own."""

    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="roost-dashboard.")
        self.arguments, self.port, self.process = list(arguments), 0, None
        self.start()

    def start(self):
        """Starts it, and returns when it says where it listens; again on the port it had."""
        self.process = subprocess.Popen(
            [os.environ["ROOST_BIN"], "serve", "--dev", "--port", str(self.port), "--wal-dir", self.folder.name + "/data",
             "--lease-check-interval", "100ms", *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            if line.startswith("listening on "):
                self.port = int(line.rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError("the daemon did not start:\n" + "".join(said))
        keys = [self.process.stdout.readline() for _ in range(3)]
        self.keys = dict(line.strip().split("_key=") for line in keys)
        self.url = f"http://127.0.0.1:{self.port}/"

    def kill(self):
        """Ends it without a word, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self):
        self.process.terminate()
        self.wait()
        self.folder.cleanup()

    def wait(self):
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(self, method, path, body=None, key="admin"):
        """An answer's JSON; an error is raised with what it says."""
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.keys.get(key, key)})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def submit(self, queue="email", count=1, **fields):
        """Ids of new jobs."""
        jobs = [{"payload": {"n": number}, "queue": queue, **fields} for number in range(count)]
        return [made["job_id"] for made in self.ask("POST", "jobs/batch", {"jobs": jobs})["results"]]

    def kill_jobs(self, queue="email", errors=("boom",), **fields):
        """Ids of dead letters, one of each error."""
        ids = self.submit(queue, len(errors), max_retries=0, **fields)
        for error in errors:
            job = self.ask("POST", "jobs/lease", {"queues": [queue], "worker_id": "w"})
            self.ask("POST", f"jobs/{job['job_id']}/fail", {"lease_id": job["lease_id"], "error": error})
        return ids

    def state(self, job):
        return self.ask("GET", "jobs/" + job)["state"]
