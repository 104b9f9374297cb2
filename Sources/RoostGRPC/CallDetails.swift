import GRPCCore
import Logging
import NIOCore
import RoostAPI
import RoostKeys
import RoostServer
import Synchronization

extension CallFront.Call {
  /// Takes the key and the trace that came with a call.
  mutating func take(_ metadata: Metadata) throws(Rejection) {
    try take { Array(metadata[stringValues: $0]) }
  }

  /// - Parameter values: Those of a name.
  mutating func take(_ values: (String) -> [String]) throws(Rejection) {
    authorization = try Self.one("authorization", values)
    apiKey = try Self.one("x-api-key", values)
    traceparent = try Self.one("traceparent", values)
    // A list may come in parts.
    let states = values("tracestate")
    if !states.isEmpty { tracestate = states.joined(separator: ",") }
  }

  private static func one(_ name: String, _ values: (String) -> [String]) throws(Rejection) -> String? {
    let values = values(name)
    guard values.count < 2 else {
      throw Rejection(.badRequest, field: name, "the metadata \(name) is given twice: give it once")
    }
    return values.first
  }
}

/// The other end of a connection, as gRPC writes it: `ipv4:127.0.0.1:31415`, `ipv6:[::1]:443`.
func peer(_ text: String) -> AddressBlock? {
  guard let scheme = text.firstIndex(of: ":"), let port = text.lastIndex(of: ":"), scheme < port else { return nil }
  var address = text[text.index(after: scheme)..<port]
  if address.hasPrefix("[") { address = address.dropFirst().dropLast() }
  // A zone, as in fe80::1%eth0, is no part of it.
  return AddressBlock(try? SocketAddress(ipAddress: String(address.prefix { $0 != "%" }), port: 1))
}

/// The client of a call is gone, or is to be taken as gone.
final class Disconnect: Sendable {
  private struct State {
    var hasHappened = false
    var action: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  var hasHappened: Bool { state.withLock { $0.hasHappened } }

  /// Runs `action` once it happens, at once if it has; one that was given before is forgotten.
  func then(_ action: @escaping @Sendable () -> Void) {
    let isNow = state.withLock { state in
      if !state.hasHappened { state.action = action }
      return state.hasHappened
    }
    if isNow { action() }
  }

  func happen() {
    let action = state.withLock { state in
      state.hasHappened = true
      return state.action.take()
    }
    action?()
  }
}

/// Counts each call when it ends, and writes a line where the access log is on.
struct CallLog: Sendable {
  let metrics: GRPCMetrics
  let logger: Logger
  let isOn: Bool

  func ended(
    _ rule: CallRule, _ refusal: Rejection?, _ call: CallFront.Call, since start: ContinuousClock.Instant
  ) {
    let duration = ContinuousClock.now - start
    let status = refusal?.code.grpcStatus.rawValue ?? 0
    if let refusal { metrics.refused(refusal.code) }
    metrics.ended(rule.method, status: status, after: rule.isStream ? nil : duration)
    guard isOn else { return }
    logger.info(
      "request",
      metadata: [
        "method": "gRPC", "path": "/roost.v1.Roost/\(rule.method)", "status": "\(RPCError.statusNames[status])",
        "microseconds": .stringConvertible(Int64(duration / .microseconds(1))), "request_id": "\(call.id)",
      ])
  }
}
