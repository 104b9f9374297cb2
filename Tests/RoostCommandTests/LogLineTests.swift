import Foundation
import Logging
import RoostCommand
import RoostKeys
import Testing

/// What the daemon says on standard error, as a log collector reads it.
@Suite("Log lines")
struct LogLineTests {
  @Test("fault 50: under LOG_FORMAT=json each line is one object that obeys no terminal, whatever its values hold")
  func json() throws {
    let hostile = HostileTextTests.hostile
    let line = Self.line(
      .json, "said \(hostile)\u{0}\u{7F}",
      [
        "a\(hostile)": "\(hostile)", "time": "forged", "n": .stringConvertible(7), "yes": .stringConvertible(true),
        "outer": ["inner": ["x": "1"], "list": ["a", .stringConvertible(2)]],
        "broken": "\(String(decoding: [0x61, 0xFF], as: UTF8.self))",
      ])
    #expect(line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }, "\(line.debugDescription)")
    let object = try #require(JSONLine(Substring(line)), "\(line.debugDescription)")
    #expect(object.text("time") == "1970-01-01T00:00:01.234Z")
    #expect(object.text("time_") == "forged")
    #expect(object.text("level") == "warning")
    #expect(object.text("message") == "said \(hostile)\u{0}\u{7F}", "nothing is lost by escaping")
    #expect(object.text("a\(hostile)") == hostile)
    #expect(object.values["n"] as? Int == 7)
    #expect(object.values["yes"] as? Bool == true)
    #expect(object.text("outer.inner.x") == "1")
    #expect((object.values["outer.list"] as? [Any])?.count == 2)
    #expect(object.text("broken") == "a\u{FFFD}")
  }

  @Test(
    "a line is never longer than what a pipe takes in one piece, and says what was cut", arguments: LogFormat.allCases)
  func length(format: LogFormat) throws {
    let long = String(repeating: "\u{1}é", count: 5_000)
    var metadata: Logger.Metadata = ["short": "kept"]
    for number in 0..<40 { metadata["value\(number)"] = "\(long)" }
    for metadata in [metadata, ["only": "\(long)"], [long: "x"]] {
      let line = Self.line(format, long, metadata)
      #expect(line.utf8.count < 4_096)
      #expect(line.contains("bytes more)"))
      if format == .json { #expect(JSONLine(Substring(line)) != nil, "\(line)") }
    }
  }

  @Test("every line of a daemon is JSON under LOG_FORMAT=json: start, requests with hostile paths, refusals, stop")
  func daemon() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(
        Scene.quick + ["--access-log"],
        environment: ["LOG_FORMAT": "json", "LOG_LEVEL": "debug", "LEASE_DURATON": "1s"])
      let connection = try daemon.connect()
      let paths = [
        "/jobs/%1B%5B2J", "/jobs/\u{202E}x?payload=true&secret=hush", "/\"}{\"level\":\"forged\"",
        "/keys/\(daemon.admin)",
        "/" + String(repeating: "y", count: 7_000),
      ]
      for path in paths { _ = try? daemon.connect().send("GET", path, daemon.client) }
      #expect(try connection.send("POST", "/jobs", daemon.client, #"{"payload":1}"#).status == 201)
      #expect(try connection.send("POST", "/jobs", nil, #"{"payload":1}"#).status == 401)
      #expect(daemon.end(SIGTERM) == .exited(0))
      let lines = daemon.said.split(separator: "\n")
      let objects = lines.compactMap { JSONLine($0) }
      #expect(objects.count == lines.count, "\(daemon.said)")
      for object in objects {
        let level = object.text("level").flatMap { Logger.Level(rawValue: $0) }
        #expect(level != nil && object.text("message") != nil && object.text("time")?.count == 24)
      }
      let start = try #require(objects.first)
      #expect(start.text("message") == "starting" && start.text("settings.LOG_FORMAT") == "json")
      #expect(objects.contains { $0.text("message")?.contains("LEASE_DURATON") == true })
      #expect(objects.contains { $0.values["port"] as? Int == daemon.port })
      let requests = objects.filter { $0.text("message") == "request" }
      #expect(requests.count >= paths.count, "\(daemon.said)")
      let made = try #require(requests.first { $0.values["status"] as? Int == 201 })
      #expect(made.text("method") == "POST" && made.text("path") == "/jobs" && made.values["bytes_in"] as? Int == 13)
      #expect(made.values["microseconds"] is Int && made.values["bytes_out"] is Int && made.text("request_id") != nil)
      #expect(made.text("key_id").map { daemon.client.contains($0) } == true && made.text("owner_id") != nil)
      let refused = try #require(requests.first { $0.values["status"] as? Int == 401 })
      #expect(refused.text("key_id") == nil)
      for secret in [daemon.client, daemon.worker, daemon.admin, "hush"] { #expect(!daemon.said.contains(secret)) }
      #expect(objects.last?.text("message") == "stopped")
    }
  }

  @Test("LOG_LEVEL is honoured: nothing below it is written, and the address is, whatever it is")
  func level() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(environment: ["LOG_LEVEL": "error"])
      #expect(try daemon.connect().send("GET", "/health", nil).status == 200)
      #expect(daemon.end(SIGTERM) == .exited(0))
      #expect(daemon.said == "listening on http://127.0.0.1:\(daemon.port)\n")
    }
  }

  @Test("the first line names what is not the default, without secrets; a failure to start is JSON, too")
  func start() async throws {
    try await Scene.run { scene in
      let first = try scene.start(environment: ["MAX_QUEUES": "77"])
      #expect(first.end(SIGTERM) == .exited(0))
      let line = try #require(first.said.split(separator: "\n").first)
      #expect(line.contains(" info starting ") && line.contains("settings.MAX_QUEUES=77"), "\(line)")
      #expect(!line.contains("settings.HOST"))
      let holder = try scene.start()
      defer { holder.end(SIGKILL) }
      let second = try scene.roost(
        ["serve", "--port", "0", "--wal-dir", scene.data.path], environment: ["LOG_FORMAT": "json"])
      #expect(second.status == 69)
      let lines = second.errors.split(separator: "\n")
      #expect(lines.allSatisfy { JSONLine($0) != nil }, "\(second.errors)")
      #expect(lines.last.flatMap { JSONLine($0) }?.text("level") == "critical")
    }
  }

  @Test("of lines that say the same only a few are written, and one says how many were not; others are not touched")
  func repeated() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let stream = LogStream(descriptor: ends[1], format: .json)
    var logger = Logger(label: "tests") { _ in LineLogHandler(level: .info, format: .json, stream: stream) }
    for number in 0..<5_000 {
      logger.warning("refused", metadata: ["code": "starting", "request_id": "\(number)"])
      if number % 1_000 == 0 { logger.warning("refused", metadata: ["code": "disk_low"]) }
      if number % 500 == 0 { logger.info("request") }
    }
    logger[metadataKey: "audit"] = "true"
    for _ in 0..<20 { logger.warning("audit: refused", metadata: ["code": "starting"]) }
    stream.tellHeldLines()
    let lines = Self.drain(ends[0]).split(separator: "\n").compactMap { JSONLine($0) }
    func count(_ message: String, _ code: String? = nil) -> Int {
      lines.filter { $0.text("message") == message && (code == nil || $0.text("code") == code) }.count
    }
    #expect(count("refused", "starting") == 10 && count("refused", "disk_low") == 5)
    #expect(count("request") == 10 && count("audit: refused") == 20)
    let told = lines.filter { $0.text("message") == "refused: more lines like it were not written" }
    #expect(told.count == 1 && told[0].text("code") == "starting" && told[0].values["lines"] as? Int == 4_990)
    #expect(told[0].text("level") == "warning")
  }

  @Test("an outage of Redis does not fill the log: each refusal is written or counted")
  func outage() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(environment: ["REDIS_URL": "redis://127.0.0.1:1"])
      let connection = try daemon.connect()
      let key = APIKey.mint(.client).whole.reveal()
      for _ in 0..<300 { #expect(try connection.send("GET", "/jobs", key).code == "auth_unavailable") }
      #expect(daemon.end(SIGTERM) == .exited(0))
      let lines = daemon.said.split(separator: "\n").filter { $0.contains("code=auth_unavailable") }
      let (told, written) = (
        lines.filter { $0.contains("were not written") }, lines.filter { $0.contains("request_id=") }
      )
      let counted = told.compactMap { $0.split(separator: "lines=").last.flatMap { Int($0) } }.reduce(0, +)
      #expect(written.count + counted == 300 && counted > 0, "\(daemon.said)")
    }
  }

  @Test("a reader that stops reading loses lines and stops nobody; when it reads again it hears how many")
  func stuckReader() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let stream = LogStream(descriptor: ends[1], patienceMilliseconds: 1)
    let logger = Logger(label: "tests") { _ in LineLogHandler(level: .info, stream: stream) }
    // Far more than a pipe holds: this would never return if a line waited for its reader.
    let sent = 20_000
    for number in 0..<sent { logger.info("line", metadata: ["number": "\(number)"]) }
    var text = Self.drain(ends[0])
    logger.info("line", metadata: ["number": "last"])
    text += Self.drain(ends[0])
    let lines = text.split(separator: "\n")
    let whole = lines.filter { $0.contains(" info line number=") }
    let note = try #require(lines.first { $0.contains("log lines are missing") })
    let missing = try #require(note.split(separator: "=").last.flatMap { Int($0) })
    #expect(missing > 0 && whole.count + missing == sent + 1)
    #expect(lines.count == whole.count + 1 && lines.last?.hasSuffix("number=last") == true)
  }

  /// What stands in a pipe at this moment.
  private static func drain(_ descriptor: Int32) -> String {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while Foundation.poll(&poll, 1, 0) == 1 {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func line(_ format: LogFormat, _ message: String, _ metadata: Logger.Metadata) -> String {
    let event = LogEvent(
      level: .warning, message: "\(message)", metadata: metadata, source: "tests", file: #fileID, function: #function,
      line: #line)
    return LineLogHandler(level: .info, format: format).line(event, at: Date(timeIntervalSince1970: 1.2341))
  }
}

/// A line that is one JSON object.
struct JSONLine {
  let values: [String: Any]

  init?(_ line: Substring) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return nil }
    values = object
  }

  func text(_ name: String) -> String? { values[name] as? String }
}
