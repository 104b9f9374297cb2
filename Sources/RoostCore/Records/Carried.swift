/// A whole job, written again at the end of the log.
struct Carried: LogRecord {
  var number: UInt64
  var created: Int64
  var order: UInt64
  var deadline: Int64
  /// `HotRow.foreseen`; 0 in a state without deadline.
  var foreseen: Int64
  /// Whether the record says so; those of earlier versions do not.
  var hasForeseen: Bool
  var attempts: UInt16
  var maxAttempts: UInt16
  var priority: Int8
  var state: JobState
  var flags: UInt16
  var policy: JobPolicy
  var hasKey: Bool
  var hasLease: Bool
  /// Whether the record says with what the last lease ended; those of earlier versions do not.
  var hasSaid: Bool
  var keyHash: KeyHash
  var keyFingerprint: UInt64
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer
  /// It carries another payload, other tags or another group than before.
  var isRewritten = false
  /// Of a job that no other may be like.
  var unique: UniqueState?
  var lease: LeaseCell
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer
  var body: UnsafeRawBufferPointer
  /// The queue in which it stands; empty: that of its body.
  var queue: UnsafeRawBufferPointer
  /// `DependencyList`; empty: it waits for no other, and never did.
  var dependencies: UnsafeRawBufferPointer
  /// Newest first.
  var history: UnsafeRawBufferPointer

  static var kind: RecordKind { .carried }
  static var layout: [RecordField] {
    [8, 8, 8, 8, 2, 2, 1, 1, 2, 4, 4, 4, 1, 4, 8, 1] + Array(repeating: 8, count: 12) + [4, 4, 1, 1, 1]
  }

  // MARK: Bytes

  private static let fixedBytes = 352

  private enum Parts {
    static let key: UInt8 = 1
    static let lease: UInt8 = 2
    static let keyFields: UInt8 = 4
    /// The checksum of what the last lease ended with; missing in records of earlier versions.
    static let said: UInt8 = 8
    /// The wall time of the deadline; missing in records of earlier versions.
    static let foreseen: UInt8 = 16
    /// The key's fields are more than every job has: their bytes are counted in a byte before them.
    static let moreFields: UInt8 = 32
    /// A byte with further parts follows.
    static let more: UInt8 = 64
  }

  private enum FurtherParts {
    /// The log time at which the attempt is over.
    static let attemptEnds: UInt8 = 1
    /// The queue in which it stands, other than its body says.
    static let queue: UInt8 = 2
    /// The jobs that it waits for.
    static let dependencies: UInt8 = 16
    /// `UniqueState`.
    static let unique: UInt8 = 4
    /// How many leases ended by their time, and were handed back; missing where none was.
    static let counters: UInt8 = 8
    /// Without bytes: the body is another than before.
    static let rewritten: UInt8 = 128
  }

  /// What a job holds of the key that it says.
  struct UniqueState: Equatable {
    /// `UniqueCell.until`.
    var until: Int64
    var waited: UInt32
    var holds: Bool
  }

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    let further =
      (lease.attemptEnds == 0 ? 0 : FurtherParts.attemptEnds) | (queue.isEmpty ? 0 : FurtherParts.queue)
      | (dependencies.isEmpty ? 0 : FurtherParts.dependencies)
      | (unique == nil ? 0 : FurtherParts.unique)
      | (lease.expiries == 0 && lease.interruptions == 0 ? 0 : FurtherParts.counters)
      | (isRewritten ? FurtherParts.rewritten : 0)
    let variable = queue.count + dependencies.count + worker.count + keyID.count + body.count + history.count
    var out = records.open(Self.kind, atMost: Self.fixedBytes + variable)
    out.put(number)
    out.put(created)
    out.put(order)
    out.put(deadline)
    out.put(attempts)
    out.put(maxAttempts)
    out.put(priority)
    out.put(state.rawValue)
    out.put(flags)
    policy.encode(into: &out)
    out.put(
      (hasKey ? Parts.key : 0) | (hasLease ? Parts.lease | Parts.said : 0)
        | (hasKey && !keyFields.isEmpty ? Parts.keyFields : 0) | (hasForeseen ? Parts.foreseen : 0)
        | (hasKey && keyFields.count > KeyFields.leastBytes ? Parts.moreFields : 0) | (further == 0 ? 0 : Parts.more))
    if further != 0 { out.put(further) }
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
      if keyFields.count > KeyFields.leastBytes { out.put(UInt8(keyFields.count)) }
      out.put(keyFields)
    }
    if hasLease {
      out.put(lease.id.epoch)
      out.put(lease.id.number)
      out.put(lease.duration)
      out.put(lease.leasedAt)
      out.put(lease.endedAt)
      out.put(lease.endedUptime)
      out.put(lease.pause)
      out.put(lease.lastOutcome)
      out.put(lease.said)
      out.put(UInt8(truncatingIfNeeded: worker.count))
      out.put(UInt8(truncatingIfNeeded: keyID.count))
      out.put(worker)
      out.put(keyID)
    }
    if hasForeseen { out.put(foreseen) }
    if lease.attemptEnds != 0 { out.put(lease.attemptEnds) }
    if !queue.isEmpty {
      out.put(UInt8(truncatingIfNeeded: queue.count))
      out.put(queue)
    }
    if !dependencies.isEmpty {
      out.put(UInt16(truncatingIfNeeded: dependencies.count))
      out.put(dependencies)
    }
    if let unique {
      out.put(unique.until)
      out.put(unique.waited)
      out.put(UInt8(unique.holds ? 1 : 0))
    }
    if further & FurtherParts.counters != 0 {
      out.put(lease.expiries)
      out.put(lease.interruptions)
    }
    out.put(UInt32(truncatingIfNeeded: body.count))
    out.put(body)
    out.put(history)
    return records.close(out)
  }

  init(
    row: borrowing HotRow, cold: borrowing ColdRow, policy: JobPolicy, key: KeyEntry?, unique: UniqueState?,
    lease: LeaseCell?,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer, keyFields: UnsafeRawBufferPointer,
    body: UnsafeRawBufferPointer, queue: UnsafeRawBufferPointer, dependencies: UnsafeRawBufferPointer,
    history: UnsafeRawBufferPointer
  ) {
    number = row.number
    created = cold.created
    order = row.order
    deadline = row.deadline
    attempts = row.attempts
    maxAttempts = row.maxAttempts
    priority = row.priority
    state = JobState(rawValue: row.state)!
    hasForeseen = state.hasDeadline
    foreseen = hasForeseen ? row.foreseen : 0
    flags = row.flags
    self.policy = policy
    hasKey = key != nil
    hasLease = lease != nil
    hasSaid = hasLease
    keyHash = key?.hash ?? KeyHash(low: 0, high: 0)
    keyFingerprint = key?.fingerprint ?? 0
    self.unique = unique
    self.lease = lease ?? LeaseCell()
    self.worker = worker
    self.keyID = keyID
    self.keyFields = keyFields
    self.body = body
    self.queue = queue
    self.dependencies = dependencies
    self.history = history
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    created = reader.get()
    order = reader.get()
    deadline = reader.get()
    attempts = reader.get()
    maxAttempts = reader.get()
    priority = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
    flags = reader.get()
    guard let policy = JobPolicy(&reader) else { return nil }
    self.policy = policy
    let parts = reader.get(UInt8.self)
    let further = parts & Parts.more == 0 ? 0 : reader.get(UInt8.self)
    hasKey = parts & Parts.key != 0
    hasLease = parts & Parts.lease != 0
    hasSaid = parts & Parts.said != 0
    hasForeseen = parts & Parts.foreseen != 0
    foreseen = 0
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
    let hasFields = hasKey && parts & Parts.keyFields != 0
    let hasMore = hasFields && parts & Parts.moreFields != 0
    let fieldBytes = hasMore ? Int(reader.get(UInt8.self)) : hasFields ? KeyFields.leastBytes : 0
    keyFields = reader.get(count: fieldBytes)
    lease = LeaseCell()
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    (worker, keyID) = (none, none)
    if hasLease {
      lease.id = LeaseID(epoch: reader.get(), number: reader.get())
      lease.duration = reader.get()
      lease.leasedAt = reader.get()
      lease.endedAt = reader.get()
      lease.endedUptime = reader.get()
      lease.pause = reader.get()
      lease.lastOutcome = reader.get()
      if parts & Parts.said != 0 { lease.said = reader.get() }
      let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
      worker = reader.get(count: Int(workerBytes))
      keyID = reader.get(count: Int(keyBytes))
    }
    if hasForeseen { foreseen = reader.get() }
    if further & FurtherParts.attemptEnds != 0 { lease.attemptEnds = reader.get() }
    queue = further & FurtherParts.queue == 0 ? none : reader.get(count: Int(reader.get(UInt8.self)))
    dependencies =
      further & FurtherParts.dependencies == 0 ? none : reader.get(count: Int(reader.get(UInt16.self)))
    isRewritten = further & FurtherParts.rewritten != 0
    unique = nil
    if further & FurtherParts.unique != 0 {
      unique = UniqueState(until: reader.get(), waited: reader.get(), holds: reader.get(UInt8.self) != 0)
    }
    if further & FurtherParts.counters != 0 { (lease.expiries, lease.interruptions) = (reader.get(), reader.get()) }
    let bodyBytes = reader.get(UInt32.self)
    body = reader.get(count: Int(bodyBytes))
    history = reader.rest
    guard !reader.isShort, KeyFields.isPossible(keyFields.count) else { return nil }
    if lease.lastOutcome != 0, !hasSaid { lease.said = saidInHistory }
  }

  /// The wall time of the deadline; of a record without it as well as it can be known.
  ///
  /// - Parameter time: Log time of the record.
  func foreseen(at time: Int64) -> Int64 {
    guard !hasForeseen else { return foreseen }
    switch state {
    case .running: return lease.leasedAt + lease.duration / 1_000_000
    case .retry: return lease.endedAt + Int64(lease.pause)
    case .scheduled where flags & RowFlags.wall != 0: return deadline / 1_000_000
    case .scheduled: return (hasLease ? lease.endedAt : created) + max(0, deadline - time) / 1_000_000
    case .ready, .acked, .dead, .cancelled, .blocked: return 0
    }
  }

  /// The same of a record without it: its history holds the end, cut if something came behind it.
  private var saidInHistory: UInt32 {
    var reader = RecordReader(history)
    while !reader.isAtEnd, let entry = HistoryEntry(&reader) {
      if entry.outcome.endsAttempt { return entry.textChecksum(number: number) }
    }
    return 0
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let most = state.isWaiting ? 1 : 0
    guard RecordBounds.isNumber(number), RecordBounds.isWall(created), RecordBounds.isPossible(policy),
      maxAttempts > 0, Int(attempts) + most <= maxAttempts, state != .running || attempts > 0,
      hasLease || state == .scheduled || state == .ready || state == .blocked
    else {
      throw .unfit("a job within its bounds", "\(state.name), attempts \(attempts) of \(maxAttempts)", position)
    }
    let known: UInt16 =
      state == .scheduled || state == .blocked
      ? RowFlags.wall : state == .running ? RowFlags.cancelRequested | RowFlags.pushed : 0
    guard flags & ~(known | RowFlags.ofAnyState) == 0, (flags & RowFlags.moved == 0) == queue.isEmpty,
      RecordBounds.isOrder(order) || order == 0 && (state == .scheduled || state == .blocked)
    else {
      throw .unfit("\(state.name)", "flags \(flags), order \(order)", position)
    }
    guard !isRewritten || state.isWaiting else {
      throw .unfit("a waiting job that carries something else", state.name, position)
    }
    let deadlines: ClosedRange<Int64> =
      switch state {
      case .scheduled where flags & RowFlags.wall != 0, .blocked where flags & RowFlags.wall != 0: .min ... .max
      case .blocked: 0...RecordBounds.span
      case .scheduled, .retry, .acked, .cancelled: 0...machine.later
      // What a grace after a start gave counts as long as the lease at most.
      case .running: 0...machine.now.log + min(max(0, lease.duration), RecordBounds.span)
      case .ready: 0...machine.now.log
      case .dead: 0...0
      }
    try RecordBounds.check(deadline, in: deadlines, "deadline", at: position)
    // A wall time, and what was added to it.
    guard dependencies.isEmpty ? state != .blocked : DependencyList(dependencies) != nil else {
      throw .unfit("the jobs that job \(number) waits for", "\(dependencies.count) bytes", position)
    }
    guard foreseen.magnitude <= 2 * RecordBounds.wall.magnitude, !hasForeseen || state.hasDeadline else {
      throw .unfit("a wall time of the deadline, if there is one", "\(foreseen)", position)
    }
    if let unique {
      let isHeld = unique.until > 0 || unique.until != UniqueCell.over && !state.isFinished
      guard (UniqueCell.untilStarted...machine.later).contains(unique.until), !unique.holds || isHeld else {
        throw .unfit("what a job holds", "until \(unique.until), \(state.name)", position)
      }
    }
    guard lease.expiries <= attempts, hasLease || lease.interruptions == 0 else {
      throw .unfit("leases of \(attempts) attempts", "\(lease.expiries) that ended by their time", position)
    }
    guard hasLease else { return }
    guard lease.id.epoch <= RecordBounds.counter, lease.id.number <= RecordBounds.counter,
      RecordBounds.isWall(lease.leasedAt), RecordBounds.isWall(lease.endedAt),
      lease.lastOutcome == 0 || Outcome(rawValue: lease.lastOutcome) != nil
    else { throw .unfit("a lease within its bounds", "\(lease.id), outcome \(lease.lastOutcome)", position) }
    try RecordBounds.check(lease.duration, in: 0...RecordBounds.span, "duration", at: position)
    guard lease.attemptEnds == 0 || state == .running && (deadline...machine.later).contains(lease.attemptEnds) else {
      throw .unfit("an attempt that ends with its lease, or later", "\(lease.attemptEnds)", position)
    }
    try RecordBounds.check(lease.endedUptime, in: 0...machine.now.log, "uptime", at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    guard let layout = JobBodyLayout(body) else {
      throw .unfit("a whole body", "\(body.count) bytes", place.position)
    }
    try checkFields(machine, at: place.position)
    try checkOptions(layout.options, at: place.position)
    let known = machine.jobs.find(number)
    try checkSequence(machine, layout, on: known, at: place.position)
    if known == .none { machine.absentJobs -= 1 }
    apply(layout, at: place, to: &machine)
  }

  /// What the row is said to have of what the body says.
  private func checkOptions(_ options: JobOptions, at position: LogPosition) throws(ReplayError) {
    let own = flags & (RowFlags.expires | RowFlags.cancelsLate)
    let said = JobExpiry(options).map { RowFlags.expires | ($0.cancels ? RowFlags.cancelsLate : 0) }
    guard own == 0 || own == said else {
      throw .unfit("a time before which the job must begin", "flags \(flags)", position)
    }
    guard (unique == nil) == (flags & RowFlags.unique == 0), unique == nil || JobUnique(options) != nil else {
      throw .unfit("what no other job may have", "flags \(flags)", position)
    }
  }

  /// - Parameter slot: The job as it stands; `.none` if its records before this one are gone.
  private func checkSequence(
    _ machine: borrowing StateMachine, _ body: JobBodyLayout, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard number < machine.nextNumber, order < machine.nextOrder,
      !hasLease || lease.id.number < machine.nextLease && lease.id.epoch <= machine.epoch
    else { throw .unfit("numbers that were given before", "job \(number), order \(order)", position) }
    let key = hasKey ? machine.keys.find(keyHash) : .none
    if let unique, unique.holds, let hash = JobUnique(body.options)?.hash {
      let holder = machine.uniques.find(hash)
      guard holder == .none || slot != .none && holder == machine.uniqueCell(of: slot) else {
        throw .unfit("a job that no other is like", "job \(number)", position)
      }
    }
    guard slot != .none else {
      guard machine.absentJobs > 0 else { throw .unfit("a job that did not leave", "job \(number)", position) }
      guard key == .none else { throw .unfit("a key of job \(number) alone", "that of another", position) }
      return
    }
    let (row, cold) = (machine.jobs.hot(slot), machine.jobs.cold(slot))
    // A start may have given a lease more time.
    guard row.pointee.state == state.rawValue, row.pointee.order == order, row.pointee.attempts == attempts,
      row.pointee.maxAttempts == maxAttempts, row.pointee.priority == priority, row.pointee.flags == flags,
      cold.pointee.created == created, machine.keyEntry(of: slot) == key, machine.uniqueState(of: slot) == unique,
      key == .none || machine.keys.entry(key).pointee.isOf(keyFingerprint, isOfBytes: keyFields.isEmpty),
      state == .running && row.pointee.deadline < deadline
        || row.pointee.deadline == deadline && (!hasForeseen || machine.foreseen(slot) == foreseen),
      machine.policy(cold.pointee.policy) == policy, hasLease == (cold.pointee.lease != .none),
      machine.existingLeaseCell(slot).map({ isCopy(of: $0.pointee) }) ?? true
    else { throw .unfit("job \(number) as it stands", "another", position) }
    guard machine.queueNames.bytes(machine.queue(of: slot)).elementsEqual(queue.isEmpty ? body.queue : queue),
      isRewritten || machine.nameOfGroup(row.pointee.group).elementsEqual(body.group),
      machine.originOfGroup(row.pointee.group).elementsEqual(body.origin),
      machine.ownerNames.bytes(cold.pointee.owner).elementsEqual(body.owner),
      machine.typeNames.bytes(cold.pointee.type).elementsEqual(body.type)
    else { throw .unfit("queue, group, owner and type of job \(number)", "others", position) }
  }

  /// Whether the record says of the job's last lease what is known of it.
  private func isCopy(of known: LeaseCell) -> Bool {
    known.id == lease.id && known.duration == lease.duration && known.leasedAt == lease.leasedAt
      && known.endedAt == lease.endedAt && known.endedUptime == lease.endedUptime && known.pause == lease.pause
      && (known.attemptEnds == lease.attemptEnds || known.attemptEnds != 0 && known.attemptEnds < lease.attemptEnds)
      // Earlier versions counted none.
      && (lease.expiries == 0 && lease.interruptions == 0
        || known.expiries == lease.expiries && known.interruptions == lease.interruptions)
      && known.lastOutcome == lease.lastOutcome && (known.said == lease.said || !hasSaid)
      && (known.history == 0) == history.isEmpty
  }

  /// Puts the row in as the record says it, in place of the one that may stand there.
  private func apply(_ body: JobBodyLayout, at place: RecordPlace, to machine: inout StateMachine) {
    let known = machine.jobs.find(number)
    let told = hasForeseen || known == .none ? foreseen(at: machine.now.log) : machine.foreseen(known)
    if known != .none { Self.forgetRow(known, in: &machine) }
    let slot = machine.jobs.insert(number)
    let row = machine.jobs.hot(slot)
    row.pointee.check = JobID.check(number, UInt64(clamping: created) & 0xFFFF_FFFF_FFFF, machine.secret)
    row.pointee.base = place.position.rawValue
    row.pointee.order = order
    row.pointee.deadline = deadline
    let queue = machine.queueForJob(queue.isEmpty ? body.queue : queue)
    let owner = machine.ownerNames.intern(body.owner)
    row.pointee.group = machine.groupForJob(
      queue: queue, owner: owner, name: body.group, origin: body.origin)
    row.pointee.priority = priority
    row.pointee.flags = flags
    row.pointee.attempts = attempts
    row.pointee.maxAttempts = maxAttempts
    if state.hasDeadline { row.pointee.foreseen = told }
    let cold = machine.jobs.cold(slot)
    cold.pointee.created = created
    cold.pointee.recordBytes = place.bytes
    machine.liveBytes += Int(place.bytes)
    cold.pointee.owner = owner
    cold.pointee.type = machine.typeNames.intern(body.type)
    cold.pointee.policy = machine.intern(policy)
    machine.gained(queue)
    if flags & RowFlags.expires != 0 { machine.noteExpiry(slot, body.options, created: created) }
    if hasKey {
      cold.pointee.key = machine.keys.insert(
        KeyEntry(hash: keyHash, fingerprint: keyFingerprint, target: slot, isOfBytes: keyFields.isEmpty))
    }
    if let unique, let hash = JobUnique(body.options)?.hash {
      let cell = machine.addUnique(
        slot,
        UniqueCell(
          hash: hash, job: slot, key: cold.pointee.key, waited: unique.waited, until: unique.until))
      if unique.holds { machine.uniques.take(cell) }
    }
    if hasLease {
      let cell = machine.leaseCell(
        slot, worker: machine.workerNames.intern(worker), keyID: machine.keyNames.intern(keyID))
      (cell.pointee.id, cell.pointee.duration) = (lease.id, lease.duration)
      (cell.pointee.leasedAt, cell.pointee.endedAt) = (lease.leasedAt, lease.endedAt)
      (cell.pointee.endedUptime, cell.pointee.pause) = (lease.endedUptime, lease.pause)
      cell.pointee.attemptEnds = lease.attemptEnds
      cell.pointee.lastOutcome = lease.lastOutcome
      cell.pointee.said = lease.said
      (cell.pointee.expiries, cell.pointee.interruptions) = (lease.expiries, lease.interruptions)
      cell.pointee.history = history.isEmpty ? 0 : place.position.rawValue
      cell.pointee.historyBytes = history.isEmpty ? 0 : place.bytes
    }
    machine.enter(slot, state)
    machine.expectDependencies(number, dependencies)
    if !body.options.isEmpty { machine.noteOptions(body.options, of: slot) }
  }

  /// Removes a row whose copy follows; its key is entered anew.
  private static func forgetRow(_ slot: Slot, in machine: inout StateMachine) {
    machine.leave(slot)
    machine.liveBytes -= machine.bytes(of: slot)
    machine.forgetUnique(slot)
    let key = machine.jobs.cold(slot).pointee.key
    if key != .none { machine.keys.remove(key) }
    machine.removeRow(slot)
  }

  /// The record, just written, took the place of the job's old ones.
  static func apply(to slot: Slot, at place: RecordPlace, in machine: inout StateMachine) {
    machine.liveBytes += Int(place.bytes) - machine.bytes(of: slot)
    if JobState(rawValue: machine.jobs.hot(slot).pointee.state)!.isWaiting {
      let more = Int64(place.bytes) - Int64(machine.jobs.cold(slot).pointee.recordBytes)
      machine.queues[Int(machine.queue(of: slot))].waitingBytes += more
      machine.owners[machine.jobs.cold(slot).pointee.owner].pointee.waitingBytes += more
    }
    machine.jobs.hot(slot).pointee.base = place.position.rawValue
    machine.jobs.cold(slot).pointee.recordBytes = place.bytes
    guard let cell = machine.existingLeaseCell(slot) else { return }
    // All that is counted with the job is counted anew from here on.
    cell.pointee.historyTotal = 0
    cell.pointee.report = 0
    cell.pointee.reportBytes = 0
    guard cell.pointee.history != 0 else { return }
    cell.pointee.history = place.position.rawValue
    cell.pointee.historyBytes = place.bytes
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard let body = JobBodyLayout(body) else { return notes.misfits += 1 }
    guard isSound(body, number) else {
      // The copy before it, if it still stands, is as good.
      if machine.jobs.find(number) == .none { notes.lost.insert(number) }
      notes.unsound.insert(number)
      return
    }
    do throws(ReplayError) {
      try checkOptions(body.options, at: place.position)
    } catch {
      return notes.misfits += 1
    }
    machine.missNumbers(before: number + 1, &notes)
    let isNew = machine.jobs.find(number) == .none
    if notes.lost.remove(number) == nil, isNew { notes.unnamed = max(0, notes.unnamed - 1) }
    if hasKey { machine.freeKey(keyHash, unlessOf: number) }
    if let unique, unique.holds, let hash = JobUnique(body.options)?.hash {
      machine.freeUnique(hash, unlessOf: number)
    }
    machine.nextOrder = max(machine.nextOrder, order + 1)
    if hasLease {
      machine.nextLease = max(machine.nextLease, lease.id.number + 1)
      machine.epoch = max(machine.epoch, lease.id.epoch)
    }
    apply(body, at: place, to: &machine)
  }

  static func salvageRemains(
    _ reader: inout RecordReader, in machine: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool {
    let number = reader.get(UInt64.self)
    guard !reader.isShort, number > 0, number < machine.nextNumber else { return false }
    // A copy of what stands elsewhere, or of what is now missing by number.
    if machine.jobs.find(number) == .none, notes.lost.insert(number).inserted {
      notes.unnamed = max(0, notes.unnamed - 1)
    }
    return true
  }

  // MARK: Carry

  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity? {
    Carried(whole: record).map {
      StoredRecord.Entity(
        number: $0.number, key: $0.hasKey ? StoredRecord.Key(hash: $0.keyHash, fingerprint: $0.keyFingerprint) : nil,
        unique: JobUnique.hash(inBody: $0.body))
    }
  }

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    guard let event = Carried(whole: record) else { return found }
    found.body = event.body
    found.keyFields = event.keyFields
    found.dependencies = event.dependencies
    found.history = StoredRecord.History(entries: event.history, previous: .none, previousBytes: 0)
    return found
  }

  // MARK: Events

  static func withNames<R>(of record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R? {
    guard let event = Carried(whole: record), let layout = JobBodyLayout(event.body) else { return nil }
    return body(LoggedNames(number: event.number, created: event.created, layout, queue: event.queue))
  }

  static var isCopy: Bool { true }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    guard let body = JobBodyLayout(body) else { return nil }
    var out = RecordDescription(Self.kind)
    describer.addJob(number, created: created, to: &out)
    out.add("state", text: state.name)
    out.add("order", order)
    out.add("deadline", deadline)
    out.add("foreseen_ms", foreseen)
    out.add("priority", priority)
    out.add("attempts", attempts)
    out.add("max_attempts", maxAttempts)
    out.add("flags", flags)
    if hasKey { out.add(keyHash) }
    if hasLease {
      out.add("lease_id", text: lease.id.description)
      out.add("worker", name: worker)
      out.add("key_id", name: keyID)
    }
    if isRewritten { out.add("is_rewritten", true) }
    out.add(body)
    if !queue.isEmpty { out.add("moved_to", name: queue) }
    if let list = DependencyList(dependencies) { out.add(list) }
    out.add("history_bytes", history.count)
    return out
  }
}
