import ArgumentParser
import Foundation
import Glibc
import RoostAPI
import UnixSignals

/// `roost bench`: what this machine and this disk are good for, measured in some seconds.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure what to expect of this machine and disk.",
    discussion: """
      It makes a folder on the disk of the data directory, times syncs in it, runs a daemon over it on a port of its own, \
      and loads that over loopback: submits on one connection and on many, batches, and whole cycles of submit, lease and \
      acknowledge. Daemon and load share this machine, as figures of one machine always do. The folder is removed at the \
      end, also after SIGINT and SIGTERM. A daemon that runs on the data directory is not asked, but feels the load.

      Exit codes: 0 done, 64 a wrong flag, 73 the folder cannot be used, 74 the output was lost, 130 interrupted.
      """)

  @OptionGroup var data: DataDirectory
  @Option(help: "How long to measure in all, 1 to 600 seconds.") var seconds = 10.0
  @Option(help: "How many connections load at once, 1 to 256.") var connections = 16
  @Option(help: "How large a payload is, 1 to 1000000 bytes.") var payloadBytes = 200
  @Flag(help: "JSON: the default where standard output is no terminal.") var json = false
  @Flag(help: "A table: the default on a terminal.") var table = false

  func validate() throws {
    guard (1...600).contains(seconds) else { throw ValidationError("--seconds must be 1 to 600, got \(seconds).") }
    guard (1...256).contains(connections) else {
      throw ValidationError("--connections must be 1 to 256, got \(connections).")
    }
    guard (1...1_000_000).contains(payloadBytes) else {
      throw ValidationError("--payload-bytes must be 1 to 1000000, got \(payloadBytes).")
    }
    if json, table { throw ValidationError("Give --json or --table, not both.") }
  }

  func run() async throws {
    try CommandOutput.check()
    _ = try DescriptorLimit.ofDaemon(loops: 1)
    let folder = try BenchFolder(beside: data.path)
    defer { folder.remove() }
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
    let interrupted = Task {
      for await signal in signals {
        // Nothing of it is to be kept: the folder goes under the running daemon.
        folder.remove()
        _exit(128 + signal.rawValue)
      }
    }
    defer { interrupted.cancel() }
    let race = BenchRace(
      folder: folder.path, seconds: seconds, connections: connections, payloadBytes: payloadBytes)
    let measures = try await race.run()
    try CommandOutput.write(table || !json && Terminal.isOutput ? Self.text(measures) : Self.json(measures))
  }

  private static func text(_ measures: [BenchMeasure]) -> String {
    let rows = measures.map { measure in
      [
        TextTable.Cell(text: measure.name), .init(text: "\(Int(measure.perSecond.rounded()))", isNumber: true),
        .init(text: measure.median?.short ?? "", isNumber: true), .init(text: measure.p99?.short ?? "", isNumber: true),
      ]
    }
    return TextTable(headings: ["WHAT", "A SECOND", "p50", "p99"], rows: rows).text()
  }

  private static func json(_ measures: [BenchMeasure]) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("items")
    json.beginArray()
    for measure in measures {
      json.beginObject()
      json.field("measure", measure.key)
      json.field("per_second", Int(measure.perSecond.rounded()))
      if let median = measure.median { json.field("p50_us", Int((median / .microseconds(1)).rounded())) }
      if let p99 = measure.p99 { json.field("p99_us", Int((p99 / .microseconds(1)).rounded())) }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return AnswerText(json.bytes).line
  }
}

/// What one load came to.
struct BenchMeasure: Sendable {
  /// `submit_many`, for a program.
  let key: String
  let name: String
  let perSecond: Double
  let median: Duration?
  let p99: Duration?
}

/// A folder on the disk that is measured.
struct BenchFolder: Sendable {
  let path: String

  /// - Parameter directory: The data directory, which need not exist yet.
  init(beside directory: String) throws(CommandFailure) {
    var parent = URL(fileURLWithPath: directory).standardizedFileURL.deletingLastPathComponent()
    while !FileManager.default.fileExists(atPath: parent.path), parent.path != "/" { parent.deleteLastPathComponent() }
    var template = Array("\(parent.path)/.roost-bench-XXXXXX".utf8CString)
    let isMade = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.map { mkdtemp($0) != nil } ?? false
    }
    guard isMade else {
      throw CommandFailure(
        .unusable, "cannot make a folder in \(inert(parent.path)): \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Again where something was made in it meanwhile.
  func remove() {
    for _ in 0..<10 where FileManager.default.fileExists(atPath: path) {
      try? FileManager.default.removeItem(atPath: path)
    }
  }
}
