import Foundation
import RoostClient

/// What tests of the SDK need a process of its own for.
@main
struct SDKProbe: RoostProgram {
  static func run() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "encode": print(try RawJSON(encoding: Zoo()).text)
    case "block": try await block(until: arguments.dropFirst().first ?? "")
    default: throw PermanentFailure("encode, or block FILE")
    }
  }

  /// A worker with more handlers than Swift has threads for, each of which blocks its thread until a file exists.
  private static func block(until file: String) async throws {
    let handlers = 2 * ProcessInfo.processInfo.processorCount
    var worker = Worker(
      client: try Client.fromEnvironment(), configuration: WorkerConfiguration(concurrency: handlers))
    worker.handle("block", as: Int.self) { _, _ in
      while access(file, F_OK) != 0 { usleep(1_000) }
    }
    try await worker.runUntilSignalled()
  }
}

/// A payload whose bytes would follow from the order of hashes if anything let them.
private struct Zoo: Encodable {
  var names = ["z": 1, "a": 2, "m": 3, "b": 4, "y": 5, "c": 6]
  var set: Set = ["one", "two", "three", "four", "five", "six"]
  var numbers: Set = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  var pairs = [Date(timeIntervalSince1970: 1): "x", Date(timeIntervalSince1970: 2): "y", Date.distantPast: "z"]
  var nested = ["q": ["k": Set([1.5, 2.5]), "j": []], "p": ["l": [1e21]]]
  var first = 1
  var second = "two"
  var third: Double? = 3
}
