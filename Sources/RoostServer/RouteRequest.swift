import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// A request as a route sees it: decoded as far as every route needs, by whatever front took it.
package struct RouteRequest: Sendable {
  /// What stood in the place of the `{…}` of the route's path; empty where there is none; of two with a slash between
  /// them, the first one without any.
  package var parameter: String
  package var query: Query
  package var idempotencyKey: String?
  /// The header of W3C Trace Context, where it is one; jobs submitted without a trace of their own belong to it.
  package var traceparent: String?
  /// What goes with it.
  package var tracestate: String?
  /// The request's own span; nil: it is not traced.
  package var span: RequestTrace?
  /// `If-None-Match`: what the client has already.
  package var ifNoneMatch: String?
  /// `Last-Event-ID`: where a client was that was cut off.
  package var lastEventID: String?
  package var body: [UInt8]
  /// The body, where it is answered while it comes; `body` is then empty.
  package var stream: BodyStream?
  /// Who asks; nil on routes that need no key.
  package var identity: Caller?
  /// Calls back when the client is gone before it has its answer.
  package var onDisconnect: @Sendable (@escaping @Sendable () -> Void) -> Void
  /// Whether the client has closed its side.
  package var isDisconnected: @Sendable () -> Bool
  /// Judges the caller's key again, and watches it.
  package var authenticator: Authenticator?

  package init(parameter: String, query: Query, body: [UInt8], identity: Caller?) {
    self.parameter = parameter
    self.query = query
    self.body = body
    self.identity = identity
    onDisconnect = { _ in }
    isDisconnected = { false }
  }

  /// Why the caller's key may no longer act; nil: it is still good. For what takes longer than a key may be believed,
  /// right before something is handed over.
  package func judgeKey() async -> Rejection? {
    guard let identity, let ended = await authenticator?.verdict(on: identity) else { return nil }
    return Rejection(ended)
  }

  /// Calls back once the caller's key has ended, until the watch is given up.
  package func watchKey(_ onEnd: @escaping @Sendable (Rejection) -> Void) -> KeyWatch? {
    guard let identity else { return nil }
    return authenticator?.watch(identity) { onEnd(Rejection($0)) }
  }

  /// Takes up the trace that the head names, and the request's own span in it.
  mutating func carry(_ head: IncomingRequest, _ span: RequestTrace?) {
    carry(head.traceparent, head.tracestate, span)
  }

  /// The same for a call that no request of HTTP carries.
  mutating func carry(_ given: String?, _ state: @autoclosure () -> String?, _ span: RequestTrace?) {
    self.span = span
    traceparent = span?.traceparent ?? given
    // Without the other header it says nothing.
    if given != nil { tracestate = state() }
  }

  /// A job that names no trace of its own belongs to that of its request; with one that it names the request's is linked.
  func trace(_ spec: inout JobSpec) {
    span?.names(queue: spec.queue)
    if let own = spec.traceparent {
      span?.links(traceparent: own, tracestate: spec.tracestate)
      return
    }
    guard let traceparent else { return }
    spec.traceparent = traceparent
    if spec.tracestate == nil { spec.tracestate = tracestate }
  }

  /// The caller of a route that has a scope.
  package var caller: Caller {
    guard let identity else { preconditionFailure("a route with a scope runs only for a verified caller") }
    return identity
  }

  /// The job that the path names. A text that is no id becomes one that no job has, so that it takes the same way
  /// through the engine as an unknown one.
  package var jobID: JobID { JobID(parameter) ?? JobID(high: 0, low: 0) }

  /// Which jobs the caller may see.
  package var viewer: Viewer {
    switch caller.type {
    case .admin: .all
    case .client: .owner(caller.ownerID.text)
    case .worker: .queues(caller.allowsAllQueues ? ["*"] : caller.queues.map(\.description))
    }
  }

  /// Whether the caller may look at a queue: at those it may use, and an admin at all.
  package func maySee(queue: String) -> Bool {
    caller.type == .admin || caller.mayUse(queue: queue)
  }

  /// Refuses a queue that the caller may not look at.
  package func requireVisible(queue: String) throws(Rejection) {
    if !maySee(queue: queue) { try requireQueue(queue) }
  }

  /// Refuses a queue that the key may not use.
  package func requireQueue(_ queue: String) throws(Rejection) {
    guard caller.mayUse(queue: queue) else {
      throw Rejection(.queueForbidden, "this key may not use the queue \(queue): use one of its own queues")
        .with("queue", queue)
    }
  }
}

extension Caller {
  /// Refuses a key that lacks a scope.
  func require(_ scope: Scope) throws(Rejection) {
    guard may(ScopeSet(scope)) else {
      throw Rejection(.forbiddenScope, "this key lacks the scope \(scope.rawValue): use a key that has it")
        .with("scope", scope.rawValue)
    }
  }
}

/// The part of the target after `?`, each name once.
package struct Query: Sendable {
  private var values: [(name: Name, value: String)] = []

  package init() {}

  /// - Parameter known: The names it may hold; the first other one is refused, so that no text costs more than its bytes.
  package init(_ text: Substring, known: [String]) throws(Rejection) {
    for pair in text.utf8.split(separator: UInt8(ascii: "&")) {
      let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        .map { Substring($0) }
      guard let name = percentDecoded(halves[0]), let value = percentDecoded(halves.count > 1 ? halves[1] : "") else {
        throw Rejection(.badRequest, "the query is not valid percent-encoded UTF-8")
      }
      guard known.contains(where: { Name($0) == Name(name) }) else { throw Self.unknown(name, known) }
      guard self[name] == nil else {
        throw Rejection(.badRequest, field: name, "the query parameter \(name) is given twice: give it once")
      }
      values.append((Name(name), value))
    }
  }

  package subscript(_ name: String) -> String? { values.first { $0.name == Name(name) }?.value }

  private static func unknown(_ name: String, _ known: [String]) -> Rejection {
    let shown = String(name.prefix(64))
    let known = known.isEmpty ? "this route has none" : "known here: \(known.joined(separator: ", "))"
    return Rejection(.unknownParameter, field: shown, "there is no query parameter \(shown); \(known)")
  }

  /// `true`, `1` or nothing after the name.
  package func flag(_ name: String) throws(Rejection) -> Bool {
    switch self[name] {
    case nil, "false", "0": return false
    case "true", "1", "": return true
    default: throw Rejection(.outOfRange, field: name, "\(name) must be true or false")
    }
  }

  /// A duration such as `30s`, milliseconds; nil when not given.
  package func duration(_ name: String, _ range: ClosedRange<Int64>) throws(Rejection) -> Int64? {
    guard let text = self[name] else { return nil }
    guard let value = DurationText.milliseconds(text), range.contains(value) else {
      let (low, high) = (range.lowerBound, range.upperBound)
      throw Rejection(
        .outOfRange, field: name,
        "\(name) must be a duration between \(DurationText.text(milliseconds: low)) and "
          + "\(DurationText.text(milliseconds: high)), such as 30s")
    }
    return value
  }

  /// The page size, 1…200; 50 when not given. A larger number counts as 200: pages may be shorter than asked for anyway.
  package func limit() throws(Rejection) -> Int {
    guard let text = self["limit"] else { return 50 }
    let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    guard isNumber, case let value = Int(text) ?? .max, value > 0 else {
      throw Rejection(.outOfRange, field: "limit", "limit must be a number, 1 or more; above 200 it counts as 200")
    }
    return min(value, 200)
  }

  /// Where the page begins, from the `next_cursor` of the page before.
  package func cursor() throws(Rejection) -> UInt64? {
    guard let text = self["cursor"] else { return nil }
    guard text.utf8.count <= 16, text.utf8.first != UInt8(ascii: "+"), let value = UInt64(text, radix: 16) else {
      throw Rejection(.outOfRange, field: "cursor", "cursor must be the next_cursor of an earlier page")
    }
    return value
  }
}

/// Resolves `%XX`; nil if an escape is broken, or the result is no UTF-8.
package func percentDecoded(_ text: some StringProtocol) -> String? {
  guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
  var out: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      out.append(byte)
      continue
    }
    guard rest.count >= 2, rest.prefix(2).allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
      let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
    else { return nil }
    out.append(value)
    rest = rest.dropFirst(2)
  }
  return String(validating: out, as: UTF8.self)
}
