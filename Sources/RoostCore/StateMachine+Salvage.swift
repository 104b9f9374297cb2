/// Replaying what is left of a damaged log: like a replay, but an event that does not fit is fitted or left out, and
/// what is known to be missing is written down.
///
/// A job whose first record is lost is lost, until a later copy of it turns up. A job whose later events are lost stands
/// as it did before them: it may run again, which at-least-once allows, but it never vanishes.
extension StateMachine {
  /// What a tolerant replay noticed.
  package struct SalvageNotes: Sendable, Equatable {
    /// Numbers of jobs that existed and are nowhere in what is left.
    package var lost: Set<UInt64> = []
    /// Jobs that a segment's first record counts and that are missing, too, with no record naming them.
    package var unnamed = 0
    /// Submissions that stood in what is lost.
    package var lostSubmissions: UInt64 = 0
    /// Jobs whose payload does not match its checksum, and which are lost by that.
    package var unsound: Set<UInt64> = []
    /// Events about jobs that are there, which could not be applied as they say.
    package var misfits = 0
    /// Idempotency keys whose answers are lost.
    package var lostKeys = 0
    /// No record with the directory's secret is left: job ids change, idempotency keys no longer answer.
    package var isSecretLost = false

    package init() {}

    /// Jobs that are lost, as far as what is left tells.
    package var lostJobs: Int { lost.count + unnamed }
  }

  /// The directory's secret, if this record holds it.
  package static func secret(in record: UnsafeRawBufferPointer) -> SipKey? {
    var reader = RecordReader(record)
    guard reader.get(UInt8.self) == RecordKind.ground.rawValue else { return nil }
    let event = GroundEvent(&reader)
    return reader.isShort ? nil : event.secret
  }

  /// Begins a tolerant replay; `endSalvage` ends it.
  ///
  /// - Parameter first: The position of the first segment that the log has, or had.
  package mutating func beginSalvage(first: LogPosition, secret: SipKey) {
    beginReplay(first: first)
    adopt(secret: secret)
  }

  /// Applies a record as far as it fits.
  ///
  /// - Parameters:
  ///   - logTime: Of its frame.
  ///   - isSound: Whether a body is that of the job with this number.
  package mutating func salvage(
    _ record: UnsafeRawBufferPointer, at position: LogPosition, logTime: Int64, notes: inout SalvageNotes,
    isSound: (JobBodyLayout, UInt64) -> Bool
  ) {
    now.log = min(max(now.log, logTime), Bounds.time)
    do throws(ReplayError) {
      try salvageSound(record, at: position, &notes, isSound)
    } catch {
      // What no daemon writes is left out.
      notes.misfits += 1
    }
  }

  private mutating func salvageSound(
    _ record: UnsafeRawBufferPointer, at position: LogPosition, _ notes: inout SalvageNotes,
    _ isSound: (JobBodyLayout, UInt64) -> Bool
  ) throws(ReplayError) {
    var reader = RecordReader(record)
    let bytes = UInt32(record.count)
    guard let kind = RecordKind(rawValue: reader.get(UInt8.self)) else { return notes.misfits += 1 }
    switch kind {
    case .ground:
      let event = GroundEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, &notes)
    case .booted:
      let event = BootedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event)
    case .submitted:
      guard let event = SubmittedEvent(&reader), let body = JobBodyLayout(event.body) else { break }
      try checkFields(event, at: position)
      return salvage(event, body, at: position, bytes, &notes, isSound)
    case .carried:
      guard let event = CarriedEvent(&reader), let body = JobBodyLayout(event.body) else { break }
      try checkFields(event, at: position)
      return salvage(event, body, at: position, bytes, &notes, isSound)
    case .leased:
      let event = LeasedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, &notes)
    case .ended:
      guard let event = EndedEvent(&reader) else { break }
      try checkFields(event, at: position)
      return salvage(event, at: position, bytes, &notes)
    case .extended:
      let event = ExtendedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, &notes)
    case .reported:
      let event = ReportedEvent(&reader)
      guard !reader.isShort else { break }
      try checkNumber(event.number, at: position)
      return salvage(event, at: position, bytes, &notes)
    case .readied:
      let event = ReadiedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, &notes)
    case .purged:
      let event = PurgedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, &notes)
    case .keyForgotten:
      let event = KeyForgottenEvent(&reader)
      if !reader.isShort { return freeKey(event.hash) }
    case .carriedStub:
      let event = CarriedStubEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return salvage(event, at: position, &notes)
    case .carriedQueue:
      let event = CarriedQueueEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return apply(event)
    case .queueForgotten:
      let event = QueueForgottenEvent(&reader)
      try checkFields(event, at: position)
      return salvage(event)
    case .queueConfigured:
      guard let event = QueueConfiguredEvent(&reader) else { break }
      try checkFields(event, at: position)
      return apply(event)
    case .queuePaused:
      let event = QueuePausedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      return apply(event)
    case .queueResumed:
      let event = QueueResumedEvent(&reader)
      try checkFields(event, at: position)
      return apply(event)
    }
    notes.misfits += 1
  }

  // MARK: Counters

  private mutating func salvage(_ event: GroundEvent, _ notes: inout SalvageNotes) {
    missNumbers(before: event.nextNumber, &notes)
    epoch = max(epoch, event.epoch)
    nextNumber = max(nextNumber, event.nextNumber)
    nextLease = max(nextLease, event.nextLease)
    nextOrder = max(nextOrder, event.nextOrder)
    now.log = max(now.log, event.logTime)
    (credited, bootID) = (event.credited, event.bootID)
    // Rows that neither stand here nor are known by number: copies of them are to come, or are lost.
    notes.unnamed = max(0, Int(clamping: event.rows) - jobs.count - notes.lost.count)
  }

  private mutating func salvage(_ event: BootedEvent) {
    let known = epoch
    apply(event)
    epoch = max(known, event.epoch)
  }

  /// Numbers are given without gaps: whatever lies between was submitted in what is lost.
  mutating func missNumbers(before number: UInt64, _ notes: inout SalvageNotes) {
    // Before the first `ground` nothing says where numbers began.
    if epoch > 0 || nextNumber > 1 || firstPosition.rawValue < 2 << 32, number > nextNumber {
      // Beyond what a list can hold only their count is noted.
      notes.lost.formUnion(nextNumber..<min(number, nextNumber + Self.mostListed))
      notes.lostSubmissions += number - nextNumber
    }
    nextNumber = max(nextNumber, number)
  }

  /// Numbers that a gap lists.
  private static let mostListed: UInt64 = 1 << 22

  // MARK: Jobs

  private mutating func salvage(
    _ event: SubmittedEvent, _ body: JobBodyLayout, at position: LogPosition, _ bytes: UInt32,
    _ notes: inout SalvageNotes, _ isSound: (JobBodyLayout, UInt64) -> Bool
  ) {
    guard jobs.find(event.number) == .none else { return notes.misfits += 1 }
    missNumbers(before: event.number, &notes)
    let next = max(nextNumber, event.number + 1)
    if isSound(body, event.number) {
      if event.hasKey { freeKey(event.keyHash) }
      apply(event, body: body, at: position, bytes: bytes)
    } else {
      notes.unsound.insert(event.number)
      notes.lost.insert(event.number)
    }
    nextNumber = next
  }

  private mutating func salvage(
    _ event: CarriedEvent, _ body: JobBodyLayout, at position: LogPosition, _ bytes: UInt32,
    _ notes: inout SalvageNotes, _ isSound: (JobBodyLayout, UInt64) -> Bool
  ) {
    guard isSound(body, event.number) else {
      // The copy before it, if it still stands, is as good.
      if jobs.find(event.number) == .none { notes.lost.insert(event.number) }
      notes.unsound.insert(event.number)
      return
    }
    missNumbers(before: event.number + 1, &notes)
    let isNew = jobs.find(event.number) == .none
    if notes.lost.remove(event.number) == nil, isNew { notes.unnamed = max(0, notes.unnamed - 1) }
    if event.hasKey { freeKey(event.keyHash, unlessOf: event.number) }
    nextOrder = max(nextOrder, event.order + 1)
    if event.hasLease {
      nextLease = max(nextLease, event.lease.id.number + 1)
      epoch = max(epoch, event.lease.id.epoch)
    }
    replayCarried(event, body: body, at: position, bytes: bytes)
  }

  /// The job that an event names; `.none`, and written down, if it is not there.
  private mutating func find(_ number: UInt64, _ base: UInt64, _ notes: inout SalvageNotes) -> Slot {
    let slot = jobs.find(number)
    guard slot == .none else { return slot }
    missNumbers(before: number + 1, &notes)
    if base >= firstPosition.rawValue, notes.lost.insert(number).inserted { notes.unnamed = max(0, notes.unnamed - 1) }
    return .none
  }

  private mutating func salvage(_ event: LeasedEvent, _ notes: inout SalvageNotes) {
    nextLease = max(nextLease, event.lease.number + 1)
    let slot = find(event.number, event.base, &notes)
    epoch = max(epoch, event.lease.epoch)
    guard slot != .none else { return }
    let row = jobs.hot(slot)
    row.pointee.attempts = min(row.pointee.attempts, row.pointee.maxAttempts - 1)
    if let cell = existingLeaseCell(slot) { forgetReport(cell) }
    apply(event, to: slot)
    fit(slot)
  }

  /// What a state does not allow and lost records leave behind.
  private mutating func fit(_ slot: Slot) {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    row.pointee.flags &= state == .scheduled ? RowFlags.wall : state == .running ? RowFlags.cancelRequested : 0
    row.pointee.attempts = min(row.pointee.attempts, row.pointee.maxAttempts - (state.isWaiting ? 1 : 0))
    if state != .running, let cell = existingLeaseCell(slot) { forgetReport(cell) }
  }

  private mutating func salvage(
    _ event: EndedEvent, at position: LogPosition, _ bytes: UInt32, _ notes: inout SalvageNotes
  ) {
    nextOrder = max(nextOrder, event.order + 1)
    let slot = find(event.number, event.base, &notes)
    guard slot != .none else { return }
    let row = jobs.hot(slot)
    let isRunning = row.pointee.state == JobState.running.rawValue
    if event.entry.outcome == .cancelRequested, !isRunning { return notes.misfits += 1 }
    // The lease that this ends may be lost; the entry says which attempt it was.
    if event.entry.attempt > 0 { row.pointee.attempts = min(event.entry.attempt, row.pointee.maxAttempts) }
    if row.pointee.attempts == 0, event.entry.outcome == .released || event.entry.outcome == .undelivered {
      row.pointee.attempts = 1
    }
    apply(event, to: slot, at: position, bytes: bytes)
    fit(slot)
  }

  private mutating func salvage(_ event: ExtendedEvent, _ notes: inout SalvageNotes) {
    let slot = find(event.number, event.base, &notes)
    guard slot != .none else { return }
    guard jobs.hot(slot).pointee.state == JobState.running.rawValue else { return notes.misfits += 1 }
    apply(event, to: slot)
  }

  private mutating func salvage(
    _ event: ReportedEvent, at position: LogPosition, _ bytes: UInt32, _ notes: inout SalvageNotes
  ) {
    let slot = find(event.number, event.base, &notes)
    guard slot != .none else { return }
    guard jobs.hot(slot).pointee.state == JobState.running.rawValue else { return notes.misfits += 1 }
    apply(reportedAt: position, bytes: bytes, to: slot)
  }

  private mutating func salvage(_ event: ReadiedEvent, _ notes: inout SalvageNotes) {
    nextOrder = max(nextOrder, event.order + 1)
    let slot = find(event.number, event.base, &notes)
    guard slot != .none else { return }
    apply(event, to: slot)
    fit(slot)
  }

  private mutating func salvage(_ event: PurgedEvent, _ notes: inout SalvageNotes) {
    let slot = jobs.find(event.number)
    guard slot == .none else {
      let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
      if !state.isFinished {
        // The record of its end is lost: most are acknowledged.
        leave(slot)
        enter(slot, .acked)
      }
      // The copy that it names may be lost: the stub stands where the job does.
      let base = jobs.hot(slot).pointee.base
      return apply(PurgedEvent(number: event.number, base: base, stubUntil: event.stubUntil), to: slot)
    }
    missNumbers(before: event.number + 1, &notes)
    // It ended and left in good order: nothing of it is missing but what its key would have answered.
    if notes.lost.remove(event.number) == nil { notes.unnamed = max(0, notes.unnamed - 1) }
    if event.stubUntil > 0, event.base >= firstPosition.rawValue { notes.lostKeys += 1 }
  }

  /// A queue whose jobs' ends are lost stays, with them.
  private mutating func salvage(_ event: QueueForgottenEvent) {
    let queue = queueNames.find(event.name)
    if queue != .none, queues[Int(queue)].exists, queues[Int(queue)].jobs == 0, queues[Int(queue)].setup == .none {
      applyForgotten(queue)
    }
  }

  // MARK: Keys

  private mutating func salvage(
    _ event: CarriedStubEvent, at position: LogPosition, _ notes: inout SalvageNotes
  ) {
    guard jobs.find(event.stub.number) == .none else { return notes.misfits += 1 }
    missNumbers(before: event.stub.number + 1, &notes)
    notes.lost.remove(event.stub.number)
    let known = keys.find(event.hash)
    if known != .none, !isCopy(event, of: keys.entry(known).pointee) { freeKey(event.hash) }
    replay(event, at: position)
  }

  /// Of a job that left and one that is there under the same number only the second can be written again.
  mutating func forgetStubsOfJobs() {
    for entry in replayedStubs {
      let key = keys.entry(entry).pointee
      if jobs.find(stubs.pointer(key.target).pointee.number) != .none { freeKey(key.hash) }
    }
  }

  /// A key is used anew: whoever had it before left, in what is lost.
  private mutating func freeKey(_ hash: KeyHash, unlessOf number: UInt64? = nil) {
    let known = keys.find(hash)
    guard known != .none else { return }
    let entry = keys.entry(known).pointee
    if entry.isStub {
      apply(KeyForgottenEvent(hash: hash, base: stubs.pointer(entry.target).pointee.base), to: known)
    } else if jobs.hot(entry.target).pointee.number != number {
      let row = jobs.hot(entry.target).pointee
      apply(PurgedEvent(number: row.number, base: row.base, stubUntil: 0), to: entry.target)
    }
  }
}
