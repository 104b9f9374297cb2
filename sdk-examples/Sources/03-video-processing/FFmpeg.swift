import Foundation
import RoostClient

/// Runs ffmpeg and calls `report` with the seconds it has encoded so far. Cancelling the task stops ffmpeg.
func ffmpeg(_ arguments: [String], report: (Double) async throws -> Void = { _ in }) async throws {
  let options = ["-nostdin", "-y", "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "0.2"]
  for try await line in run("ffmpeg", options + arguments) where line.hasPrefix("out_time_us=") {
    if let microseconds = Double(line.dropFirst("out_time_us=".count)) { try await report(microseconds / 1_000_000) }
  }
}

/// The length of a video, in seconds.
func duration(of path: String) async throws -> Double {
  let question = ["-v", "error", "-show_entries", "format=duration", "-of", "default=nw=1:nk=1", path]
  for try await line in run("ffprobe", question) {
    if let seconds = Double(line) { return seconds }
  }
  // Another attempt would find the same: the job is not worth a retry.
  throw PermanentFailure("\(path) is no video")
}

struct ToolFailed: Error, CustomStringConvertible {
  let description: String
}

/// The lines a program prints; fails if the program does. Whoever stops reading them stops the program.
private func run(_ tool: String, _ arguments: [String]) -> AsyncThrowingStream<String, any Error> {
  AsyncThrowingStream { lines in
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    let output = Pipe()
    process.standardOutput = output
    lines.onTermination = { ending in
      if case .cancelled = ending, process.isRunning { process.terminate() }
    }
    do { try process.run() } catch { return lines.finish(throwing: error) }
    // Reading a pipe blocks: a thread of its own does it.
    Thread.detachNewThread {
      var rest = Data()
      while case let part = output.fileHandleForReading.availableData, !part.isEmpty {
        rest += part
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          lines.yield(String(decoding: rest[..<end], as: UTF8.self))
          rest = Data(rest[(end + 1)...])
        }
      }
      process.waitUntilExit()
      let status = process.terminationStatus
      lines.finish(throwing: status == 0 ? nil : ToolFailed(description: "\(tool) ended with \(status)"))
    }
  }
}
