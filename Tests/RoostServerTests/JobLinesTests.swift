import Foundation
import NIOCore
import RoostEngine
import RoostServer
import Synchronization
import Testing

/// Jobs as lines of one request, for as long as they come: NDJSON.
@Suite("Jobs as lines") struct JobLinesTests {
  @Test("each line is a job with a result of its own, in order, whatever is wrong with its neighbours")
  func results() async throws {
    try await TestDaemon.run({ $0.maxPayloadBytes = 1_000 }) { daemon in
      let long = String(repeating: "x", count: 300_000)
      let lines = [
        #"{"payload":1}"#, "", #"{"paylaod":1}"#, "nonsense", #"{"payload":{"a": 1.0},"idempotency_key":"k"}"#, " \r",
        #"{"payload":"\#(long)"}"#, #"{"payload":"\#(long.prefix(2_000))"}"#, "[]",
        #"{"payload":{"a": 1.0},"idempotency_key":"k"}"#, "{\"payload\":2}\r", #"{"payload":3}"#,
      ]
      // The last one has no line's end.
      let answers = try await daemon.answers(to: lines.joined(separator: "\n"))
      #expect(answers.count == lines.count - 2)
      let codes = answers.map { $0["code"] as? String ?? $0["state"] as? String ?? "" }
      #expect(
        codes == [
          "READY", "unknown_field", "invalid_json", "READY", "payload_too_large", "payload_too_large", "wrong_type",
          "READY", "READY", "READY",
        ])
      #expect(
        answers[7]["idempotent"] as? Bool == true && answers[7]["job_id"] as? String == answers[3]["job_id"] as? String)
      #expect(daemon.engine.jobCount == 4)
    }
  }

  @Test("any number of jobs comes through one request, each once and in order")
  func many() async throws {
    try await TestDaemon.run { daemon in
      let count = 12_345
      let lines = (0..<count).map { #"{"payload":\#($0),"queue":"many"}"# }
      let syncs = daemon.engine.syncs
      let answers = try await daemon.answers(to: lines.joined(separator: "\n") + "\n")
      #expect(answers.count == count)
      #expect(Set(answers.compactMap { $0["job_id"] as? String }).count == count)
      #expect(daemon.engine.jobCount == count)
      // Thirteen if they came at once; in any case far from one a job.
      #expect(Int(daemon.engine.syncs - syncs) < count / 10)
      let last = try #require(answers.last?["job_id"] as? String)
      #expect(
        try await daemon.send("GET", "/jobs/\(last)?payload=true", daemon.client).text.contains(#""payload":12344"#))
    }
  }

  @Test("results come while the body is still being sent")
  func whileItComes() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.begin(daemon.client)
      connection.sendChunk(#"{"payload":1}"# + "\n" + #"{"payl"#)
      let head = try await connection.reply()
      #expect(head.status == 200 && head.headers["content-type"] == "application/x-ndjson")
      #expect(try await connection.chunk().contains("READY"))
      connection.sendChunk(#"oad":2}"# + "\n")
      #expect(try await connection.chunk().contains("READY"))
      connection.send("0\r\n\r\n")
      #expect(try await connection.chunk().isEmpty)
      #expect(try await connection.isClosedByServer())
    }
  }

  @Test("the same over HTTP/2, beside other streams")
  func http2() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      let type = ("content-type", "application/x-ndjson")
      func send(_ text: String, isLast: Bool = false) {
        connection.send(FrameConnection.Kind.data, flags: isLast ? 1 : 0, stream: 1, Array(text.utf8))
      }
      connection.request(1, "POST", "/v1/jobs/batch", daemon.client, nil, [type], isWhole: false)
      send(#"{"payload":1}"# + "\nno")
      let head = try await connection.next(FrameConnection.Kind.headers)
      #expect(head.fields[":status"] == "200" && head.fields["content-type"] == "application/x-ndjson")
      #expect(try await connection.next(FrameConnection.Kind.data).text.contains("READY"))
      #expect(try await connection.ask(3, "GET", "/health").text == "OK")
      send("nsense\n")
      #expect(try await connection.next(FrameConnection.Kind.data).text.contains("invalid_json"))
      send(#"{"payload":2}"#, isLast: true)
      var rest = ""
      while true {
        let frame = try await connection.next()
        if frame.kind == FrameConnection.Kind.data { rest += frame.text }
        if frame.isEnd { break }
      }
      #expect(rest.contains("READY"))
      #expect(try await connection.ask(5, "GET", "/health").text == "OK")
      #expect(daemon.engine.jobCount == 2)
    }
  }

  @Test("bytes that wait are bounded: when there are too many no more is read until they are taken")
  func bounded() async {
    let rooms = Atomic(0)
    let body = BodyStream { rooms.add(1, ordering: .relaxed) }
    #expect(body.receive(ByteBuffer(repeating: 1, count: BodyStream.mostBytes - 1)))
    #expect(!body.receive(ByteBuffer(repeating: 2, count: 1)))
    #expect(rooms.load(ordering: .relaxed) == 0)
    guard case .bytes(let bytes) = await body.next() else {
      Issue.record("the body has ended")
      return
    }
    #expect(bytes.count == BodyStream.mostBytes && rooms.load(ordering: .relaxed) == 1)
    #expect(body.receive(ByteBuffer(repeating: 3, count: 1)))
    body.finish(.whole)
    body.finish(.gone)
    guard case .bytes([3]) = await body.next() else {
      Issue.record("what came before the end is lost")
      return
    }
    guard case .end(.whole) = await body.next() else {
      Issue.record("the first end does not count")
      return
    }
  }

  @Test("a request that is refused is refused at once, whatever its body would be")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      for (key, more, status) in [
        ("nobody", [], 401), (daemon.worker, [], 403), (daemon.client, ["Idempotency-Key: k"], 422),
      ] {
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        connection.begin(key, more)
        let reply = try await connection.reply()
        #expect(reply.status == status && reply.string("request_id") != nil)
        #expect(try await connection.isClosedByServer())
      }
      #expect(daemon.engine.jobCount == 0)
    }
  }

  @Test("fault 38: a client that hangs up in a line has submitted the lines before it, and leaves nothing behind")
  func hangUp() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.run({ $0.answers = answers }) { daemon in
      let connection = try Connection(port: daemon.port)
      connection.begin(daemon.client)
      connection.sendChunk(#"{"payload":1}"# + "\n" + #"{"payload":2}"# + "\n" + #"{"payload":3}"#)
      _ = try await connection.reply()
      #expect(try await connection.chunk().split(separator: "\n").count == 2)
      connection.close()
      #expect(await answers.areAnswered())
      #expect(daemon.engine.jobCount == 2)
    }
  }

  @Test("fault 35: a body that stops coming ends its stream, which says so in its last line")
  func tooSlow() async throws {
    try await TestDaemon.run({ $0.bodyTimeout = .milliseconds(200) }) { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.begin(daemon.client)
      connection.sendChunk(#"{"payload":1}"# + "\n")
      _ = try await connection.reply()
      let said = String(decoding: try await connection.rest(), as: UTF8.self)
      #expect(said.contains("READY") && said.contains("request_timeout") && said.hasSuffix("0\r\n\r\n"))
    }
  }

  @Test("a key that is revoked while its stream is open submits no more")
  func revoked() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.begin(daemon.client)
      connection.sendChunk(#"{"payload":1}"# + "\n")
      _ = try await connection.reply()
      #expect(try await connection.chunk().contains("READY"))
      #expect(try await daemon.send("DELETE", "/keys/\(daemon.client)", daemon.client).status == 200)
      connection.sendChunk(#"{"payload":2}"# + "\n")
      #expect(try await connection.chunk().contains("revoked_key"))
      #expect(try await connection.chunk().isEmpty)
      #expect(daemon.engine.jobCount == 1)
    }
  }

  @Test("fault 20: a stop ends open streams, and says so in their last line", arguments: [false, true])
  func stop(isSecure: Bool) async throws {
    try await TestCertificates.with { certificates in
      let identity = try certificates.identity()
      let (said, say) = AsyncStream.makeStream(of: String.self)
      try await TestDaemon.run({ if isSecure { $0.tls = identity } }) { daemon in
        let line = #"{"payload":1}"# + "\n"
        if isSecure {
          let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
          let type = ("content-type", "application/x-ndjson")
          connection.request(1, "POST", "/jobs/batch", daemon.client, line, [type], isWhole: false)
          _ = try await connection.next(FrameConnection.Kind.data)
          Task {
            var text = ""
            while let frame = try? await connection.next(), frame.kind != FrameConnection.Kind.goAway || text.isEmpty {
              if frame.kind == FrameConnection.Kind.data { text += frame.text }
              if frame.isEnd, frame.stream == 1 { break }
            }
            say.yield(text)
            connection.close()
          }
        } else {
          let connection = try Connection(port: daemon.port)
          connection.begin(daemon.client)
          connection.sendChunk(line)
          _ = try await connection.reply()
          _ = try await connection.chunk()
          Task {
            say.yield((try? await connection.chunk()) ?? "")
            connection.close()
          }
        }
      }
      #expect(await said.first { _ in true }?.contains(#""code":"stopping""#) == true)
    }
  }

  @Test(
    "fault 20: a stop does not wait for the rest of a request that has not come whole",
    arguments: ["GET /queues HTTP/1.1\r\nHo", "POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"])
  func unfinished(start: String) async throws {
    let (ended, end) = AsyncStream.makeStream(of: Void.self)
    try await TestDaemon.run({
      // Nothing else would end them before the test is ended.
      ($0.headerTimeout, $0.bodyTimeout, $0.idleTimeout) = (.seconds(86_400), .seconds(86_400), .seconds(86_400))
    }) { daemon in
      let connection = try Connection(port: daemon.port)
      // What has come behind an answered request is there.
      connection.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + start)
      #expect(try await connection.reply().status == 200)
      Task {
        _ = try? await connection.rest()
        connection.close()
        end.yield()
      }
    }
    #expect(await ended.first { _ in true } != nil)
  }
}

extension TestDaemon {
  /// Submits lines in one request, reading while it sends; the answers are JSON objects.
  fileprivate func answers(to lines: String) async throws -> [[String: Any]] {
    let connection = try Connection(port: port)
    defer { connection.close() }
    let key = client
    let sender = Thread {
      connection.begin(key)
      var rest = Array(lines.utf8)[...]
      // Pieces that end anywhere.
      while !rest.isEmpty {
        connection.sendChunk(String(decoding: rest.prefix(50_021), as: UTF8.self))
        rest = rest.dropFirst(50_021)
      }
      connection.send("0\r\n\r\n")
    }
    sender.start()
    let head = try await connection.reply()
    #expect(head.status == 200)
    var text = ""
    while case let chunk = try await connection.chunk(), !chunk.isEmpty { text += chunk }
    return try text.split(separator: "\n").map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
    }
  }
}

extension Connection {
  /// The head of a request whose lines follow in chunks.
  func begin(_ key: String, _ headers: [String] = []) {
    let fixed = ["Content-Type: application/x-ndjson; charset=utf-8", "Transfer-Encoding: chunked"]
    send(Connection.request("POST", "/jobs/batch", key, nil, fixed + headers))
  }

  func sendChunk(_ text: String) { send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n") }
}

extension FrameConnection.Frame {
  fileprivate var text: String { String(decoding: payload, as: UTF8.self) }
}
