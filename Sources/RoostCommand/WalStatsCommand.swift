import ArgumentParser
import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostLog

/// `roost wal stats`: what of a log lives and what is dead, and what its jobs are; without the lock.
struct WalStatsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Say what of the log lives, and how many jobs there are in which state.",
    discussion: """
      Replays the log like a start, with the same need for memory, but takes no lock and changes nothing: it may run \
      beside a daemon. Live bytes are those that compaction would have to keep; amplification is log bytes by live bytes.
      """)

  @OptionGroup var data: DataDirectoryArgument
  @Flag(help: "One JSON object.") var json = false

  func run() async throws {
    let directory = data.path
    // Every segment is held open.
    _ = DescriptorLimit.raised()
    let stats: LogStats
    do throws(LogError) {
      stats = LogStats(try LoadedLog(LinuxDisk(inspecting: directory)), directory: directory)
    } catch {
      throw CommandFailure(reading: directory, error)
    }
    try CommandOutput.write(json ? stats.json : stats.text)
  }
}

/// The figures, in words and as JSON.
struct LogStats: Encodable {
  let directory: String
  /// Process id of the daemon that holds the directory.
  var heldByProcess: Int32?
  let isHeld: Bool
  let firstSegment: UInt32
  let lastSegment: UInt32
  let segments: Int
  let spareSegments: Int
  let fileBytes: Int
  let logBytes: Int
  let liveBytes: Int
  let deadBytes: Int
  /// Log bytes by live bytes; nil when nothing lives.
  var amplification: Double?
  var tornTailBytes = 0
  let records: UInt64
  let epoch: UInt64
  let jobs: Int
  let jobsByState: [String: Int]
  let queues: Int
  /// Idempotency keys that answer for jobs that have left.
  let keptKeys: Int
  /// RFC 3339; nil in a log without a frame.
  var lastWrittenAt: String?

  init(_ log: LoadedLog, directory: String) {
    let machine = log.takeMachine()
    self.directory = directory
    heldByProcess = log.snapshot.holder?.process
    isHeld = log.snapshot.holder != nil
    firstSegment = log.snapshot.head.firstSegment
    lastSegment = log.end.segment
    segments = log.snapshot.segments.count
    spareSegments = log.snapshot.spareCount
    fileBytes = log.snapshot.fileBytes
    logBytes = log.end.usedBytes
    liveBytes = machine.keptBytes
    deadBytes = max(0, log.end.usedBytes - machine.keptBytes)
    if liveBytes > 0 { amplification = (Double(logBytes) / Double(liveBytes) * 100).rounded() / 100 }
    tornTailBytes = log.end.tornTail?.bytes ?? 0
    records = log.end.nextSequence
    epoch = machine.epoch
    jobs = machine.jobCount
    jobsByState = Dictionary(uniqueKeysWithValues: machine.stateCounts.map { ($0.state.name, $0.jobs) })
    queues = machine.queueCount
    keptKeys = machine.stubCount
    lastWrittenAt = (log.end.last?.stamp.wallTime).map { Timestamp.text(milliseconds: $0 / 1_000_000) }
  }

  var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(self) else { preconditionFailure("numbers and texts always encode") }
    return AnswerText.inertJSON(String(decoding: bytes, as: UTF8.self)) + "\n"
  }

  var text: String {
    var lines: [String] = []
    if isHeld { lines.append("in use by \(heldByProcess.map { "process \($0)" } ?? "another process")") }
    lines.append(
      "log: \(logBytes) bytes in \(counted(segments, "segment")) (\(firstSegment) to \(lastSegment)), "
        + "\(counted(spareSegments, "spare")); the files take \(fileBytes) bytes")
    let factor = amplification.map { ", amplification \($0)" } ?? ""
    lines.append("live: \(liveBytes) bytes, dead: \(deadBytes) bytes\(factor)")
    if tornTailBytes > 0 { lines.append("torn tail: \(tornTailBytes) bytes, never answered") }
    lines.append("records so far: \(records), epoch \(epoch), last written \(lastWrittenAt ?? "never")")
    lines.append("jobs: \(jobs) in \(counted(queues, "queue"))\(Self.states(jobsByState))")
    lines.append("idempotency keys of jobs that left: \(keptKeys)")
    return lines.joined(separator: "\n") + "\n"
  }

  /// `: READY 3, ACKED 1`, without what there is none of.
  static func states(_ jobsByState: [String: Int]) -> String {
    let some = JobState.allCases.compactMap { state -> String? in
      guard let jobs = jobsByState[state.name], jobs > 0 else { return nil }
      return "\(state.name) \(jobs)"
    }
    return some.isEmpty ? "" : ": " + some.joined(separator: ", ")
  }
}

/// `1 job`, `2 jobs`.
func counted(_ count: some BinaryInteger, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
