import RoostCore

/// What is to be done to which jobs.
package struct OperationSpec: Sendable {
  package var kind: OperationKind
  /// Those of the kind that count.
  package var states: Set<JobState>
  package var queue: String?
  /// Where jobs go that are moved or replayed; nil: they stay in their queues.
  package var target: String?
  package var type: String?
  package var owner: String?
  /// `_`: jobs that say no group.
  package var group: String?
  /// Only jobs submitted before this wall time.
  package var beforeMilliseconds: Int64?
  /// At most so many jobs.
  package var limit: UInt64?
  /// A deletion: only of a queue that holds no job.
  package var isForEmpty = false

  package init(kind: OperationKind, queue: String? = nil) {
    self.kind = kind
    self.queue = queue
    states = Set(kind.states)
  }
}

/// An operation, and how far it is.
package struct OperationView: Sendable {
  package var id: UInt64
  package var kind: OperationKind
  package var phase: OperationPhase
  package var queue: String?
  /// Where jobs go.
  package var target: String?
  package var type: String?
  package var owner: String?
  package var group: String?
  package var limit: UInt64?
  package var states: Set<JobState>
  /// Only jobs submitted before this wall time.
  package var beforeMilliseconds: Int64?
  package var startedAtMilliseconds: Int64
  package var endedAtMilliseconds: Int64?
  /// Jobs that were changed.
  package var done: UInt64
  /// Jobs that were passed over: another holds their key.
  package var skipped: UInt64
}

/// Operations on many jobs: they go on by themselves, across restarts.
extension Engine {
  /// Begins to make the jobs of a schedule's instants between two that have passed, seconds since 1970, at least 1.
  ///
  /// - Throws: `scheduleNotFound`, `tooManyOperations`, `diskLow`.
  package func backfill(
    schedule name: ScheduleName, from: Int64, to: Int64
  ) async throws(Refusal) -> OperationView {
    var asked = AskedBytes()
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    let begun = try await operations(asked.bytes) { base in
      .backfill(Command.Backfill(owner: owner.from(base), name: text.from(base), from: from, to: to))
    }
    return begun[0]
  }

  /// Begins an operation.
  ///
  /// - Returns: Nil where a queue is to be deleted that does not exist.
  /// - Throws: `tooManyOperations`, `tooManyQueues`, `draining` when the queue, or that to which jobs are to go, is under
  ///   deletion, `queueNotEmpty`, `diskLow`.
  package func begin(_ spec: OperationSpec) async throws(Refusal) -> OperationView? {
    let (selection, asked) = encode(spec)
    return try await operations(asked.bytes) { base in
      var operate = Command.Operate(selection.from(base))
      operate.isForEmpty = spec.isForEmpty
      return .operate(operate)
    }.first
  }

  /// How many jobs an operation would change if it began now, and the first ten of them.
  package func count(_ spec: OperationSpec) async throws(Refusal) -> (matches: UInt64, first: [JobID]) {
    let (selection, asked) = encode(spec)
    var (pass, cursor): (UInt8, UInt64) = (0, 0)
    var (matches, first): (UInt64, [JobID]) = (0, [])
    while true {
      let delivery = try await ask(asked.bytes) { base in
        var count = Command.CountMatching(selection.from(base))
        (count.pass, count.cursor) = (pass, cursor)
        return .countMatching(count)
      }
      guard case .counted(let counted) = delivery.answer else { preconditionFailure("a count is answered as one") }
      matches += counted.matches
      if first.count < 10 { first += delivery.jobs.map(\.id).prefix(10 - first.count) }
      if counted.isOver {
        let most = spec.limit ?? .max
        return (min(matches, most), Array(first.prefix(Int(clamping: most))))
      }
      (pass, cursor) = (counted.pass, counted.cursor)
    }
  }

  /// One operation; nil when it is not known, or not any more.
  package func operation(_ id: UInt64) async throws(Refusal) -> OperationView? {
    guard id > 0 else { return nil }
    return try await operations { _ in .readOperations(Command.ReadOperations(id: id)) }.first
  }

  /// Those that run and those that ended last, the oldest first.
  package func operations() async throws(Refusal) -> [OperationView] {
    try await operations { _ in .readOperations(Command.ReadOperations(id: 0)) }
  }

  /// Ends an operation where it is; what it did stays done.
  package func stopOperation(_ id: UInt64) async throws(Refusal) -> OperationView? {
    guard id > 0 else { return nil }
    return try await operations { _ in .stopOperation(Command.StopOperation(id: id)) }.first
  }

  private func operations(
    _ bytes: [UInt8] = [], _ command: (_ base: Int) -> Command
  ) async throws(Refusal) -> [OperationView] {
    let delivery = try await ask(bytes, command)
    return delivery.operations.map { OperationView($0, delivery) }
  }

  private func encode(_ spec: OperationSpec) -> (JobSelection, AskedBytes) {
    var asked = AskedBytes()
    let states = spec.states.reduce(UInt8(0)) { $0 | $1.bit }
    var selection = JobSelection(
      kind: spec.kind, states: states, queue: asked.add(spec.queue ?? ""), type: asked.add(spec.type ?? ""),
      owner: asked.add(spec.owner ?? ""), before: spec.beforeMilliseconds ?? .max, limit: spec.limit ?? .max)
    selection.target = asked.add(spec.target ?? "")
    selection.group = asked.add(spec.group ?? "")
    return (selection, asked)
  }
}

extension JobSelection {
  fileprivate func from(_ base: Int) -> JobSelection {
    var placed = self
    (placed.queue, placed.type, placed.owner) = (queue.from(base), type.from(base), owner.from(base))
    (placed.target, placed.group) = (target.from(base), group.from(base))
    return placed
  }
}

extension OperationView {
  fileprivate init(_ image: OperationImage, _ delivery: Delivery) {
    func text(_ range: ByteRange) -> String? { range.isEmpty ? nil : delivery.text(range) }
    self.init(
      id: image.id, kind: image.kind, phase: image.phase, queue: text(image.queue), target: text(image.target),
      type: text(image.type),
      owner: text(image.owner), group: text(image.group), limit: image.limit == .max ? nil : image.limit,
      states: Set(image.kind.states.filter { image.states & $0.bit != 0 }),
      beforeMilliseconds: image.before == .max ? nil : image.before,
      startedAtMilliseconds: image.startedAt, endedAtMilliseconds: image.phase.isOver ? image.endedAt : nil,
      done: image.done, skipped: image.skipped)
  }
}
