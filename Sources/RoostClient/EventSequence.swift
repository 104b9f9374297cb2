import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import RoostAPI

/// What happens at a daemon; see ``Client/events(_:after:)``. Each iteration is a stream of its own.
public struct EventSequence: AsyncSequence, Sendable {
  let transport: Transport
  let filter: EventFilter
  let origin: EventOrigin
  let follows: Bool

  public func makeAsyncIterator() -> Iterator { Iterator(self) }

  public struct Iterator: AsyncIteratorProtocol {
    private let sequence: EventSequence
    private var connection: EventConnection?
    private var backoff: Backoff
    /// The last one that was heard of.
    private var lastID: String?
    private var isOver = false

    init(_ sequence: EventSequence) {
      self.sequence = sequence
      backoff = Backoff(sequence.transport.configuration.retry)
    }

    public mutating func next() async throws -> RoostEvent? {
      while !isOver {
        try Task.checkCancellation()
        do throws(RoostError) {
          if connection == nil { connection = try await connect() }
          if let message = try await connection!.next() {
            lastID = connection!.lastID ?? lastID
            backoff.reset()
            if let event = try event(message) { return event }
          } else if sequence.follows {
            connection = nil
          } else {
            isOver = true
          }
        } catch {
          connection = nil
          try Task.checkCancellation()
          guard error.isRetryable, sequence.follows || error.wasNotTaken else { throw error }
          try await Task.sleep(for: backoff.pause(atLeast: error.boundedRetryAfter))
        }
      }
      return nil
    }

    /// Nil for what only says that the stream has ended.
    private mutating func event(_ message: EventMessage) throws(RoostError) -> RoostEvent? {
      guard message.name == "end" else { return try RoostEvent(message.data) }
      let fields = try JSONFields(message.data)
      connection = nil
      let code = fields.text("code") ?? ""
      let status = ErrorCode(rawValue: code)?.status ?? 500
      let error = RoostError(.init(rawValue: code), fields.text("message") ?? "", .daemon, status: status)
      throw error
    }

    private func connect() async throws(RoostError) -> EventConnection {
      var query = sequence.filter.query
      func add(_ part: String) { query += (query.isEmpty ? "" : "&") + part }
      if !sequence.follows { add("follow=false") }
      switch sequence.origin {
      case .now: break
      case .oldest: add("after=start")
      case .id(let id): add("after=" + percentEncoded(id))
      }
      return try await sequence.transport.events(query.isEmpty ? "/events" : "/events?" + query, after: lastID)
    }
  }
}

/// One message of a stream of Server-Sent Events.
struct EventMessage {
  var name: String
  var data: [UInt8]
}

/// A stream that is open. It closes with its last reference.
final class EventConnection {
  private let http: HTTPClient
  private var body: HTTPClientResponse.Body.AsyncIterator
  private var parser = EventParser()

  var lastID: String? { parser.lastID }

  init(_ http: HTTPClient, _ body: HTTPClientResponse.Body) {
    self.http = http
    self.body = body.makeAsyncIterator()
  }

  deinit {
    // The closing of connections outlives the last reference to them.
    Task { [http] in try? await http.shutdown() }
  }

  /// The next message; nil at the end.
  func next() async throws(RoostError) -> EventMessage? {
    while true {
      if let message = parser.next() { return message }
      let chunk: ByteBuffer?
      do { chunk = try await body.next() } catch {
        throw RoostError(.unreachable, "the stream of events broke off: \(error)", .unanswered)
      }
      guard let chunk else { return nil }
      parser.add(chunk.readableBytesView)
      guard parser.pendingBytes <= Self.mostBytes else {
        throw RoostError(.unexpectedAnswer, "an event of more than \(Self.mostBytes) bytes came", .foreign)
      }
    }
  }

  private static let mostBytes = 1 << 20
}

/// Takes Server-Sent Events apart, as the WHATWG's HTML says.
struct EventParser {
  /// The last id that came, with or without an event.
  private(set) var lastID: String?
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  private var name = ""
  private var data: [UInt8] = []
  private var hasData = false

  var pendingBytes: Int { bytes.count - start + data.count }

  mutating func add(_ more: some Sequence<UInt8>) {
    bytes.removeSubrange(..<start)
    searched -= start
    start = 0
    bytes.append(contentsOf: more)
  }

  mutating func next() -> EventMessage? {
    while let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
      var line = bytes[start..<end]
      (start, searched) = (end + 1, end + 1)
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if let message = take(line) { return message }
    }
    searched = bytes.count
    return nil
  }

  private mutating func take(_ line: ArraySlice<UInt8>) -> EventMessage? {
    guard !line.isEmpty else {
      defer { (name, data, hasData) = ("", [], false) }
      return hasData ? EventMessage(name: name, data: data) : nil
    }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = line[colon...].dropFirst()
    if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
    switch String(decoding: line[..<colon], as: UTF8.self) {
    case "id": lastID = String(decoding: value, as: UTF8.self)
    case "event": name = String(decoding: value, as: UTF8.self)
    case "data":
      if hasData { data.append(UInt8(ascii: "\n")) }
      data += value
      hasData = true
    default: break
    }
    return nil
  }
}

extension Transport {
  /// Opens a stream of events.
  ///
  /// - Parameter lastID: Of the last event that was heard of.
  func events(_ path: String, after lastID: String?) async throws(RoostError) -> EventConnection {
    let (http, base) = (streamClient(), base)
    do {
      var request = HTTPClientRequest(url: base + path)
      request.headers.add(name: "Authorization", value: authorization)
      request.headers.add(name: "Accept", value: "text/event-stream")
      if let lastID { request.headers.add(name: "Last-Event-ID", value: lastID) }
      let response = try await http.execute(request, deadline: .distantFuture)
      guard response.status == .ok, response.headers.first(name: "Content-Type") == "text/event-stream" else {
        let body = (try? await response.body.collect(upTo: 1 << 16)).map { Array($0.readableBytesView) } ?? []
        throw RoostError(answer: body, status: Int(response.status.code), headers: response.headers)
      }
      return EventConnection(http, response.body)
    } catch {
      Task { try? await http.shutdown() }
      if let refusal = error as? RoostError { throw refusal }
      leave(base)
      throw RoostError(
        .unreachable, "no answer from \(base): \(error)", Self.wasSent(error) ? .unanswered : .unsent)
    }
  }
}
