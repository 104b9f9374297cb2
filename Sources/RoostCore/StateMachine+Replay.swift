/// Rebuilding memory from the log. Rows are built record by record; lists and heaps once, at the end.
extension StateMachine {
  /// What a replay found that the log cannot say if it is whole.
  package struct ReplayError: Error, Sendable {
    /// The record.
    package var position: LogPosition
    package var expected: String
    package var found: String
  }

  /// Begins a replay of a log whose first record is at `first` or behind it.
  package mutating func beginReplay(first: LogPosition) {
    precondition(jobs.count == 0 && epoch == 0, "a replay begins with an empty state machine")
    isLive = false
    firstPosition = first
  }

  /// Makes room for the row count of a later `ground`, if these records begin with one: growing the index while it
  /// fills would cost a tenth of the replay.
  ///
  /// - Parameter logBytes: What the log takes: it holds no more jobs than fit.
  /// - Returns: The memory that the replay will fill.
  package mutating func expect(
    _ records: UnsafeRawBufferPointer, logBytes: Int
  ) -> [UnsafeRawBufferPointer] {
    guard records.count > 4 else { return [] }
    var reader = RecordReader(UnsafeRawBufferPointer(rebasing: records[4...]))
    guard reader.get(UInt8.self) == RecordKind.ground.rawValue else { return [] }
    let event = GroundEvent(&reader)
    guard !reader.isShort else { return [] }
    jobs.reserve(min(Int(clamping: event.rows), 1 << 24, logBytes / Self.leastJobBytes))
    return jobs.rowMemory
  }

  /// A job's record with its length, bytes: no names, no payload.
  private static let leastJobBytes = 87

  /// Applies one frame's records; each is checked before it changes anything.
  ///
  /// - Parameters:
  ///   - records: Length-prefixed records; checked by the log.
  ///   - start: Position of the first length prefix.
  ///   - logTime: Of the frame.
  ///   - epoch: Of the frame.
  ///   - startsSegment: Then it begins with `ground`: one day it may be the log's first.
  package mutating func replay(
    _ records: UnsafeRawBufferPointer, at start: LogPosition, logTime: Int64, epoch: UInt64,
    startsSegment: Bool
  ) throws(ReplayError) {
    guard !startsSegment || records.count > 4 && records[4] == RecordKind.ground.rawValue else {
      throw unfit("ground, a segment's first record", "\(records.count) bytes that do not begin with one", start)
    }
    guard (now.log...Bounds.time).contains(logTime) else {
      throw unfit("a frame of log time \(now.log) or later", "\(logTime)", start)
    }
    now.log = logTime
    var at = 0
    while at < records.count {
      guard records.count - at >= 4 else {
        throw ReplayError(
          position: LogPosition(rawValue: start.rawValue + UInt64(at)), expected: "a record's length",
          found: "\(records.count - at) bytes")
      }
      let length = Int(UInt32(littleEndian: records.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      let position = LogPosition(rawValue: start.rawValue + UInt64(at) + 4)
      guard length > 0, length <= records.count - at - 4 else {
        throw ReplayError(position: position, expected: "a record that fits its frame", found: "\(length) bytes")
      }
      let content = UnsafeRawBufferPointer(rebasing: records[(at + 4)..<(at + 4 + length)])
      try replay(record: content, at: position)
      at += 4 + length
    }
    guard epoch == self.epoch else { throw unfit("a frame of epoch \(self.epoch)", "epoch \(epoch)", start) }
  }

  private mutating func replay(record: UnsafeRawBufferPointer, at position: LogPosition) throws(ReplayError) {
    var reader = RecordReader(record)
    let raw = reader.get(UInt8.self)
    guard let kind = RecordKind(rawValue: raw) else {
      throw ReplayError(position: position, expected: "a known kind of record", found: "kind \(raw)")
    }
    guard hasGround || kind == .ground else { throw unfit("ground, the log's first record", "\(kind)", position) }
    let bytes = UInt32(record.count)
    switch kind {
    case .submitted:
      guard try replaySubmitted(&reader, at: position, bytes: bytes) else { break }
      return
    case .leased:
      let event = LeasedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkSequence(event, on: slot, at: position)
      nextLease += 1
      if slot != .none { apply(event, to: slot) }
      return
    case .ended:
      guard let event = EndedEvent(&reader) else { break }
      try checkFields(event, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkSequence(event, on: slot, at: position)
      nextOrder = max(nextOrder, event.order + 1)
      if slot != .none { apply(event, to: slot, at: position, bytes: bytes) }
      return
    case .extended:
      let event = ExtendedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkIsRunning(slot, at: position)
      if slot != .none { apply(event, to: slot) }
      return
    case .reported:
      let event = ReportedEvent(&reader)
      guard !reader.isShort else { break }
      try checkNumber(event.number, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkIsRunning(slot, at: position)
      if slot != .none { apply(reportedAt: position, bytes: bytes, to: slot) }
      return
    case .readied:
      let event = ReadiedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkSequence(event, on: slot, at: position)
      nextOrder = event.order + 1
      if slot != .none { apply(event, to: slot) }
      return
    case .purged:
      let event = PurgedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      let slot = try locate(event.number, event.base, position)
      try checkSequence(event, on: slot, at: position)
      if slot != .none { apply(event, to: slot) } else { absentJobs -= 1 }
      return
    case .keyForgotten:
      let event = KeyForgottenEvent(&reader)
      guard !reader.isShort else { break }
      return try replay(event, at: position)
    case .carried:
      guard let event = CarriedEvent(&reader) else { break }
      return try replay(event, at: position, bytes: bytes)
    case .carriedStub:
      let event = CarriedStubEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      try checkSequence(event, at: position)
      return replay(event, at: position)
    case .carriedQueue:
      let event = CarriedQueueEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      try checkSequence(event, at: position)
      return apply(event)
    case .queueForgotten:
      let event = QueueForgottenEvent(&reader)
      try checkFields(event, at: position)
      let queue = try locate(event, position)
      if queue != .none { applyForgotten(queue) }
      return
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
    case .ground:
      let event = GroundEvent(&reader)
      guard !reader.isShort else { break }
      return try replay(event, at: position)
    case .booted:
      let event = BootedEvent(&reader)
      guard !reader.isShort else { break }
      try checkFields(event, at: position)
      try checkSequence(event, at: position)
      return apply(event)
    }
    throw ReplayError(position: position, expected: "a whole \(kind) record", found: "\(record.count) bytes")
  }

  /// The most frequent record. Returns false when it is not whole.
  private mutating func replaySubmitted(
    _ reader: inout RecordReader, at position: LogPosition, bytes: UInt32
  ) throws(ReplayError) -> Bool {
    guard let event = SubmittedEvent(&reader), let body = JobBodyLayout(event.body) else { return false }
    if !isPlain(event) {
      try checkFields(event, at: position)
      try checkSequence(event, at: position)
    }
    apply(event, body: body, at: position, bytes: bytes)
    return true
  }

  /// The job that an event names; `.none` if it is rightly gone, because its base was trimmed away.
  private func locate(_ number: UInt64, _ base: UInt64, _ position: LogPosition) throws(ReplayError) -> Slot {
    let slot = jobs.find(number)
    if slot == .none {
      guard base < firstPosition.rawValue, number < nextNumber else {
        throw unfit("job \(number)", "none such in the log before it", position)
      }
    } else if jobs.hot(slot).pointee.base != base {
      // The event's base was trimmed away and a copy carried behind it cannot come before the event.
      throw ReplayError(
        position: position, expected: "base \(jobs.hot(slot).pointee.base) of job \(number)", found: "base \(base)")
    }
    return slot
  }

  /// The queue that is forgotten; `.none` if all that told of it was trimmed away.
  private mutating func locate(_ event: QueueForgottenEvent, _ position: LogPosition) throws(ReplayError) -> UInt32 {
    let queue = queueNames.find(event.name)
    guard queue != .none, queues[Int(queue)].exists else { return .none }
    guard queues[Int(queue)].jobs == 0 else {
      throw unfit("a queue without jobs", "one with \(queues[Int(queue)].jobs)", position)
    }
    guard queues[Int(queue)].setup == .none else {
      throw unfit("a queue without settings", "one that has some", position)
    }
    return queue
  }

  /// The first `ground` sets the counters, every later one must find them as it says.
  private mutating func replay(_ event: GroundEvent, at position: LogPosition) throws(ReplayError) {
    try checkFields(event, at: position)
    guard !hasGround else { return try checkSequence(event, at: position) }
    hasGround = true
    absentJobs = event.rows
    adopt(secret: event.secret)
    (epoch, nextNumber, nextLease) = (event.epoch, event.nextNumber, event.nextLease)
    (nextOrder, credited, bootID) = (event.nextOrder, event.credited, event.bootID)
    jobs.reserve(min(Int(clamping: event.rows), 1 << 20))
  }

  mutating func adopt(secret: SipKey) {
    self.secret = secret
    queueNames = NameTable(key: secret)
    typeNames = NameTable(key: secret)
    ownerNames = NameTable(key: secret)
    workerNames = NameTable(key: secret)
    keyNames = NameTable(key: secret)
    policies = NameTable(key: secret)
    reasons = NameTable(key: secret)
  }

  private mutating func replay(_ event: CarriedEvent, at position: LogPosition, bytes: UInt32) throws(ReplayError) {
    guard let body = JobBodyLayout(event.body) else {
      throw ReplayError(position: position, expected: "a whole body", found: "\(event.body.count) bytes")
    }
    try checkFields(event, at: position)
    let known = jobs.find(event.number)
    try checkSequence(event, body: body, on: known, at: position)
    if known == .none { absentJobs -= 1 }
    replayCarried(event, body: body, at: position, bytes: bytes)
  }

  /// Puts the row in as the record says it, in place of the one that may stand there.
  mutating func replayCarried(_ event: CarriedEvent, body: JobBodyLayout, at position: LogPosition, bytes: UInt32) {
    let known = jobs.find(event.number)
    let told = event.hasForeseen || known == .none ? event.foreseen(at: now.log) : foreseen(known)
    if known != .none { forgetRow(known) }
    let slot = jobs.insert(event.number)
    let row = jobs.hot(slot)
    row.pointee.check = JobID.check(event.number, UInt64(clamping: event.created) & 0xFFFF_FFFF_FFFF, secret)
    row.pointee.base = position.rawValue
    row.pointee.order = event.order
    row.pointee.deadline = event.deadline
    row.pointee.queue = queueForJob(body.queue)
    row.pointee.priority = event.priority
    row.pointee.flags = event.flags
    row.pointee.attempts = event.attempts
    row.pointee.maxAttempts = event.maxAttempts
    if event.state.hasDeadline { row.pointee.foreseen = told }
    let cold = jobs.cold(slot)
    cold.pointee.created = event.created
    cold.pointee.recordBytes = bytes
    liveBytes += Int(bytes)
    cold.pointee.owner = ownerNames.intern(body.owner)
    cold.pointee.type = typeNames.intern(body.type)
    cold.pointee.policy = intern(event.policy)
    gained(row.pointee.queue)
    if event.hasKey {
      cold.pointee.key = keys.insert(
        KeyEntry(
          hash: event.keyHash, fingerprint: event.keyFingerprint, target: slot, isOfBytes: event.keyFields.isEmpty))
    }
    if event.hasLease {
      let cell = leaseCell(slot)
      let names = (workerNames.intern(event.worker), keyNames.intern(event.keyID))
      setNames(of: cell, worker: names.0, keyID: names.1)
      (cell.pointee.id, cell.pointee.duration) = (event.lease.id, event.lease.duration)
      (cell.pointee.leasedAt, cell.pointee.endedAt) = (event.lease.leasedAt, event.lease.endedAt)
      (cell.pointee.endedUptime, cell.pointee.pause) = (event.lease.endedUptime, event.lease.pause)
      cell.pointee.lastOutcome = event.lease.lastOutcome
      cell.pointee.said = event.lease.said
      cell.pointee.history = event.history.isEmpty ? 0 : position.rawValue
      cell.pointee.historyBytes = event.history.isEmpty ? 0 : bytes
    }
    enter(slot, event.state)
  }

  /// Removes a row whose copy follows; its key is entered anew.
  private mutating func forgetRow(_ slot: Slot) {
    leave(slot)
    liveBytes -= bytes(of: slot)
    let cold = jobs.cold(slot)
    if cold.pointee.key != .none { keys.remove(cold.pointee.key) }
    ownerNames.release(cold.pointee.owner)
    typeNames.release(cold.pointee.type)
    policies.release(cold.pointee.policy)
    freeLeaseCell(slot)
    lost(jobs.hot(slot).pointee.queue)
    jobs.remove(slot)
  }

  mutating func replay(_ event: CarriedStubEvent, at position: LogPosition) {
    let known = keys.find(event.hash)
    if known != .none {
      stubs.pointer(keys.entry(known).pointee.target).pointee.base = position.rawValue
      return
    }
    var stub = event.stub
    stub.base = position.rawValue
    replayedStubs.insert(
      keys.insert(
        KeyEntry(
          hash: event.hash, fingerprint: event.fingerprint, target: stubs.allocate(stub), isStub: true,
          isOfBytes: event.keyFields.isEmpty)))
  }

  private mutating func replay(_ event: KeyForgottenEvent, at position: LogPosition) throws(ReplayError) {
    let known = keys.find(event.hash)
    if known != .none, keys.entry(known).pointee.isStub,
      stubs.pointer(keys.entry(known).pointee.target).pointee.base == event.base
    {
      return apply(event, to: known)
    }
    // Whoever had the key before a job that is known is gone like its records.
    guard known == .none, event.base < firstPosition.rawValue else {
      throw ReplayError(position: position, expected: "the stub of a key", found: "none such in the log before it")
    }
  }
}
