import Dispatch
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Who asked for something of a lane.
protocol DirectResponder: AnyObject {
  /// Writes the response. Returns false, with nothing done, when nobody is left to have it.
  func respond(_ response: DirectResponse) -> Bool
  /// Lets the route's handler take the request.
  func carryOut()
}

/// The response to a request that went through a lane.
struct DirectResponse {
  let status: Int
  let id: RequestID
  var headers: [Rejection.Header] = []
  /// JSON.
  let body: [UInt8]
  /// Of a refusal.
  var code: ErrorCode?
  /// A lease that must be given back if this cannot be written.
  var granted: RoostCore.Answer.Grant?
}

/// The requests of one loop that are with the writer, by their tickets. On its loop alone.
///
/// A ticket is a place and a generation: it is not used again before its last answer has come, whatever became of its
/// connection meanwhile.
struct DirectTable {
  final class Entry {
    let responder: any DirectResponder
    var request: DirectRequest
    let route: Route
    let id: RequestID
    let start: ContinuousClock.Instant
    /// For the access log, where there is one.
    let logged: IncomingRequest?
    let caller: Caller
    /// Its own span, where it is traced.
    let span: RequestTrace?
    /// Keeps a process that must end from ending before the response is written.
    let inFlight: DispatchGroup
    var hasResponded = false

    init(
      responder: any DirectResponder, request: DirectRequest, route: Route, id: RequestID,
      start: ContinuousClock.Instant, logged: IncomingRequest?, caller: Caller, span: RequestTrace?,
      inFlight: DispatchGroup
    ) {
      self.responder = responder
      self.request = request
      self.route = route
      self.id = id
      self.start = start
      self.logged = logged
      self.caller = caller
      self.span = span
      self.inFlight = inFlight
    }
  }

  private var entries: [Entry?] = []
  private var generations: [UInt32] = []
  private var free: [Int] = []

  /// A ticket to decode with, for `fill`.
  mutating func reserve() -> UInt64 {
    if free.isEmpty {
      entries.append(nil)
      generations.append(0)
      free.append(entries.count - 1)
    }
    let place = free.last!
    return UInt64(generations[place]) << 24 | UInt64(place)
  }

  /// Opens the ticket that was reserved last.
  mutating func fill(_ entry: Entry) { entries[free.removeLast()] = entry }

  /// The place of a ticket's entry.
  func place(_ ticket: UInt64) -> Int {
    let place = Int(ticket & 0xFF_FFFF)
    precondition(
      entries[place] != nil && generations[place] == UInt32(truncatingIfNeeded: ticket >> 24),
      "a ticket is open until its last answer")
    return place
  }

  subscript(_ place: Int) -> Entry { entries[place]! }

  /// The last answer has come.
  mutating func close(_ place: Int) {
    entries[place] = nil
    generations[place] &+= 1
    free.append(place)
  }

  var openPlaces: [Int] { entries.indices.filter { entries[$0] != nil } }
}
