/// How long jobs waited and ran, and what became of them, by queue and type, since the daemon started: volatile, on the
/// writer alone. At most 256 pairs of queue and type have figures of their own; the others share one.
struct JobFigures: ~Copyable {
  static let mostPairs = 256
  /// Of what is recent, log time: the window that began last and the one before it.
  static let window: Int64 = 300_000_000_000

  struct Pair: BitwiseCopyable {
    var queue: UInt32
    var type: UInt32
    var wait = Durations()
    var run = Durations()
    var leased: UInt64 = 0
    var acked: UInt64 = 0
    var failed: UInt64 = 0
    var dead: UInt64 = 0
  }

  /// All, and those of the last windows.
  struct Durations: BitwiseCopyable {
    var all = DurationHistogram()
    private var current = DurationHistogram()
    private var previous = DurationHistogram()
    private var windowNumber: Int64 = 0

    mutating func record(milliseconds: Int64, at time: Int64) {
      let number = time / JobFigures.window
      if number != windowNumber {
        previous = number == windowNumber + 1 ? current : DurationHistogram()
        current = DurationHistogram()
        windowNumber = number
      }
      all.record(milliseconds: milliseconds)
      current.record(milliseconds: milliseconds)
    }

    /// Those of the last five to ten minutes.
    func recent(at time: Int64) -> DurationHistogram {
      let number = time / JobFigures.window
      if number == windowNumber {
        var both = previous
        both.add(current)
        return both
      }
      return number == windowNumber + 1 ? current : DurationHistogram()
    }
  }

  private let memory: UnsafeMutablePointer<[Pair]>
  private var places: [UInt64: Int] = [:]
  private var last: (key: UInt64, place: Int) = (.max, 0)

  init() {
    memory = .allocate(capacity: 1)
    memory.initialize(to: [Pair(queue: .none, type: .none)])
  }

  deinit {
    memory.deinitialize(count: 1)
    memory.deallocate()
  }

  /// The first is that of the pairs beyond.
  var pairs: [Pair] { memory.pointee }

  /// Changes the figures of a pair.
  ///
  /// - Returns: Whether it is a new pair, whose names are in use from now on.
  mutating func change(_ queue: UInt32, _ type: UInt32, _ body: (inout Pair) -> Void) -> Bool {
    let key = UInt64(queue) << 32 | UInt64(type)
    if key == last.key {
      body(&memory.pointee[last.place])
      return false
    }
    if let place = places[key] {
      last = (key, place)
      body(&memory.pointee[place])
      return false
    }
    guard memory.pointee.count <= Self.mostPairs else {
      body(&memory.pointee[0])
      return false
    }
    places[key] = memory.pointee.count
    last = (key, memory.pointee.count)
    memory.pointee.append(Pair(queue: queue, type: type))
    body(&memory.pointee[last.place])
    return true
  }
}

extension StateMachine {
  /// A READY job is leased.
  mutating func noteLease(_ slot: Slot) {
    let waited = (now.log - jobs.hot(slot).pointee.deadline) / 1_000_000
    let time = now.log
    note(slot) {
      $0.wait.record(milliseconds: waited, at: time)
      $0.leased += 1
    }
  }

  /// An attempt ended.
  mutating func noteEnd(ofAttempt slot: Slot, _ outcome: Outcome, _ next: JobState, leasedAt: Int64) {
    guard outcome == .acked || outcome == .failed || outcome == .expired || outcome == .timedOut else { return }
    let (ran, time) = (now.wall - leasedAt, now.log)
    note(slot) {
      $0.run.record(milliseconds: ran, at: time)
      if outcome == .acked { $0.acked += 1 } else { $0.failed += 1 }
      if next == .dead { $0.dead += 1 }
    }
  }

  private mutating func note(_ slot: Slot, _ body: (inout JobFigures.Pair) -> Void) {
    let (queue, type) = (queue(of: slot), jobs.cold(slot).pointee.type)
    guard figures.change(queue, type, body) else { return }
    queueNames.retain(queue)
    typeNames.retain(type)
  }
}
