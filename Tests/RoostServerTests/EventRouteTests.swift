import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import RoostServer
import Synchronization
import Testing

/// `GET /events`: who is told what, in which order, and where a stream goes on.
@Suite("Events over HTTP") struct EventRouteTests {
  @Test("a stream tells what happens from its first line on, in order, each with an id, and as the contract says")
  func order() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.submit()
      let stream = try await Listener(daemon, "/events", daemon.client)
      defer { stream.close() }
      #expect(stream.headers["content-type"] == "text/event-stream" && stream.headers["cache-control"] == "no-store")
      let job = try await daemon.submit(#"{"payload":1,"queue":"mail","type":"t","group":"g","max_retries":1}"#)
      try await daemon.fail("mail")
      try await daemon.send("POST", "/jobs/\(job)/retry", daemon.client).expect(200)
      try await daemon.fail("mail")
      try await daemon.send("PATCH", "/queues/mail", daemon.admin, #"{"concurrency":3}"#).expect(200)
      try await daemon.send("POST", "/queues/mail/pause", daemon.admin, #"{"reason":"lunch"}"#).expect(200)
      try await daemon.send("POST", "/queues/mail/resume", daemon.admin).expect(200)
      try await daemon.send("POST", "/dlq/\(job)/replay", daemon.admin).expect(200)
      try await daemon.send("POST", "/jobs/\(job)/cancel", daemon.client).expect(200)
      try await daemon.send("DELETE", "/jobs/\(job)", daemon.client).expect(200)
      let names = [
        "job.submitted", "job.leased", "job.failed", "job.ready", "job.leased", "job.dead", "queue.configured",
        "queue.paused", "queue.resumed", "job.replayed", "job.cancelled", "job.purged",
      ]
      let events = try await stream.take(names.count)
      #expect(events.map(\.name) == names)
      #expect(events.compactMap { $0.json["state"] as? String }.prefix(3) == ["READY", "RUNNING", "RETRY"])
      for event in events where event.name.hasPrefix("job.") {
        #expect(event.json["job_id"] as? String == job && event.json["queue"] as? String == "mail")
        #expect(event.json["type"] as? String == "t" && event.json["group"] as? String == "g")
      }
      #expect(events[7].json["reason"] as? String == "lunch" && events[5].json["attempt"] as? Int == 2)
      let sequences = events.compactMap { EventID($0.id)?.sequence }
      #expect(sequences.count == names.count && sequences == sequences.sorted())
      for event in events { #expect(event.problems == []) }
    }
  }

  @Test("a job that waits for others is told of as BLOCKED, and again when it waits for them no more")
  func unblocked() async throws {
    try await TestDaemon.run { daemon in
      let first = try await daemon.submit()
      let job = try await daemon.submit(#"{"payload":1,"depends_on":["\#(first)"],"when":"ended"}"#)
      try await daemon.send("POST", "/jobs/\(first)/cancel", daemon.client).expect(200)
      let events = try await daemon.past("after=start&job_id=\(job)", daemon.client)
      #expect(events.map(\.name) == ["job.submitted", "job.unblocked"])
      #expect(events.map { $0.json["state"] as? String } == ["BLOCKED", "READY"])
      #expect(try await daemon.past("after=start&state=BLOCKED", daemon.client).count == 1)
    }
  }

  @Test("whoever was cut off goes on behind the id it names, in the header or in the query, or begins with the oldest")
  func resumed() async throws {
    try await TestDaemon.run { daemon in
      for _ in 0..<5 { _ = try await daemon.submit() }
      let all = try await daemon.past("after=start", daemon.client)
      #expect(all.map(\.name) == Array(repeating: "job.submitted", count: 5))
      #expect(try await daemon.past("after=\(all[1].id)", daemon.client).map(\.id) == all[2...].map(\.id))
      let header = try await Listener(daemon, "/events?after=start", daemon.client, ["Last-Event-ID: \(all[3].id)"])
      defer { header.close() }
      #expect(try await header.take(1).map(\.id) == [all[4].id])
      _ = try await daemon.submit()
      #expect(try await header.take(1).first?.name == "job.submitted")
      #expect(try await daemon.past("after=\(all[4].id)", daemon.client).count == 1)
    }
  }

  @Test("an id of another log, of the future, or that is none, is told as a gap before the oldest event")
  func gaps() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.submit()
      let known = try #require(EventID(try await daemon.past("after=start", daemon.client)[0].id))
      let foreign = EventID(log: String(repeating: "0", count: 32), sequence: 1).text
      let future = EventID(log: known.log, sequence: known.sequence + 1_000).text
      for (id, reason) in [(foreign, "foreign"), (future, "future"), ("nonsense", "foreign")] {
        let stream = try await Listener(
          daemon, "/events?follow=false", daemon.client, ["Last-Event-ID: \(id)"])
        defer { stream.close() }
        let events = try await stream.rest()
        #expect(events.map(\.name) == ["gap", "job.submitted"] && events[0].json["reason"] as? String == reason)
      }
      #expect(try await daemon.send("GET", "/events?after=nonsense", daemon.client).code == "out_of_range")
    }
  }

  @Test("one is told of what one may see, by owner and by queue, live and looking back")
  func visibility() async throws {
    try await TestDaemon.run { daemon in
      func key(_ type: KeyType, _ owner: String, _ queues: [String]) async throws -> String {
        try await daemon.keys.create(name: "n", ownerID: owner, type: type, queues: queues, by: .commandLine).key
          .reveal()
      }
      let keys = [
        (daemon.client, ["a", "b"]), (try await key(.client, "bob", ["*"]), ["c"]),
        (try await key(.worker, "carol", ["a", "c"]), ["a", "c"]), (daemon.admin, ["a", "b", "c"]),
      ]
      let live = try await keys.asyncMap { try await Listener(daemon, "/events?state=READY", $0.0) }
      defer { live.forEach { $0.close() } }
      for (queue, owner) in [("a", "alice"), ("b", "alice"), ("c", "bob")] {
        var spec = JobSpec(payload: [UInt8(ascii: "1")])
        spec.queue = queue
        _ = try await daemon.engine.submit(spec, owner: owner)
      }
      for (place, (key, queues)) in keys.enumerated() {
        let told = try await live[place].take(queues.count)
        #expect(told.compactMap { $0.json["queue"] as? String } == queues)
        let past = try await daemon.past("after=start", key)
        #expect(past.compactMap { $0.json["queue"] as? String } == queues)
      }
      // Nothing else came to anybody before what all may see.
      try await daemon.send("POST", "/queues/a/pause", daemon.admin).expect(200)
      let foreign = try await daemon.past("after=start&job_id=\(UUID().uuidString)", keys[1].0)
      #expect(foreign.isEmpty)
    }
  }

  @Test("queue, type, group, state and job_id choose")
  func filters() async throws {
    try await TestDaemon.run { daemon in
      let job = try await daemon.submit(#"{"payload":1,"queue":"a","type":"x","group":"g"}"#)
      _ = try await daemon.submit(#"{"payload":1,"queue":"b","delay":"1h"}"#)
      _ = try await daemon.submit(#"{"payload":1,"queue":"a","type":"y"}"#)
      let streams = try await [
        "queue=a", "type=x", "group=g", "state=SCHEDULED", "state=scheduled,ready", "job_id=\(job)", "queue=a&type=y",
      ].asyncMap { ($0, try await daemon.past("after=start&\($0)", daemon.client).count) }
      #expect(streams.map(\.1) == [2, 1, 1, 1, 3, 1, 1], "\(streams)")
      for query in ["state=BROKEN", "job_id=x", "type=", "format=xml", "follow=perhaps", "queue=a%20b"] {
        #expect(try await daemon.send("GET", "/events?\(query)", daemon.client).status == 422, "\(query)")
      }
    }
  }

  @Test("as lines, each is one JSON object; HEAD has none")
  func lines() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.submit()
      let stream = try await Listener(daemon, "/events?after=start&follow=false&format=ndjson", daemon.client)
      defer { stream.close() }
      #expect(stream.headers["content-type"] == "application/x-ndjson")
      var text = ""
      while case let part = try await stream.chunk(), !part.isEmpty { text += part }
      let lines = text.split(separator: "\n")
      #expect(lines.count == 1)
      let json = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any]
      #expect(json?["event"] as? String == "job.submitted" && json?["id"] is String)
      #expect(try await daemon.send("HEAD", "/events", daemon.client).status == 200)
    }
  }

  @Test("the same over HTTP/2, beside other streams")
  func http2() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "GET", "/events", daemon.client)
      let head = try await connection.next(FrameConnection.Kind.headers)
      #expect(head.fields[":status"] == "200" && head.fields["content-type"] == "text/event-stream")
      func text() async throws -> String {
        String(decoding: try await connection.next(FrameConnection.Kind.data).payload, as: UTF8.self)
      }
      #expect(try await text().hasPrefix(":"))
      _ = try await daemon.engine.submit(.init(payload: [UInt8(ascii: "1")]), owner: "alice")
      #expect(try await text().contains("event: job.submitted\ndata: {"))
      #expect(try await connection.ask(3, "GET", "/health").text == "OK")
    }
  }

  @Test("a stream whose key is revoked says so last, and ends")
  func revoked() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.keys.create(name: "leaked", ownerID: "alice", type: .client, by: .commandLine)
      let stream = try await Listener(daemon, "/events", made.key.reveal())
      defer { stream.close() }
      _ = try await daemon.keys.revoke(made.record.id, by: .commandLine)
      let events = try await stream.rest()
      #expect(events.map(\.name) == ["end"] && events[0].json["code"] as? String == "revoked_key")
    }
  }

  @Test("a stream that is not read is ended, and nobody waits for it: what others do and hear goes on")
  func slow() async throws {
    try await TestDaemon.run { daemon in
      let stalled = try await Listener(daemon, "/events", daemon.client)
      defer { stalled.close() }
      let other = try await Listener(daemon, "/events?queue=other", daemon.client)
      defer { other.close() }
      // What sockets and the stream hold is bounded; far more is told than that.
      let specs = (0..<500).map { _ in
        var spec = JobSpec(payload: [UInt8(ascii: "1")])
        spec.queue = "noise"
        return spec
      }
      try await until("the stalled stream is dropped") {
        for result in try await daemon.engine.submit(batch: specs, owner: "alice") {
          _ = try result.get()
        }
        return try await daemon.metric("roost_event_listeners_dropped_total") == 1
      }
      #expect(try await stalled.isClosed())
      _ = try await daemon.submit(#"{"payload":1,"queue":"other"}"#)
      #expect(try await other.take(1).first?.json["queue"] as? String == "other")
      try await until("one stream is left") { try await daemon.metric("roost_event_listeners") == 1 }
    }
  }

  @Test("as many listen as may; a stream that ends makes room")
  func limit() async throws {
    try await TestDaemon.run({ $0.eventListeners = 2 }) { daemon in
      let first = try await Listener(daemon, "/events", daemon.client)
      let second = try await Listener(daemon, "/events", daemon.client)
      defer { second.close() }
      let refused = try await daemon.send("GET", "/events", daemon.client)
      #expect(refused.status == 503 && refused.code == "overloaded" && refused.headers["retry-after"] != nil)
      first.close()
      try await until("there is room again") { try await daemon.metric("roost_event_listeners") == 1 }
      let third = try await Listener(daemon, "/events", daemon.client)
      third.close()
    }
  }

  @Test("a daemon that stops says so to whoever listens, and does not wait for them")
  func stopping() async throws {
    let (ends, ended) = AsyncStream.makeStream(of: [String].self)
    try await TestDaemon.run { daemon in
      let stream = try await Listener(daemon, "/events", daemon.client)
      Task.detached {
        let events = (try? await stream.rest()) ?? []
        ended.yield(events.compactMap { $0.json["code"] as? String })
        stream.close()
      }
    }
    var codes = ends.makeAsyncIterator()
    #expect(await codes.next() == ["stopping"])
  }
}

// MARK: Listening

/// One stream of events, and what came of it.
private final class Listener: Sendable {
  struct Message: Sendable {
    let id: String
    let name: String
    let data: String

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(data.utf8))) as? [String: Any] ?? [:] }

    /// What of it the contract does not describe.
    var problems: [String] {
      var check = SchemaCheck(Contract.shared.document)
      guard let value = try? JSONValue(json: Array(data.utf8)),
        let schema = Contract.shared.document["components"]?["schemas"]?["Event"]
      else { return ["\(data) is no JSON, or the contract has no Event"] }
      check.check(value, schema, name)
      return check.problems
    }
  }

  private let connection: Connection
  let headers: [String: String]
  private let pending = Mutex("")

  /// Waits until it is told that it listens.
  init(_ daemon: TestDaemon, _ path: String, _ key: String, _ more: [String] = []) async throws {
    connection = try Connection(port: daemon.port)
    connection.send(Connection.request("GET", path, key, nil, more))
    let reply = try await connection.reply()
    #expect(reply.status == 200, "\(path): \(reply.text)")
    headers = reply.headers
    if headers["content-type"] == "text/event-stream" {
      let first = try await connection.chunk()
      pending.withLock { $0 = first }
    }
  }

  func close() { connection.close() }

  func chunk() async throws -> String { try await connection.chunk() }

  func isClosed() async throws -> Bool { _ = try await connection.rest(); return true }

  /// The next messages.
  func take(_ count: Int) async throws -> [Message] {
    var found: [Message] = []
    while found.count < count {
      if let message = message() {
        found.append(message)
      } else {
        let more = try await connection.chunk()
        guard !more.isEmpty else { break }
        pending.withLock { $0 += more }
      }
    }
    return found
  }

  /// All messages until the stream ends.
  func rest() async throws -> [Message] { try await take(.max) }

  private func message() -> Message? {
    pending.withLock { text in
      while let end = text.range(of: "\n\n") {
        let lines = text[..<end.lowerBound].split(separator: "\n")
        text.removeSubrange(..<end.upperBound)
        func value(_ name: String) -> String? {
          lines.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
        }
        if let data = value("data") {
          return Message(id: value("id") ?? "", name: value("event") ?? "", data: data)
        }
      }
      return nil
    }
  }
}

extension TestDaemon {
  /// What a stream tells of what has happened.
  fileprivate func past(_ query: String, _ key: String) async throws -> [Listener.Message] {
    let stream = try await Listener(self, "/events?follow=false&\(query)", key)
    defer { stream.close() }
    return try await stream.rest()
  }

  /// Leases a job of the queue and fails it.
  fileprivate func fail(_ queue: String) async throws {
    let leased = try await send("POST", "/jobs/lease", worker, #"{"queues":["\#(queue)"]}"#)
    let (job, lease) = (try #require(leased.string("job_id")), try #require(leased.string("lease_id")))
    try await send("POST", "/jobs/\(job)/fail", worker, #"{"lease_id":"\#(lease)","error":"e"}"#).expect(200)
  }

  fileprivate func metric(_ name: String) async throws -> Double? {
    try await send("GET", "/metrics").text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
      .flatMap { Double($0.dropFirst(name.count + 1)) }
  }
}

extension Reply {
  fileprivate func expect(_ status: Int, _ location: SourceLocation = #_sourceLocation) {
    #expect(self.status == status, "\(text)", sourceLocation: location)
  }
}

extension Sequence {
  fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
    var found: [Value] = []
    for element in self { found.append(try await body(element)) }
    return found
  }
}
