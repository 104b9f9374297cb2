"""A collector for tests: takes spans by OTLP over HTTP and writes each as a line of JSON.

    otlp-collector.py <file for the spans> [what becomes of the first requests…]

That is a status, or `hang`: no answer at all, or `drip`: 200, and then a body that never ends. Prints its port once it
listens, and makes <file for the spans>.asked with the first request. The messages are decoded by the package
opentelemetry-proto.
"""

import collections.abc
import http.server
import json
import sys
import time

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

fates = sys.argv[2:]
spans = open(sys.argv[1], "a", encoding="utf-8")


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(inner) for inner in any_value.array_value.values]
    return getattr(any_value, kind) if kind else None


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def described(span, resource, scope, headers):
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "state": span.trace_state,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
        "start": span.start_time_unix_nano,
        "attributes": attributes(span.attributes),
        "links": [link.trace_id.hex() + "-" + link.span_id.hex() for link in span.links],
        "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        "resource": attributes(resource.attributes),
        "scope": scope.name,
        "headers": headers,
    }


def messages(message):
    """A message and all that it holds."""
    yield message
    for field, content in message.ListFields():
        if field.message_type:
            for inner in content if isinstance(content, collections.abc.Iterable) else [content]:
                yield from messages(inner)


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[1] + ".asked", "w").close()
        fate = fates.pop(0) if fates else "200"
        if fate == "hang":
            time.sleep(3600)
        if fate in ("200", "drip"):
            self.take(body)
        self.send_response(200 if fate == "drip" else int(fate))
        self.send_header("Content-Length", "1000000" if fate == "drip" else "0")
        self.end_headers()
        while fate == "drip":
            time.sleep(0.1)
            self.wfile.write(b" ")

    def take(self, body):
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
        # Fields that the messages do not have would be carried on unseen.
        for message in messages(request):
            assert len(UnknownFieldSet(message)) == 0, message
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    headers = {name.lower(): text for name, text in self.headers.items()}
                    spans.write(json.dumps(described(span, resource.resource, scope.scope, headers)) + "\n")
        spans.flush()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
print(server.server_address[1], flush=True)
server.serve_forever()
