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
  /// - Returns: The memory that the replay will fill.
  package mutating func expect(_ records: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
    guard records.count > 4 else { return [] }
    var reader = RecordReader(UnsafeRawBufferPointer(rebasing: records[4...]))
    guard reader.get(UInt8.self) == RecordKind.ground.rawValue else { return [] }
    let event = GroundEvent(&reader)
    guard !reader.isShort else { return [] }
    jobs.reserve(min(Int(clamping: event.rows), 1 << 24))
    return jobs.rowMemory
  }

  /// Applies one frame's records.
  ///
  /// - Parameters:
  ///   - records: Length-prefixed records; checked by the log.
  ///   - start: Position of the first length prefix.
  ///   - logTime: Of the frame.
  package mutating func replay(
    _ records: UnsafeRawBufferPointer, at start: LogPosition, logTime: Int64
  ) throws(ReplayError) {
    now.log = max(now.log, logTime)
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
  }

  private mutating func replay(record: UnsafeRawBufferPointer, at position: LogPosition) throws(ReplayError) {
    var reader = RecordReader(record)
    let raw = reader.get(UInt8.self)
    guard let kind = RecordKind(rawValue: raw) else {
      throw ReplayError(position: position, expected: "a known kind of record", found: "kind \(raw)")
    }
    let bytes = UInt32(record.count)
    switch kind {
    case .submitted:
      guard try replaySubmitted(&reader, at: position, bytes: bytes) else { break }
      return
    case .leased:
      let event = LeasedEvent(&reader)
      guard !reader.isShort else { break }
      nextLease = max(nextLease, event.lease.number + 1)
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(event, to: slot) }
      return
    case .ended:
      guard let event = EndedEvent(&reader) else { break }
      nextOrder = max(nextOrder, event.order + 1)
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(event, to: slot, at: position, bytes: bytes) }
      return
    case .extended:
      let event = ExtendedEvent(&reader)
      guard !reader.isShort else { break }
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(event, to: slot) }
      return
    case .reported:
      let event = ReportedEvent(&reader)
      guard !reader.isShort else { break }
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(reportedAt: position, bytes: bytes, to: slot) }
      return
    case .readied:
      let event = ReadiedEvent(&reader)
      guard !reader.isShort else { break }
      nextOrder = max(nextOrder, event.order + 1)
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(event, to: slot) }
      return
    case .purged:
      let event = PurgedEvent(&reader)
      guard !reader.isShort else { break }
      let slot = try locate(event.number, event.base, position)
      if slot != .none { apply(event, to: slot) }
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
      return replay(event, at: position)
    case .carriedQueue:
      let event = CarriedQueueEvent(&reader)
      guard !reader.isShort else { break }
      return apply(event)
    case .ground:
      let event = GroundEvent(&reader)
      guard !reader.isShort else { break }
      return try replay(event, at: position)
    case .booted:
      let event = BootedEvent(&reader)
      guard !reader.isShort else { break }
      return apply(event)
    }
    throw ReplayError(position: position, expected: "a whole \(kind) record", found: "\(record.count) bytes")
  }

  /// The most frequent record. Returns false when it is not whole.
  private mutating func replaySubmitted(
    _ reader: inout RecordReader, at position: LogPosition, bytes: UInt32
  ) throws(ReplayError) -> Bool {
    guard let event = SubmittedEvent(&reader), let body = JobBodyLayout(event.body) else { return false }
    guard jobs.find(event.number) == .none else { throw unexpected("a new job", event.number, position) }
    apply(event, body: body, at: position, bytes: bytes)
    return true
  }

  /// The job that an event names; `.none` if it is rightly gone, because its base was trimmed away.
  private func locate(_ number: UInt64, _ base: UInt64, _ position: LogPosition) throws(ReplayError) -> Slot {
    let slot = jobs.find(number)
    if slot == .none {
      guard base < firstPosition.rawValue else { throw unexpected("job", number, position) }
    } else if jobs.hot(slot).pointee.base != base {
      // The event's base was trimmed away and a copy carried behind it cannot come before the event.
      throw ReplayError(
        position: position, expected: "base \(jobs.hot(slot).pointee.base) of job \(number)", found: "base \(base)")
    }
    return slot
  }

  private func unexpected(_ what: String, _ number: UInt64, _ position: LogPosition) -> ReplayError {
    ReplayError(position: position, expected: "\(what) \(number)", found: "none such in the log before it")
  }

  /// The first `ground` sets the counters, every later one must find them as it says.
  private mutating func replay(_ event: GroundEvent, at position: LogPosition) throws(ReplayError) {
    if epoch == 0 {
      adopt(secret: event.secret)
      (epoch, nextNumber, nextLease) = (event.epoch, event.nextNumber, event.nextLease)
      (nextOrder, credited, bootID) = (event.nextOrder, event.credited, event.bootID)
      now.log = max(now.log, event.logTime)
      jobs.reserve(Int(clamping: event.rows))
      return
    }
    let mine = ground
    guard mine.epoch == event.epoch, mine.nextNumber == event.nextNumber, mine.nextLease == event.nextLease,
      mine.nextOrder == event.nextOrder, mine.credited == event.credited, mine.secret == event.secret
    else {
      throw ReplayError(
        position: position,
        expected: "counters \(mine.epoch)/\(mine.nextNumber)/\(mine.nextLease)/\(mine.nextOrder)",
        found: "\(event.epoch)/\(event.nextNumber)/\(event.nextLease)/\(event.nextOrder)")
    }
  }

  mutating func adopt(secret: SipKey) {
    self.secret = secret
    queueNames = NameTable(key: secret)
    typeNames = NameTable(key: secret)
    ownerNames = NameTable(key: secret)
    workerNames = NameTable(key: secret)
    keyNames = NameTable(key: secret)
    policies = NameTable(key: secret)
  }

  private mutating func replay(_ event: CarriedEvent, at position: LogPosition, bytes: UInt32) throws(ReplayError) {
    guard let body = JobBodyLayout(event.body) else {
      throw ReplayError(position: position, expected: "a whole body", found: "\(event.body.count) bytes")
    }
    replayCarried(event, body: body, at: position, bytes: bytes)
  }

  /// Puts the row in as the record says it, in place of the one that may stand there.
  mutating func replayCarried(_ event: CarriedEvent, body: JobBodyLayout, at position: LogPosition, bytes: UInt32) {
    let known = jobs.find(event.number)
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
    let cold = jobs.cold(slot)
    cold.pointee.created = event.created
    cold.pointee.recordBytes = bytes
    liveBytes += Int(bytes)
    cold.pointee.owner = ownerNames.intern(body.owner)
    cold.pointee.type = typeNames.intern(body.type)
    cold.pointee.policy = intern(event.policy)
    if event.hasKey { cold.pointee.key = enterKey(event.keyHash, event.keyFingerprint, target: slot, isStub: false) }
    if event.hasLease {
      let cell = leaseCell(slot)
      let names = (workerNames.intern(event.worker), keyNames.intern(event.keyID))
      setNames(of: cell, worker: names.0, keyID: names.1)
      (cell.pointee.id, cell.pointee.duration) = (event.lease.id, event.lease.duration)
      (cell.pointee.leasedAt, cell.pointee.endedAt) = (event.lease.leasedAt, event.lease.endedAt)
      (cell.pointee.endedUptime, cell.pointee.pause) = (event.lease.endedUptime, event.lease.pause)
      cell.pointee.lastOutcome = event.lease.lastOutcome
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
    jobs.remove(slot)
  }

  private mutating func enterKey(_ hash: KeyHash, _ fingerprint: UInt64, target: Slot, isStub: Bool) -> Slot {
    keys.insert(KeyEntry(hash: hash, fingerprint: fingerprint, target: target, isStub: isStub))
  }

  mutating func replay(_ event: CarriedStubEvent, at position: LogPosition) {
    let known = keys.find(event.hash)
    if known != .none {
      precondition(keys.entry(known).pointee.isStub, "a key belongs to one job")
      stubs.pointer(keys.entry(known).pointee.target).pointee.base = position.rawValue
      return
    }
    var stub = event.stub
    stub.base = position.rawValue
    replayedStubs.insert(enterKey(event.hash, event.fingerprint, target: stubs.allocate(stub), isStub: true))
  }

  private mutating func replay(_ event: KeyForgottenEvent, at position: LogPosition) throws(ReplayError) {
    let known = keys.find(event.hash)
    if known != .none, keys.entry(known).pointee.isStub,
      stubs.pointer(keys.entry(known).pointee.target).pointee.base == event.base
    {
      return apply(event, to: known)
    }
    guard event.base < firstPosition.rawValue else {
      throw ReplayError(position: position, expected: "the stub of a key", found: "none such in the log before it")
    }
  }
}
