import NIOCore
import RoostAPI
import RoostEngine

/// What the connections of one event loop share: a clock's text, and one sweep over all of their deadlines instead of a
/// timer each. On its loop alone.
final class LoopContext {
  let loop: any EventLoop
  let date = HTTPDate()
  /// Memory of requests and responses, used again and again.
  var scratch: [UInt8] = []
  var json = JSONWriter(capacity: 4 << 10)
  var output = ByteBuffer()
  /// Where this loop's commands go, once there is an engine.
  var lane: Lane?
  var asked = DirectTable()

  private var members: [(any Swept)?] = []
  private var free: [Int] = []
  private var sweep: RepeatedTask?
  private let period: TimeAmount

  init(loop: any EventLoop, period: TimeAmount) {
    self.loop = loop
    self.period = period
  }

  /// Looks at `member` from now on. Returns its place, for `leave`.
  func join(_ member: any Swept) -> Int {
    if sweep == nil { start() }
    if let place = free.popLast() {
      members[place] = member
      return place
    }
    members.append(member)
    return members.count - 1
  }

  func leave(_ place: Int) {
    members[place] = nil
    free.append(place)
    guard free.count == members.count else { return }
    (members, free) = ([], [])
    sweep?.cancel()
    sweep = nil
  }

  private func start() {
    let here = NIOLoopBound(self, eventLoop: loop)
    sweep = loop.scheduleRepeatedTask(initialDelay: period, delay: period) { _ in
      let now = NIODeadline.now()
      let context = here.value
      for place in context.members.indices {
        // Whoever is looked at may leave, and others with it.
        guard place < context.members.count else { break }
        context.members[place]?.sweep(now)
      }
    }
  }
}

/// Something with a deadline.
protocol Swept: AnyObject {
  func sweep(_ now: NIODeadline)
}

/// The contexts of a server's event loops.
final class LoopContexts: Sendable {
  private let contexts: [ObjectIdentifier: NIOLoopBoundBox<LoopContext>]

  init(_ group: any EventLoopGroup, _ configuration: ServerConfiguration) {
    let shortest = [
      configuration.headerTimeout, configuration.bodyTimeout, configuration.idleTimeout, configuration.writeTimeout,
      configuration.lingerTimeout,
    ].min()!
    let period = min(.seconds(1), max(.milliseconds(5), TimeAmount(shortest / 4)))
    var contexts: [ObjectIdentifier: NIOLoopBoundBox<LoopContext>] = [:]
    for loop in group.makeIterator() {
      contexts[ObjectIdentifier(loop)] = .makeBoxSendingValue(
        LoopContext(loop: loop, period: period), eventLoop: loop)
    }
    self.contexts = contexts
  }

  /// Of the loop that this is called on.
  subscript(_ loop: any EventLoop) -> LoopContext { contexts[ObjectIdentifier(loop)]!.value }
}
