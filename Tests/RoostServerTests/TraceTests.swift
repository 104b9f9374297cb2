import Foundation
import RoostServer
import RoostTelemetry
import Testing
import Tracing

/// Spans of requests, as the daemon makes them. Tests/RoostCommandTests/TracingTests.swift has what a collector gets.
@Suite("Spans of requests") struct TraceTests {
  private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
  private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test("a span of several queues names none, and is linked to the traces that jobs name themselves")
  func batch() async throws {
    try await traced { daemon, spans in
      let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
      let jobs = ["a", "b", "a"].map { #"{"payload":1,"queue":"\#($0)"}"# }
      let more = #"{"payload":1,"queue":"b","traceparent":"\#(own)","tracestate":"x=y"}"#
      let reply = try await daemon.send(
        "POST", "/jobs/batch", daemon.client, "{\"jobs\":[\(jobs.joined(separator: ",")),\(more)]}")
      #expect(reply.status == 200)
      let span = try #require(spans.next().first)
      #expect(span.name == "send" && span.kind == .producer && span.text("messaging.destination.name") == nil)
      #expect(span.text("messaging.batch.message_count") == "4")
      #expect(span.links.map(\.context.span?.traceparent) == [own] && span.links[0].context.span?.state == "x=y")
      let lease = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["a","b"],"max_jobs":4}"#)
      #expect(lease.status == 200)
      let receive = try #require(spans.next().first)
      #expect(receive.name == "receive" && receive.links.count == 4)
      #expect(receive.links.filter { $0.context.span?.spanID == span.context.spanID }.count == 3)
    }
  }

  @Test("a lease behind an acknowledgement has a span of its own", arguments: ["", #","wait":"10s""#])
  func leaseNext(wait: String) async throws {
    let headers = ["traceparent: \(Self.parent)"]
    try await traced { daemon, spans in
      var ids: [String] = []
      for _ in 0..<2 {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"mail"}"#)
        ids.append(made.string("job_id") ?? "")
      }
      let sent = spans.next()
      #expect(sent.map(\.name) == ["send mail", "send mail"] && sent.map { $0.text("messaging.message.id") } == ids)
      let lease = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["mail"]}"#)
      #expect(spans.next().map(\.name) == ["receive mail"])
      let body = #"{"lease_id":"\#(lease.string("lease_id") ?? "")","lease_next":{"queues":["mail"]\#(wait)}}"#
      let ended = try await daemon.send("POST", "/jobs/\(ids[0])/ack", daemon.worker, body, headers: headers)
      #expect(ended.status == 200, "\(ended.text)")
      let found = spans.next()
      try #require(found.map(\.name) == ["receive mail", "settle"])
      let (next, settle) = (found[0], found[1])
      #expect(next.parent == settle.context.spanID && next.context.traceIDText == Self.trace)
      #expect(next.links.map(\.context.span?.spanID) == [sent[1].context.spanID])
      #expect(next.text("messaging.message.id") == ids[1] && settle.text("messaging.message.id") == ids[0])
    }
  }

  @Test("what stands in a path in the place of a job's id is in no span: it may be a key")
  func secrets() async throws {
    try await traced { daemon, spans in
      let key = daemon.worker
      let reply = try await daemon.send("POST", "/jobs/\(key)/ack", key, #"{"lease_id":"1-1"}"#)
      #expect(reply.status == 404, "\(reply.text)")
      let span = try #require(spans.next().first)
      #expect(span.name == "settle" && span.text("error.type") == reply.code)
      #expect(span.text("messaging.message.id") == nil)
      span.attributes.forEach { #expect(!"\($0) \($1)".contains(key)) }
    }
  }

  @Test("a span of lines ends with the last of them, and counts them")
  func lines() async throws {
    try await traced { daemon, spans in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.begin(daemon.client, ["traceparent: \(Self.parent)"])
      connection.sendChunk(#"{"payload":1,"queue":"q"}"# + "\n")
      #expect(try await connection.reply().status == 200)
      #expect(try await connection.chunk().contains("READY"))
      #expect(spans.next().isEmpty)
      connection.sendChunk(#"{"payload":2,"queue":"q"}"# + "\n")
      connection.send("0\r\n\r\n")
      while try await !connection.chunk().isEmpty {}
      var found: [OTLPSpan.Record] = []
      try await until("the span has ended") {
        found += spans.next()
        return !found.isEmpty
      }
      #expect(found[0].name == "send q" && found[0].text("messaging.batch.message_count") == "2")
      #expect(found[0].context.traceIDText == Self.trace)
    }
  }

  @Test(
    "a wrong context hurts nobody: it counts as none, and a state without its parent, too", arguments: [true, false])
  func hostile(isTraced: Bool) async throws {
    let (parent, trace) = (Self.parent, Self.trace)
    try await TestDaemon.run({ if isTraced { $0.tracing = RequestTracing(Spans().tracer) } }) { daemon in
      func carried(_ headers: [String]) async throws -> (parent: String?, state: String?) {
        let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#, headers: headers)
        #expect(made.status == 201, "\(headers): \(made.text)")
        let job = try await daemon.send("POST", "/jobs/lease", daemon.worker)
        return (job.string("traceparent"), job.string("tracestate"))
      }
      for headers in [
        ["traceparent: "], ["traceparent: 00"], ["traceparent: é"],
        ["traceparent: \(parent)", "traceparent: \(parent)"], ["tracestate: a=1"],
        ["traceparent: nonsense", "tracestate: a=1"],
        ["traceparent: \(parent.uppercased())"], ["traceparent: \(String(repeating: "0", count: 4_000))"],
      ] {
        let found = try await carried(headers)
        #expect(found.parent?.contains(trace) != true && found.state == nil, "\(headers)")
      }
      let states: [([String], String?)] = [
        (["tracestate: a=1"], "a=1"), (["tracestate: a=1, b=2 ", "TraceState:\tc=3"], "a=1, b=2,c=3"),
        (["tracestate:", "tracestate: c=3"], "c=3"), (["tracestate: é"], nil),
        (["tracestate: a=\(String(repeating: "1", count: 600))"], nil),
      ]
      for (headers, state) in states {
        let found = try await carried(["traceparent: \(parent)"] + headers)
        #expect(found.parent?.contains(trace) == true && found.state == state, "\(headers)")
      }
    }
  }

  private func traced(_ body: @Sendable @escaping (TestDaemon, Spans) async throws -> Void) async throws {
    let spans = Spans()
    try await TestDaemon.run({ $0.tracing = RequestTracing(spans.tracer) }) { try await body($0, spans) }
  }
}

/// A tracer, and what it has made.
private struct Spans: Sendable {
  let tracer = OTLPTracer(TelemetryConfiguration(endpoint: "http://127.0.0.1:1/v1/traces"))

  /// Those that have ended since the last time.
  func next() -> [OTLPSpan.Record] { tracer.queue.take() }
}

extension OTLPSpan.Record {
  fileprivate func text(_ name: String) -> String? {
    switch attributes.get(name) {
    case .string(let text): text
    case .int64(let number): "\(number)"
    case .int32(let number): "\(number)"
    default: nil
    }
  }
}
