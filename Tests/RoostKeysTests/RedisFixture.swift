import Dispatch
import Foundation
import RedisForTests
import RoostAPI
import RoostKeys

/// A redis-server with the stores and authenticators that a test opens over it.
final class RedisScene: Sendable {
  let server: RedisServer
  let manual = ManualClock()

  /// - Parameter isUp: Whether the server runs from the beginning.
  init(isUp: Bool = true) async throws {
    let server = try RedisServer()
    self.server = server
    if isUp { try await away { try server.start() } }
  }

  /// A store with time limits that only end a test which would wait for ever.
  func open(
    listens: Bool = true, _ credentials: String = "", _ database: String = "",
    _ change: (inout RedisLimits) -> Void = { _ in }
  ) throws -> RedisKeyStore {
    var limits = RedisLimits()
    limits.connect = .seconds(30)
    limits.command = .seconds(60)
    limits.longestPause = .milliseconds(100)
    change(&limits)
    let address = try RedisAddress(Secret(server.url(credentials, database)))
    return RedisKeyStore(address, limits: limits, listens: listens)
  }

  func record(_ key: APIKey = .mint(.client), owner: String = "o", expiresAt: Date? = nil) -> KeyRecord {
    KeyRecord(key: key, name: "n ü", ownerID: Name(owner), queues: [.all], createdAt: manual.now, expiresAt: expiresAt)
  }

  /// A key in the store, and the key itself.
  func makeKey(_ store: any KeyStore, _ type: KeyType = .client) async throws -> (token: Substring, id: String) {
    let made = try await KeyService(store: store, clock: manual.clock).create(
      name: "n", ownerID: "o", type: type, by: .commandLine)
    return (Substring(made.key.reveal()), made.record.id)
  }

  /// Waits until so many stores hear of changes.
  func waitForListeners(_ count: Int) async throws {
    try await eventually("\(count) stores listen") {
      try await away { try self.server.cli("PUBSUB", "NUMSUB", "roost:keys:changed") }.hasSuffix("\n\(count)")
    }
  }
}

/// Runs what blocks on a thread where nobody waits.
func away<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try work() }) }
  }
}

/// Waits until something is so; the limit only ends a test that would wait for ever.
func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
  let limit = ContinuousClock.now + .seconds(60)
  while try await !isSo() {
    guard ContinuousClock.now < limit else { throw InVain(description: "waited in vain until \(what)") }
    try await Task.sleep(for: .milliseconds(2))
  }
}

struct InVain: Error, CustomStringConvertible {
  let description: String
}
