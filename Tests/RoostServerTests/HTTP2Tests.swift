import Foundation
import RoostEngine
import RoostServer
import Testing

/// What is promised of a request holds for each stream of an HTTP/2 connection.
@Suite("HTTP/2") struct HTTP2Tests {
  @Test("jobs are submitted, leased and acknowledged side by side on one connection")
  func cycle() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      // Both at once: the lease waits, and the submit after it answers it.
      connection.request(1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      connection.request(3, "POST", "/jobs", daemon.client, #"{"payload":{"b": 1.00}}"#)
      var ended: Set<Int> = []
      while ended != [1, 3] {
        let frame = try await connection.next()
        if frame.isEnd { ended.insert(frame.stream) }
      }
      _ = try await connection.ask(5, "POST", "/jobs", daemon.client, #"{"payload":2}"#)
      let leased = try await connection.ask(7, "POST", "/v1/jobs/lease", daemon.worker)
      let id = try #require(leased.string("job_id"))
      let lease = try #require(leased.string("lease_id"))
      let acked = try await connection.ask(9, "POST", "/jobs/\(id)/ack", daemon.worker, #"{"lease_id":"\#(lease)"}"#)
      #expect(acked.status == 200 && acked.string("state") == "ACKED", "\(acked.text)")
      let head = try await connection.ask(11, "HEAD", "/health")
      #expect(head.status == 200 && head.headers["content-length"] == "2" && head.body.isEmpty)
    }
  }

  @Test("fault 36: what is too large or malformed costs its stream, with a body and a request id; the others go on")
  func tooLarge() async throws {
    try await TestDaemon.secure({ $0.maxPayloadBytes = 1_000 }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      // The answer shows that the server has the client's acknowledgement of its settings.
      #expect(try await connection.ask(1, "GET", "/health").text == "OK")
      let wide = #"{"payload":"\#(String(repeating: "x", count: 1_001))"}"#
      let payload = try await connection.ask(3, "POST", "/jobs", daemon.client, wide)
      #expect(payload.status == 413 && payload.code == "payload_too_large")
      connection.request(5, "POST", "/jobs", daemon.client, nil, [("content-length", "9000000")], isWhole: false)
      let announced = try await connection.reply(5)
      #expect(announced.status == 413 && announced.string("request_id") == announced.headers["x-request-id"])
      connection.reset(5)
      let long = try await connection.ask(7, "GET", "/jobs?q=" + String(repeating: "x", count: 9_000), daemon.client)
      #expect(long.status == 414 && long.string("request_id") != nil)
      let big = try await connection.ask(
        9, "GET", "/health", nil, nil, [("x-a", String(repeating: "x", count: 40_000))])
      #expect(big.status == 431 && big.code == "headers_too_large" && big.string("request_id") != nil)
      let many = try await connection.ask(11, "GET", "/health", nil, nil, (0..<120).map { ("x-\($0)", "1") })
      #expect(many.status == 431 && many.code == "headers_too_large")
      let text = try await connection.ask(13, "POST", "/jobs", daemon.client, "{")
      #expect(text.status == 400 && text.code == "invalid_json")
      connection.request(15, "GET", "/health", nil, nil, [("connection", "close")])
      #expect(try await connection.next(FrameConnection.Kind.reset).stream == 15)
      #expect(try await connection.ask(17, "GET", "/health").text == "OK")
    }
  }

  @Test("fault 35: a body that does not arrive in time is answered with 408, and its stream ended")
  func slowBody() async throws {
    try await TestDaemon.secure({
      $0.bodyTimeout = .milliseconds(50)
      $0.lingerTimeout = .milliseconds(50)
    }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "POST", "/jobs", daemon.client, "{", isWhole: false)
      let reply = try await connection.reply(1)
      #expect(reply.status == 408 && reply.code == "request_timeout")
      let reset = try await connection.next(FrameConnection.Kind.reset)
      #expect(reset.stream == 1 && reset.errorCode == 0, "without blame: the answer was complete")
      #expect(try await connection.ask(3, "GET", "/health").text == "OK")
    }
  }

  @Test("fault 35: a connection that asks nothing is closed")
  func mute() async throws {
    try await TestDaemon.secure({ $0.headerTimeout = .milliseconds(100) }) { daemon, certificates in
      await #expect(throws: SecureConnection.Closed.self) {
        try await FrameConnection(port: daemon.port, authority: certificates.authority).untilClosed()
      }
    }
  }

  @Test("fault 35: an idle connection is told good-bye, and closed even if it does not answer")
  func idle() async throws {
    try await TestDaemon.secure({
      $0.idleTimeout = .milliseconds(100)
      $0.lingerTimeout = .milliseconds(100)
    }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      #expect(try await connection.next(FrameConnection.Kind.goAway).errorCode == 0)
      await #expect(throws: SecureConnection.Closed.self) { try await connection.untilClosed() }
    }
  }

  @Test("fault 35: a half-open connection, whose ping nobody answers, is closed; its long poll is released")
  func halfOpen() async throws {
    try await TestDaemon.secure({
      $0.pingInterval = .milliseconds(50)
      $0.pingTimeout = .milliseconds(50)
      $0.lingerTimeout = .milliseconds(50)
    }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      connection.request(1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      _ = try await connection.next(FrameConnection.Kind.ping)
      #expect(try await connection.next(FrameConnection.Kind.goAway).errorCode == 0)
      await #expect(throws: SecureConnection.Closed.self) { try await connection.untilClosed() }
      try await daemon.untilWaiting(0)
    }
  }

  @Test("fault 34: an answer that nobody reads is held for a while, then its stream is reset")
  func slowReader() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.secure({
      $0.writeTimeout = .milliseconds(100)
      $0.answers = answers
    }) { daemon, certificates in
      let wide = #"{"payload":"\#(String(repeating: "x", count: 200_000))"}"#
      let id = try #require(try await submit(wide, daemon, certificates))
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      // The client's window is 65,535 bytes, and it never opens it further.
      connection.request(1, "GET", "/jobs/\(id)?payload=true", daemon.client)
      var bytes = 0
      while true {
        let frame = try await connection.next()
        if frame.kind == FrameConnection.Kind.data { bytes += frame.payload.count }
        if frame.kind == FrameConnection.Kind.reset { break }
      }
      #expect(bytes == 65_535)
      #expect(await answers.areAnswered(), "nothing is kept for it")
    }
  }

  @Test("fault 38: a reset releases the long poll; no job goes to a stream that nobody reads")
  func reset() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      try await daemon.untilWaiting(1)
      connection.reset(1)
      try await daemon.untilWaiting(0)
      _ = try await connection.ask(3, "POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let leased = try await connection.ask(5, "POST", "/jobs/lease", daemon.worker)
      #expect(leased.status == 200 && leased.json["attempt"] as? Int == 1)
    }
  }

  @Test("fault 38: rapid resets end their connection; nothing of them is left, and others are served")
  func rapidReset() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.secure({
      $0.maxStreamResets = 50
      $0.answers = answers
    }) { daemon, certificates in
      let calm = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { calm.close() }
      #expect(try await calm.ask(1, "GET", "/health").text == "OK")
      let attacker = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      for number in 0..<500 {
        attacker.request(2 * number + 1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
        attacker.reset(2 * number + 1)
      }
      let goodBye = try await attacker.next(FrameConnection.Kind.goAway)
      #expect(goodBye.errorCode == 11, "ENHANCE_YOUR_CALM")
      await #expect(throws: SecureConnection.Closed.self) { try await attacker.untilClosed() }
      try await daemon.untilWaiting(0)
      #expect(try await calm.ask(3, "GET", "/health").text == "OK")
    }
    #expect(await answers.areAnswered(), "every request was answered or given up")
  }

  @Test("fault 38: a client that opens more streams than it may loses its connection, and its long polls with it")
  func tooManyStreams() async throws {
    try await TestDaemon.secure({ $0.maxStreams = 4 }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      for stream in [1, 3, 5, 7] {
        connection.request(stream, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      }
      try await daemon.untilWaiting(4)
      connection.request(9, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      _ = try await connection.next(FrameConnection.Kind.goAway)
      await #expect(throws: SecureConnection.Closed.self) { try await connection.untilClosed() }
      try await daemon.untilWaiting(0)
    }
  }

  @Test("an answer ends with its last frame: no empty one comes behind it, which would make clients reset the stream")
  func lastFrame() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "GET", "/health")
      connection.request(3, "HEAD", "/health")
      var frames: [Int: [FrameConnection.Frame]] = [:]
      while frames[1]?.last?.isEnd != true || frames[3]?.last?.isEnd != true {
        let frame = try await connection.next()
        frames[frame.stream, default: []].append(frame)
      }
      #expect(frames[1]?.map(\.kind) == [FrameConnection.Kind.headers, FrameConnection.Kind.data])
      #expect(frames[1]?.last?.payload == Array("OK".utf8))
      #expect(frames[3]?.map(\.kind) == [FrameConnection.Kind.headers])
    }
  }

  @Test("a lease stays with the stream that was told of it, although the stream has ended")
  func leaseDelivered() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      for number in 0..<20 {
        let body = #"{"payload":\#(number)}"#
        _ = try await connection.ask(4 * number + 1, "POST", "/jobs", daemon.client, body)
        let leased = try await connection.ask(4 * number + 3, "POST", "/jobs/lease", daemon.worker)
        #expect(leased.json["attempt"] as? Int == 1, "\(leased.text)")
      }
      #expect(try await connection.ask(99, "POST", "/jobs/lease", daemon.worker).code == "no_jobs_available")
    }
  }

  @Test("fault 38: a connection that ends with bodies half sent and answers under way leaves nothing behind")
  func aborted() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.secure({ $0.answers = answers }) { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      for stream in [1, 3, 5] { connection.request(stream, "POST", "/jobs", daemon.client, "{", isWhole: false) }
      connection.request(7, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      try await daemon.untilWaiting(1)
      connection.close()
      try await daemon.untilWaiting(0)
      #expect(daemon.engine.jobCount == 0)
    }
    #expect(await answers.areAnswered())
  }

  @Test("fault 20: a stop says good-bye, empties the long polls and closes, answered or not", arguments: [true, false])
  func shutdown(answersPing: Bool) async throws {
    try await TestCertificates.with { certificates in
      let identity = try certificates.identity()
      let (outcomes, report) = AsyncStream.makeStream(of: (hasGoodBye: Bool, body: String).self)
      try await TestDaemon.run({
        $0.tls = identity
        // A ping that is answered ends the wait; one that is not must not be waited for long.
        $0.lingerTimeout = .seconds(answersPing ? 60 : 2)
      }) { daemon in
        let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
        connection.request(1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
        try await daemon.untilWaiting(1)
        Task {
          var (hasGoodBye, body) = (false, [UInt8]())
          while let frame = try? await connection.next() {
            if frame.kind == FrameConnection.Kind.goAway { hasGoodBye = true }
            if frame.kind == FrameConnection.Kind.ping, answersPing { connection.answerPing(frame) }
            if frame.kind == FrameConnection.Kind.data { body += frame.payload }
          }
          report.yield((hasGoodBye, String(decoding: body, as: UTF8.self)))
        }
      }
      for await outcome in outcomes {
        #expect(outcome.hasGoodBye && outcome.body.contains("no_jobs_available"))
        break
      }
    }
  }

  /// Submits over HTTP/1.1, which has no window to keep.
  private func submit(_ body: String, _ daemon: TestDaemon, _ certificates: TestCertificates) async throws -> String? {
    let connection = try await SecureConnection(
      port: daemon.port, authority: certificates.authority, protocols: ["http/1.1"])
    defer { connection.close() }
    connection.send(Connection.request("POST", "/jobs", daemon.client, body))
    var text = ""
    while !text.contains("}") { text += String(decoding: try await connection.take(1), as: UTF8.self) }
    let begin = try #require(text.range(of: #""job_id":""#)).upperBound
    return String(text[begin...].prefix { $0 != "\"" })
  }
}
