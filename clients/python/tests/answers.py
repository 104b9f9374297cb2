"""What stands in a daemon's place and answers as a test wants it."""

from __future__ import annotations

import http.server
import threading
from typing import Any, List, Mapping, Sequence, Tuple


class Answers:
    """Something in the daemon's place that gives these answers, one a request."""

    def __init__(self, answers: Sequence[Tuple[int, bytes]], headers: Mapping[str, str] = {}) -> None:
        self.bodies: List[bytes] = []
        bodies = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = answers[len(bodies) - 1]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
