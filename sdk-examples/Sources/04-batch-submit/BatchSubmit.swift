import Foundation
import RoostClient

// Submits many jobs in few requests and draws a progress bar. Its argument says how many; 10,000 otherwise.

struct Resize: JobPayload {
  static let jobType = "image.resize"
  var image: Int
  var width: Int
}

@main
struct BatchSubmit: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()
    let total = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000
    let begun = ContinuousClock.now
    var (submitted, refused) = (0, 0)

    for start in stride(from: 0, to: total, by: 1_000) {
      let jobs = try (start..<min(start + 1_000, total)).map { image in
        try NewJob(Resize(image: image, width: 320), JobOptions(queue: "images", priority: .low))
      }
      // Each job is accepted or refused on its own; all that are accepted share one write to the disk.
      for result in try await client.submit(contentsOf: jobs) {
        switch result {
        case .success: submitted += 1
        case .failure(let error):
          refused += 1
          if refused == 1 { FileHandle.standardError.write(Data("\nrefused: \(error)\n".utf8)) }
        }
      }
      draw(submitted + refused, of: total)
    }

    let seconds = begun.duration(to: .now) / .seconds(1)
    print("\n\(submitted) submitted, \(refused) refused, \(Int(Double(submitted) / seconds)) jobs/s")
  }

  static func draw(_ count: Int, of total: Int) {
    let width = 40
    let filled = width * count / max(total, 1)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    FileHandle.standardOutput.write(Data("\r\(bar) \(count)/\(total)".utf8))
  }
}
