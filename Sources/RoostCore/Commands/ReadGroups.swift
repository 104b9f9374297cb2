extension Command {
  /// The groups of a queue, in slices; or one of them.
  package struct ReadGroups: Sendable, BitwiseCopyable {
    package var queue: ByteRange
    /// Whose groups are shown.
    package var viewer: ViewerRef
    /// Where to go on, as the slice before says; 0: from the beginning.
    package var cursor: UInt32 = 0
    /// 1…1,000.
    package var limit: Int32

    package init(queue: ByteRange, viewer: ViewerRef, limit: Int32) {
      self.queue = queue
      self.viewer = viewer
      self.limit = limit
    }

    /// Rows that a slice looks at: some 50 µs.
    fileprivate static let mostRows = 4_096
    /// Groups of a queue that are sorted for a slice.
    fileprivate static let mostSorted = 1_024
  }

  /// One group, by its names.
  package struct ReadGroup: Sendable, BitwiseCopyable {
    package var queue: ByteRange
    package var owner: ByteRange
    /// Empty: the owner's jobs that say no group.
    package var group: ByteRange

    package init(queue: ByteRange, owner: ByteRange, group: ByteRange) {
      self.queue = queue
      self.owner = owner
      self.group = group
    }
  }
}

/// A group as it is shown.
package struct GroupImage: Sendable, BitwiseCopyable {
  /// In `Step.text`; empty: the jobs that say no group.
  package var name: ByteRange
  /// Empty: it belongs to its queue alone.
  package var owner: ByteRange
  package var waiting: UInt32
  package var ready: UInt32
  package var running: UInt32
  /// Jobs in all states.
  package var jobs: UInt32
  /// Milliseconds since when the longest-READY job has been so; −1 when none is.
  package var oldestReady: Int64
  /// Those that were made for it alone.
  package var settings: QueueSettings
  /// Why it gives no jobs now.
  package var hold: GroupHold?
  /// Milliseconds until a hold by its rate or by a worker ends; 0 without one.
  package var holdLeft: Int64
  package var isPaused: Bool
  /// Wall milliseconds; 0 while it is not paused.
  package var pausedAt: Int64
  /// Wall milliseconds; 0: until it is resumed.
  package var pausedUntil: Int64
  /// In `Step.text`.
  package var pauseReason: ByteRange
}

extension GroupImage {
  /// A group without jobs of which nothing is said.
  fileprivate init(name: ByteRange, owner: ByteRange) {
    self.init(
      name: name, owner: owner, waiting: 0, ready: 0, running: 0, jobs: 0, oldestReady: -1, settings: QueueSettings(),
      hold: nil, holdLeft: 0, isPaused: false, pausedAt: 0, pausedUntil: 0, pauseReason: .empty)
  }
}

extension Command.ReadGroups: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    let first = step.groups.count
    let queue = state.queueNames.find(step.bytes(self.queue))
    guard queue != .none, state.queues[Int(queue)].exists else {
      return step.answer(ticket, .groups(first: Int32(first), count: 0, next: 0))
    }
    let next =
      state.queues[Int(queue)].groups <= Self.mostSorted
      ? showFew(of: queue, in: &state, &step) : showMany(of: queue, in: &state, &step)
    step.answer(ticket, .groups(first: Int32(first), count: Int32(step.groups.count - first), next: next))
  }
}

extension Command.ReadGroups {
  /// The groups of a queue that has not many: its own rows alone are looked at.
  ///
  /// - Returns: Where to go on; 0: nowhere.
  private func showFew(of queue: UInt32, in state: inout StateMachine, _ step: inout Step) -> UInt32 {
    let first = step.groups.count
    for group in state.groups(of: queue).filter({ $0 >= cursor }).sorted() {
      if step.groups.count - first >= Int(limit) { return group }
      show(group, in: &state, &step)
    }
    return 0
  }

  /// The same of one that has many: a stretch of the rows of all queues.
  private func showMany(of queue: UInt32, in state: inout StateMachine, _ step: inout Step) -> UInt32 {
    let first = step.groups.count
    let end = min(state.groups.slotLimit, cursor.addingReportingOverflow(UInt32(Self.mostRows)).partialValue)
    var at = cursor
    while at < end, step.groups.count - first < Int(limit) {
      if state.groups.isUsed(at), state.groups[at].pointee.queue == queue { show(at, in: &state, &step) }
      at += 1
    }
    return at < state.groups.slotLimit ? at : 0
  }

  private func show(_ group: Slot, in state: inout StateMachine, _ step: inout Step) {
    let row = state.groups[group].pointee
    guard row.whole == .none, state.mayView(row.queue, row.owner, viewer, step) else { return }
    step.groups.append(state.image(ofGroup: group, &step))
  }
}

extension Command.ReadGroup: StateCommand {
  static var isRead: Bool { true }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.readGroup(queue, owner, group, wasTold: false, ticket, &step)
  }
}

extension StateMachine {
  /// No group in the answer when there is none; unless what was said of it was the last that kept it.
  mutating func readGroup(
    _ queue: ByteRange, _ owner: ByteRange, _ name: ByteRange, wasTold: Bool, _ ticket: UInt64, _ step: inout Step
  ) {
    let first = Int32(step.groups.count)
    let group = findGroup(
      queue: queueNames.find(step.bytes(queue)), owner: ownerNames.find(step.bytes(owner)), name: step.bytes(name))
    if group != .none {
      step.groups.append(image(ofGroup: group, &step))
    } else if wasTold {
      let owner = self.owner(ofGroupIn: step.bytes(queue), step.bytes(owner))
      step.groups.append(GroupImage(name: step.copy(step.bytes(name)), owner: step.copy(owner)))
    }
    step.answer(ticket, .groups(first: first, count: Int32(step.groups.count) - first, next: 0))
  }

  func image(ofGroup group: Slot, _ step: inout Step) -> GroupImage {
    let row = groups[group].pointee
    let setup = setup(ofGroup: group)?.pointee
    let (since, hold) = (readySince(ofGroup: group), hold(ofGroup: group))
    let until: Int64 =
      switch hold {
      case .held: setup?.heldUntil ?? 0
      case .rate: rate(ofGroup: group)?.next(after: setup?.rate.theoretical ?? 0) ?? 0
      case .paused, .concurrency, .order, nil: 0
      }
    return GroupImage(
      name: step.copy(nameOfGroup(group)), owner: step.copy(ownerNames.bytes(row.owner)), waiting: row.waiting,
      ready: row.ready, running: row.running, jobs: row.jobs,
      oldestReady: since < 0 ? -1 : (now.log - since) / 1_000_000,
      settings: ownSettings(ofGroup: group) ?? QueueSettings(), hold: hold,
      holdLeft: max(0, (until - now.log + 999_999) / 1_000_000), isPaused: setup?.isPaused ?? false,
      pausedAt: setup?.pausedAt ?? 0, pausedUntil: setup?.pausedUntil ?? 0,
      pauseReason: setup.map { $0.isPaused ? step.copy(reasons.bytes($0.reason)) : .empty } ?? .empty)
  }
}
