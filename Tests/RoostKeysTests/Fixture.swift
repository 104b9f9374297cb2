import Foundation
import RoostAPI
import RoostKeys
import Synchronization

/// A data directory of its own, gone when the test ends.
final class TemporaryDirectory: Sendable {
  let path = NSTemporaryDirectory() + "/roost-keys-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func file(_ name: String) -> String { path + "/" + name }
  func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: file(name))) }
  func write(_ data: Data, to name: String) throws { try data.write(to: URL(fileURLWithPath: file(name))) }

  func permissions(_ name: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: file(name))[.posixPermissions] as? Int
  }
}

/// Clocks that move only when told.
final class ManualClock: Sendable {
  private let milliseconds = Mutex<Int64>(1_700_000_000_000)

  func advance(milliseconds step: Int64) { milliseconds.withLock { $0 += step } }
  var now: Date { Date(timeIntervalSince1970: Double(milliseconds.withLock { $0 }) / 1000) }

  var clock: KeyClock {
    KeyClock(wall: { self.now }, elapsed: { self.milliseconds.withLock { $0 } * 1_000_000 })
  }
}

extension Authenticator {
  /// A key as a test holds it: plain text, without the header around it.
  func authenticate(
    token: Substring, from peer: AddressBlock? = nil
  ) async throws(AuthRejection) -> Caller {
    try await authenticate(header: "Bearer \(token)", from: peer)
  }

  func cached(_ token: Substring) -> Caller? { cached(Secret(token)) }
}

/// A store in memory that counts look-ups and can be down.
final class CountingStore: KeyStore {
  private struct State {
    var records: [String: KeyRecord] = [:]
    var lookUps = 0
    var isDown = false
  }
  private let state = Mutex(State())
  let checkInterval: Duration? = nil
  let place = "memory"

  var lookUps: Int { state.withLock { $0.lookUps } }
  func removeAll() { state.withLock { $0.records = [:] } }
  func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

  func find(_ id: String) async throws(KeyStoreError) -> KeyRecord? {
    let (isDown, record) = state.withLock {
      $0.lookUps += 1
      return ($0.isDown, $0.records[id])
    }
    if isDown { throw .unreachable("down for the test") }
    return record
  }
  func create(_ record: KeyRecord) async throws(KeyStoreError) { state.withLock { $0.records[record.id] = record } }
  func createFirst(_ records: [KeyRecord]) async throws(KeyStoreError) -> Bool { false }
  func list(owner: Name?) async throws(KeyStoreError) -> KeyListing { state.withLock { KeyListing($0.records.values) } }
  /// Tells nobody, like a revocation whose message was missed.
  func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord? {
    state.withLock {
      $0.records[id]?.revoke(at: date)
      return $0.records[id]
    }
  }
  func check() async throws(KeyStoreError) {}
  func onChange(_ handler: @escaping @Sendable () -> Void) {}
}
