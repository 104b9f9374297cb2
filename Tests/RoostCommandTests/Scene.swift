import Foundation
import Testing

/// A data directory with daemons and workers that come and go: what most fault tests begin with.
struct Scene {
  let directory: URL
  /// Short leases, looked at often, and segments small enough that a few jobs fill one.
  static let quick = ["--segment-bytes", "64KiB", "--events-retention", "0s", "--lease-check-interval", "10ms"]

  var data: URL { directory.appendingPathComponent("data") }

  /// Runs a test body in a directory of its own.
  static func run<Result: Sendable>(_ body: @escaping @Sendable (Scene) throws -> Result) async throws -> Result {
    try await withDirectory { try body(Scene(directory: $0)) }
  }

  func start(_ arguments: [String] = quick, environment: [String: String] = [:], through: [String] = []) throws
    -> LiveDaemon
  {
    try LiveDaemon(in: data, arguments, environment: environment, through: through)
  }

  /// Starts a daemon that must refuse to.
  func refusal(_ arguments: [String] = quick, through: [String] = []) throws -> LiveDaemon.StartFailure {
    do {
      let daemon = try start(arguments, through: through)
      daemon.end(SIGKILL)
    } catch let failure as LiveDaemon.StartFailure {
      return failure
    }
    throw Unexpected(description: "the daemon started")
  }

  func roost(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandOutcome {
    try CommandOutcome(roost: arguments, in: directory, environment: environment)
  }

  struct Unexpected: Error, CustomStringConvertible {
    let description: String
  }
}

extension LiveDaemon {
  /// Submits a job and returns its id.
  func submit(_ body: String = #"{"payload":1}"#, on connection: WireClient? = nil) throws -> String {
    let reply = try (connection ?? connect()).send("POST", "/jobs", client, body)
    guard reply.status == 201, let id = reply.string("job_id") else {
      throw Scene.Unexpected(description: "submit: \(reply.status) \(reply.text)\n\(said.suffix(2_000))")
    }
    return id
  }

  /// Leases the next job, waiting for it.
  func lease(_ body: String = #"{"wait":"30s"}"#, on connection: WireClient? = nil) throws -> WireReply {
    let reply = try (connection ?? connect()).send("POST", "/jobs/lease", worker, body)
    guard reply.status == 200 else {
      throw Scene.Unexpected(description: "lease: \(reply.status) \(reply.text)")
    }
    return reply
  }

  func get(_ id: String) throws -> WireReply {
    try connect().send("GET", "/jobs/\(id)?payload=true", client)
  }

  /// Says `ack`, `fail`, `extend` or `release`.
  func say(_ word: String, _ id: String, lease: String, _ more: String = "") throws -> WireReply {
    try connect().send("POST", "/jobs/\(id)/\(word)", worker, "{\"lease_id\":\"\(lease)\"\(more)}")
  }
}

/// Waits until something is so; the limit only ends a test that would wait forever.
func waitUntil(_ what: String, _ isSo: () throws -> Bool) throws {
  let limit = Date().addingTimeInterval(60)
  while try !isSo() {
    guard Date() < limit else { throw Scene.Unexpected(description: "waited in vain until \(what)") }
    usleep(2_000)
  }
}
