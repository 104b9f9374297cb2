/// Jobs that are one thing to whoever waits for them: when all of them have ended, one more job is made.
struct Batch {
  let id: UInt64
  let owner: [UInt8]
  var state: BatchState
  /// Where its last `batchSet` stands.
  var base: UInt64 = 0
  var recordBytes: UInt32 = 0
  /// Of its jobs that are there; built from their rows at the end of a replay.
  var counts = StateCounts()
  /// Of `Batches.members`.
  var first: Slot = .none
  /// It stands in `Batches.doubtful`.
  var isDoubtful = false

  /// How many of its jobs are, or left as, in a state.
  func count(_ state: JobState) -> UInt64 {
    let left =
      switch state {
      case .acked: self.state.left.acked
      case .dead: self.state.left.dead
      case .cancelled: self.state.left.cancelled
      default: UInt64(0)
      }
    return UInt64(counts[state]) + left
  }

  /// Jobs that have not ended.
  var pending: UInt64 {
    JobState.allCases.reduce(0) { $0 + ($1.isFinished ? 0 : UInt64(counts[$1])) }
  }

  var phase: BatchPhase {
    if state.completedAt != 0 { return state.cancelledAt != 0 ? .cancelled : .completed }
    if state.closedAt == 0 { return .open }
    return pending == 0 && !isMet ? .stalled : .closed
  }

  /// Whether the ends of its jobs are those that are wanted.
  var isMet: Bool { state.cancelledAt != 0 || state.isEnded || count(.dead) + count(.cancelled) == 0 }
  var isComplete: Bool { state.closedAt != 0 && state.completedAt == 0 && pending == 0 && isMet }
}

/// What the log says of a batch.
struct BatchState {
  /// May be empty.
  var name: [UInt8]
  /// Wall milliseconds.
  var createdAt: Int64
  /// However its jobs end; else all must be ACKED.
  var isEnded: Bool
  /// Log time at which it closes by itself; 0: it does not.
  var closesAt: Int64
  /// The job that is made; nil: none is.
  var then: ScheduleDefinition?
  /// Wall milliseconds; 0: it takes jobs.
  var closedAt: Int64 = 0
  /// Wall milliseconds; 0: nobody called it off.
  var cancelledAt: Int64 = 0
  /// Wall milliseconds; 0: it is not.
  var completedAt: Int64 = 0
  var completedUptime: Int64 = 0
  /// The job that was made; 0: none was.
  var job: UInt64 = 0
  /// Jobs that have left, by how they ended.
  var left = BatchLeavers()
}

struct BatchLeavers: Equatable, BitwiseCopyable {
  var acked: UInt64 = 0
  var dead: UInt64 = 0
  var cancelled: UInt64 = 0

  mutating func add(_ state: JobState) {
    switch state {
    case .acked: acked += 1
    case .dead: dead += 1
    default: cancelled += 1
    }
  }
}

package enum BatchPhase: Sendable, CaseIterable, BitwiseCopyable {
  case open
  /// It takes no jobs, and some have not ended.
  case closed
  /// All have ended, and not all are ACKED.
  case stalled
  case completed
  case cancelled

  /// The name on the wire.
  package var name: String { "\(self)" }
}

/// The batches, and which job belongs to which: 16 bytes for each, and 8 of an index.
struct Batches: ~Copyable {
  struct Member: BitwiseCopyable {
    var job: Slot
    var batch: Slot
    var next: Slot = .none
    var previous: Slot = .none
  }

  private var rows: [Batch?] = []
  private var free: [Slot] = []
  private var places: [UInt64: Slot] = [:]
  /// By their numbers.
  private(set) var order: [UInt64] = []
  private var members = Slab<Member>()
  private var index = SlotIndex(step: 1)
  /// The number of the next one.
  private(set) var next: UInt64 = 1
  /// Batches that may be complete.
  var doubtful: [Slot] = []
  /// Batches that were called off, and the member that is next.
  private(set) var cancelling: [(batch: Slot, next: Slot)] = []
  /// Those that close by themselves (log time), and those that are forgotten (uptime); an entry may be of one that is gone.
  var closeHeap = ExpiryHeap()
  var forgetHeap = ExpiryHeap()
  /// Bytes of the jobs that are still to be made.
  private(set) var owedBytes = 0

  var count: Int { order.count }
  var recordBytes: Int { order.reduce(0) { $0 + Int(self[find($1)].recordBytes) } }
  var hasMembers: Bool { members.count > 0 }
  var usedBytes: Int {
    members.usedBytes + (hasMembers ? index.usedBytes : 0) + order.count * 160
      + order.reduce(0) { $0 + (self[places[$1]!].state.then?.body.count ?? 0) }
  }
  var residentBytes: Int { members.residentBytes + index.residentBytes + order.count * 160 }

  subscript(_ slot: Slot) -> Batch {
    get { rows[Int(slot)]! }
    _modify { yield &rows[Int(slot)]! }
  }

  /// No batch from here on gets a smaller number: one that was forgotten keeps its own.
  mutating func number(from least: UInt64) { next = max(next, least) }

  func isUsed(_ slot: Slot) -> Bool { rows.indices.contains(Int(slot)) && rows[Int(slot)] != nil }
  func find(_ id: UInt64) -> Slot { places[id] ?? .none }

  /// Takes a batch as the log has it; its members stay.
  mutating func set(_ batch: Batch) -> Slot {
    next = max(next, batch.id + 1)
    let known = find(batch.id)
    guard known == .none else {
      owedBytes += batch.owed - self[known].owed
      let before = self[known]
      rows[Int(known)] = batch
      (self[known].counts, self[known].first) = (before.counts, before.first)
      self[known].isDoubtful = before.isDoubtful
      return known
    }
    owedBytes += batch.owed
    let slot = free.popLast() ?? Slot(rows.count)
    if Int(slot) == rows.count { rows.append(batch) } else { rows[Int(slot)] = batch }
    places[batch.id] = slot
    order.insert(batch.id, at: order.firstIndex { $0 > batch.id } ?? order.count)
    return slot
  }

  mutating func remove(_ slot: Slot) {
    while self[slot].first != .none { leave(members.pointer(self[slot].first).pointee.job) }
    let id = self[slot].id
    owedBytes -= self[slot].owed
    rows[Int(slot)] = nil
    free.append(slot)
    places[id] = nil
    order.removeAll { $0 == id }
    doubtful.removeAll { $0 == slot }
    cancelling.removeAll { $0.batch == slot }
  }

  mutating func complete(_ slot: Slot, _ change: (inout BatchState) -> Void) {
    owedBytes -= self[slot].owed
    change(&self[slot].state)
    owedBytes += self[slot].owed
  }

  mutating func doubt(_ slot: Slot) {
    guard !self[slot].isDoubtful, self[slot].state.completedAt == 0 else { return }
    self[slot].isDoubtful = true
    doubtful.append(slot)
  }

  mutating func beginCancel(_ slot: Slot) {
    cancelling.removeAll { $0.batch == slot }
    cancelling.append((slot, self[slot].first))
  }

  /// The next job of a batch that was called off; nil where one look found none.
  mutating func nextCancelled() -> Slot? {
    guard let last = cancelling.last else { return nil }
    guard last.next != .none else {
      cancelling.removeLast()
      return nil
    }
    let member = members.pointer(last.next).pointee
    cancelling[cancelling.count - 1].next = member.next
    return member.job
  }

  // MARK: Members

  private static func place(_ job: Slot) -> UInt64 {
    ((UInt64(job) &+ 1) &* 0x9E37_79B9_7F4A_7C15).byteSwapped &* 0xBF58_476D_1CE4_E5B9
  }

  private func member(_ job: Slot) -> Slot {
    guard hasMembers else { return .none }
    let view = members.view
    return index.find(Self.place(job)) { view[$0].pointee.job == job }
  }

  /// The batch of a job; `.none` where it is of none.
  func batch(of job: Slot) -> Slot {
    let member = member(job)
    return member == .none ? .none : members.pointer(member).pointee.batch
  }

  mutating func join(_ job: Slot, _ batch: Slot, _ state: JobState) {
    let first = self[batch].first
    let cell = members.allocate(Member(job: job, batch: batch, next: first))
    if first != .none { members.pointer(first).pointee.previous = cell }
    self[batch].first = cell
    self[batch].counts[state] += 1
    let view = members.view
    index.insert(cell, at: Self.place(job)) {
      view[$0].pointee.job == job
    } placeOf: {
      Self.place(view[$0].pointee.job)
    }
  }

  mutating func leave(_ job: Slot) {
    let cell = member(job)
    guard cell != .none else { return }
    let view = members.view
    index.remove(cell, at: Self.place(job)) { Self.place(view[$0].pointee.job) }
    let gone = members.pointer(cell).pointee
    if gone.previous == .none {
      self[gone.batch].first = gone.next
    } else {
      members.pointer(gone.previous).pointee.next = gone.next
    }
    if gone.next != .none { members.pointer(gone.next).pointee.previous = gone.previous }
    for place in cancelling.indices where cancelling[place].next == cell { cancelling[place].next = gone.next }
    members.free(cell)
  }

  func forEachMember(of batch: Slot, _ body: (Slot) -> Void) {
    var at = self[batch].first
    while at != .none {
      body(members.pointer(at).pointee.job)
      at = members.pointer(at).pointee.next
    }
  }
}

extension Batch {
  /// What its completion will write.
  fileprivate var owed: Int {
    guard state.completedAt == 0, let then = state.then else { return 0 }
    return then.body.count + 1_024
  }
}
