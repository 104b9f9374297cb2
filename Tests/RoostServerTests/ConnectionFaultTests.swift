import Foundation
import Glibc
import RoostEngine
import RoostServer
import Testing

/// Clients that are slow, silent, too many or gone, over HTTP/1.1.
@Suite("Faults of connections") struct ConnectionFaultTests {
  @Test("fault 34: a client that does not read is closed, and what it was owed is not kept")
  func slowReader() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.run({
      $0.writeTimeout = .milliseconds(200)
      $0.maxPayloadBytes = 8 << 20
      $0.answers = answers
    }) { daemon in
      let wide = #"{"payload":"\#(String(repeating: "x", count: 4_000_000))"}"#
      let id = try #require(try await daemon.send("POST", "/jobs", daemon.client, wide).string("job_id"))
      let reader = try Connection(port: daemon.port)
      defer { reader.close() }
      // More than the kernel holds for both sides together.
      let ask = Connection.request("GET", "/jobs/\(id)?payload=true", daemon.client, nil)
      for _ in 0..<8 { reader.send(ask) }
      // A byte for a closed socket comes back as a reset: the one sign that needs no reading.
      try await until("the server has closed") { reader.isReset }
      #expect(await answers.areAnswered(), "nothing is kept for it")
      #expect(try await daemon.send("GET", "/health").text == "OK")
    }
  }

  @Test("fault 20: a stop cuts no answer short that a client reads slowly", arguments: [3, 8])
  func slowReaderAtStop(requests: Int) async throws {
    let (ends, end) = AsyncStream.makeStream(of: [UInt8].self)
    try await TestDaemon.run({ $0.maxPayloadBytes = 8 << 20 }) { daemon in
      let wide = #"{"payload":"\#(String(repeating: "x", count: 4_000_000))"}"#
      let id = try #require(try await daemon.send("POST", "/jobs", daemon.client, wide).string("job_id"))
      let (idle, reader) = (try Connection(port: daemon.port), try Connection(port: daemon.port))
      idle.send(Connection.request("GET", "/health", nil, nil))
      #expect(try await idle.reply().text == "OK")
      let ask = Connection.request("GET", "/jobs/\(id)?payload=true", daemon.client, nil)
      for _ in 0..<requests { reader.send(ask) }
      #expect(try await reader.reply().status == 200)
      Task {
        // The stop has begun.
        _ = try? await idle.isClosedByServer()
        end.yield((try? await reader.rest()) ?? [])
        for connection in [idle, reader] { connection.close() }
      }
    }
    let bytes = try #require(await ends.first { _ in true })
    var start = 0
    while start < bytes.count {
      let headEnd = try #require(bytes[start...].firstRange(of: "\r\n\r\n".utf8)?.upperBound)
      let head = String(decoding: bytes[start..<headEnd], as: UTF8.self).lowercased()
      let length = try #require(head.firstMatch(of: /content-length: ([0-9]+)/).flatMap { Int($0.1) }, "\(head)")
      start = headEnd + length
    }
    #expect(!bytes.isEmpty && start == bytes.count)
  }

  @Test("fault 35: a head that comes byte by byte, none at all, and idleness are closed in time")
  func slowHead() async throws {
    try await TestDaemon.run({ $0.headerTimeout = .milliseconds(50) }) { daemon in
      let mute = try Connection(port: daemon.port)
      defer { mute.close() }
      #expect(try await mute.isClosedByServer())
      let slow = try Connection(port: daemon.port)
      defer { slow.close() }
      // Each byte on its own does not buy more time.
      let drip = Task {
        while !Task.isCancelled {
          slow.send("G")
          try await Task.sleep(for: .milliseconds(5))
        }
      }
      defer { drip.cancel() }
      slow.send("GET /health HTTP/1.1\r\nX-A: ")
      #expect(try await slow.isClosedByServer())
    }
    try await TestDaemon.run({ $0.idleTimeout = .milliseconds(50) }) { daemon in
      let idle = try Connection(port: daemon.port)
      defer { idle.close() }
      idle.send(Connection.request("GET", "/health", nil, nil))
      #expect(try await idle.reply().text == "OK")
      #expect(try await idle.isClosedByServer())
    }
  }

  @Test("fault 35: connections beyond the cap wait, and are served when another ends")
  func cap() async throws {
    try await TestDaemon.run({ $0.maxConnections = 2 }) { daemon in
      let (first, second) = (try Connection(port: daemon.port), try Connection(port: daemon.port))
      let ask = Connection.request("GET", "/health", nil, nil)
      for connection in [first, second] {
        connection.send(ask)
        #expect(try await connection.reply().text == "OK")
      }
      let third = try Connection(port: daemon.port)
      defer { third.close() }
      third.send(ask)
      // The others are served again and again, the third is not let in meanwhile.
      for _ in 0..<20 {
        for connection in [first, second] {
          connection.send(ask)
          #expect(try await connection.reply().text == "OK")
        }
      }
      #expect(!third.hasBytes)
      first.close()
      #expect(try await third.reply().text == "OK")
      second.close()
    }
  }

  @Test("fault 38: pipelined requests are answered in their order, refusals among them")
  func pipelined() async throws {
    try await TestDaemon.run { daemon in
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      var bytes: [UInt8] = []
      for number in 0..<60 {
        let id = ["X-Request-ID: n\(number)"]
        switch number % 3 {
        case 0: bytes += Connection.request("GET", "/health", nil, nil, id)
        case 1: bytes += Connection.request("POST", "/jobs", daemon.client, #"{"payload":\#(number)}"#, id)
        default: bytes += Connection.request("GET", "/" + String(repeating: "x", count: 9_000), nil, nil, id)
        }
      }
      connection.send(bytes)
      for number in 0..<60 {
        let reply = try await connection.reply()
        #expect(reply.headers["x-request-id"] == "n\(number)" && reply.status == [200, 201, 414][number % 3])
      }
      #expect(daemon.engine.jobCount == 20)
    }
  }

  @Test("fault 38: requests cut off half-way are not carried out, and nothing of them is left")
  func aborted() async throws {
    let answers = AnswersInFlight()
    try await TestDaemon.run({ $0.answers = answers }) { daemon in
      for cut in [20, 60, 120, 150] {
        let connection = try Connection(port: daemon.port)
        let whole = Connection.request("POST", "/jobs", daemon.client, #"{"payload":"0123456789"}"#)
        connection.send(Array(whole.prefix(min(cut, whole.count - 1))))
        connection.close()
      }
      let leaving = try Connection(port: daemon.port)
      let poll = Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      leaving.send(poll + poll + poll)
      try await daemon.untilWaiting(1)
      leaving.close()
      try await daemon.untilWaiting(0)
      #expect(daemon.engine.jobCount == 0)
    }
    #expect(await answers.areAnswered())
  }

  @Test(
    "fault 39: 10,000 idle connections, or as many as descriptors allow, and 1,000 long polls are held in bounded memory"
  )
  func many() async throws {
    // Both ends of each connection are descriptors of this process, and other tests need some.
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #expect(getrlimit(resource, &limit) == 0)
    limit.rlim_cur = limit.rlim_max
    #expect(setrlimit(resource, &limit) == 0)
    let idleCount = min(10_000, (Int(clamping: limit.rlim_cur) - 2_000) / 2 - 1_000)
    try #require(idleCount >= 500, "a descriptor limit of \(limit.rlim_cur) is too low for this test")
    try await TestDaemon.run { daemon in
      #expect(try await daemon.send("GET", "/health").text == "OK")
      let before = residentBytes()
      var idle: [Connection] = []
      var polling: [Connection] = []
      defer { for connection in idle + polling { connection.close() } }
      let ask = Connection.request("GET", "/health", nil, nil)
      for _ in 0..<idleCount {
        let connection = try Connection(port: daemon.port)
        connection.send(ask)
        idle.append(connection)
      }
      // Every one of them was served before it fell idle.
      for connection in idle { #expect(connection.takesHealth()) }
      let held = residentBytes()
      let poll = Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      for _ in 0..<1_000 {
        let connection = try Connection(port: daemon.port)
        connection.send(poll)
        polling.append(connection)
      }
      try await daemon.untilWaiting(1_000)
      let parked = residentBytes()
      let perIdle = (held - before) / idleCount
      let perPoll = (parked - held) / 1_000
      print("fault 39: \(idleCount) idle connections, \(perIdle) bytes each; 1,000 long polls, \(perPoll) bytes each")
      // Other tests of this process use memory meanwhile: generous, yet far below a buffer of a request for each.
      #expect(perIdle < 64 << 10 && perPoll < 256 << 10)
      #expect(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#).status == 201)
      try await daemon.untilWaiting(999)
    }
  }
}

/// Memory of this process that is in use, bytes.
private func residentBytes() -> Int {
  let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") } ?? ""
  return (Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0) << 10
}

extension Connection {
  /// Whether the answer of `/health` comes; all of it in one piece.
  fileprivate func takesHealth() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 512)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count > 0 && buffer[..<count].starts(with: "HTTP/1.1 200".utf8)
  }

  /// Sends a byte; true if there is nobody to take it any more.
  fileprivate var isReset: Bool {
    var byte = UInt8(ascii: "G")
    return Glibc.send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) < 0 && errno != EAGAIN
  }

  /// Whether something has come that was not taken.
  fileprivate var hasBytes: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
  }
}
