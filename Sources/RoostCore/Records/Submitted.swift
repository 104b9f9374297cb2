/// A job was accepted. It is BLOCKED when it waits for others; else READY, or SCHEDULED when it has a deadline.
struct Submitted: LogRecord {
  var number: UInt64
  var created: Int64
  var order: UInt64
  /// 0 when READY; else log time, or wall time in nanoseconds when `isWall`. BLOCKED: a delay in nanoseconds, or the wall
  /// time.
  var deadline: Int64
  var maxAttempts: UInt16
  var priority: Int8
  var state: JobState
  var isWall: Bool
  var policy: JobPolicy
  var keyHash: KeyHash
  var keyFingerprint: UInt64
  var hasKey: Bool
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer
  /// `DependencyList`; empty: it waits for no other.
  var dependencies: UnsafeRawBufferPointer
  /// `JobBodyLayout`, sealed.
  var body: UnsafeRawBufferPointer

  static var kind: RecordKind { .submitted }
  static var layout: [RecordField] { [8, 8, 8, 8, 2, 1, 1, 1, 4, 4, 4, 1, 4, 8, 8, 8, 8, 8, 8] }

  // MARK: Bytes

  /// The bytes before the body.
  static let fixedBytes = 1 + 8 * 4 + 2 + 1 + 1 + 1 + JobPolicy.mostBytes + 25 + KeyFields.bytes

  private enum Flags {
    static let wall: UInt8 = 1
    static let key: UInt8 = 2
    static let keyFields: UInt8 = 4
    /// They are more than every job has: their bytes are counted in a byte before them.
    static let moreFields: UInt8 = 8
    /// It waits for others: their ids stand before the body.
    static let dependencies: UInt8 = 16
  }

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: Self.fixedBytes + 2 + dependencies.count + body.count)
    out.put(number)
    out.put(created)
    out.put(order)
    out.put(deadline)
    out.put(maxAttempts)
    out.put(priority)
    out.put(state.rawValue)
    out.put(
      (isWall ? Flags.wall : 0) | (hasKey ? Flags.key : 0) | (hasKey && !keyFields.isEmpty ? Flags.keyFields : 0)
        | (hasKey && keyFields.count > KeyFields.leastBytes ? Flags.moreFields : 0)
        | (dependencies.isEmpty ? 0 : Flags.dependencies))
    policy.encode(into: &out)
    if hasKey {
      out.put(keyHash.low)
      out.put(keyHash.high)
      out.put(keyFingerprint)
      if keyFields.count > KeyFields.leastBytes { out.put(UInt8(keyFields.count)) }
      out.put(keyFields)
    }
    if !dependencies.isEmpty {
      out.put(UInt16(truncatingIfNeeded: dependencies.count))
      out.put(dependencies)
    }
    let bodyStart = out.cursor
    out.put(body)
    let sum = bodyStart.loadUnaligned(fromByteOffset: JobBodyLayout.checksumOffset, as: UInt32.self)
    bodyStart.storeBytes(
      of: sum ^ checksumSeal(number).littleEndian, toByteOffset: JobBodyLayout.checksumOffset, as: UInt32.self)
    return records.close(out)
  }

  @inline(__always)
  init?(_ reader: inout RecordReader) {
    number = reader.get()
    created = reader.get()
    order = reader.get()
    deadline = reader.get()
    maxAttempts = reader.get()
    priority = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
    let flags = reader.get(UInt8.self)
    isWall = flags & Flags.wall != 0
    hasKey = flags & Flags.key != 0
    guard let policy = JobPolicy(&reader) else { return nil }
    self.policy = policy
    keyHash = hasKey ? KeyHash(low: reader.get(), high: reader.get()) : KeyHash(low: 0, high: 0)
    keyFingerprint = hasKey ? reader.get() : 0
    let hasFields = hasKey && flags & Flags.keyFields != 0
    let hasMore = hasFields && flags & Flags.moreFields != 0
    let fieldBytes = hasMore ? Int(reader.get(UInt8.self)) : hasFields ? KeyFields.leastBytes : 0
    keyFields = reader.get(count: fieldBytes)
    dependencies = reader.get(count: flags & Flags.dependencies == 0 ? 0 : Int(reader.get(UInt16.self)))
    body = reader.rest
    guard !reader.isShort, KeyFields.isPossible(keyFields.count) else { return nil }
  }

  init(
    number: UInt64, created: Int64, order: UInt64, deadline: Int64, isWall: Bool, command: borrowing Command.Submit,
    keyFields: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.created = created
    self.order = order
    self.deadline = deadline
    self.isWall = isWall
    maxAttempts = command.maxRetries + 1
    priority = command.priority
    state = deadline == 0 ? .ready : .scheduled
    policy = command.policy
    keyHash = command.keyHash
    keyFingerprint = keyFields.isEmpty ? command.keyByteFingerprint : command.keyFingerprint
    hasKey = command.hasKey
    self.keyFields = keyFields
    dependencies = UnsafeRawBufferPointer(start: nil, count: 0)
    self.body = body
  }

  /// The job waits for others first.
  mutating func block(_ waiting: Command.Submit) {
    (state, order) = (.blocked, 0)
    isWall = waiting.delayMilliseconds == 0 && waiting.runAtMilliseconds != 0
    deadline = isWall ? waiting.runAtMilliseconds.nanoseconds : waiting.delayMilliseconds.nanoseconds
  }

  // MARK: Replay

  /// The most frequent record.
  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    guard let body = JobBodyLayout(body) else { throw Self.notWhole(place) }
    if !isPlain(machine) {
      try checkFields(machine, at: place.position)
      try checkSequence(machine, at: place.position)
    }
    if !body.options.isEmpty { try checkUnique(body.options, machine, at: place.position) }
    apply(body, at: place, to: &machine)
  }

  private func checkUnique(
    _ options: JobOptions, _ machine: borrowing StateMachine, at position: LogPosition
  ) throws(ReplayError) {
    guard let unique = JobUnique(options), machine.uniques.find(unique.hash) != .none else { return }
    throw .unfit("a job that no other is like", "job \(number)", position)
  }

  /// Whether a new job is READY, has no key, and passes all checks: most do, and are asked no more.
  @inline(__always)
  private func isPlain(_ machine: borrowing StateMachine) -> Bool {
    state == .ready && number == machine.nextNumber && order == machine.nextOrder && deadline == 0 && !isWall
      && !hasKey && RecordBounds.isNumber(number) && RecordBounds.isOrder(order) && maxAttempts > 0
      && RecordBounds.isWall(created) && RecordBounds.isPossible(policy) && dependencies.isEmpty
  }

  @inline(never)
  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), maxAttempts > 0, RecordBounds.isWall(created),
      RecordBounds.isPossible(policy)
    else { throw .unfit("a job within its bounds", "number \(number), \(maxAttempts) attempts", position) }
    guard dependencies.isEmpty ? state != .blocked : DependencyList(dependencies) != nil else {
      throw .unfit("the jobs that job \(number) waits for", "\(dependencies.count) bytes", position)
    }
    if state == .blocked {
      guard order == 0 else { throw .unfit("a BLOCKED job", "order \(order)", position) }
      try RecordBounds.check(deadline, in: isWall ? .min ... .max : 0...RecordBounds.span, "deadline", at: position)
    } else if state == .ready {
      guard RecordBounds.isOrder(order), deadline == 0, !isWall else {
        throw .unfit("a READY job", "order \(order), deadline \(deadline)", position)
      }
    } else {
      guard state == .scheduled, order == 0, deadline != 0 else {
        throw .unfit("a new job", "\(state.name), order \(order)", position)
      }
      let deadlines = isWall ? .min ... .max : machine.now.log...machine.later
      try RecordBounds.check(deadline, in: deadlines, "deadline", at: position)
    }
  }

  @inline(never)
  private func checkSequence(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard number == machine.nextNumber else {
      throw .unfit("job \(machine.nextNumber)", "job \(number)", position)
    }
    guard state != .ready || order == machine.nextOrder else {
      throw .unfit("order number \(machine.nextOrder)", "\(order)", position)
    }
    guard !hasKey || machine.keys.find(keyHash) == .none else {
      throw .unfit("a key of job \(number) alone", "that of another", position)
    }
  }

  func apply(_ body: JobBodyLayout, at place: RecordPlace, to machine: inout StateMachine) {
    let slot = machine.jobs.insert(number)
    machine.nextNumber = number + 1
    machine.nextOrder = max(machine.nextOrder, order + 1)
    let row = machine.jobs.hot(slot)
    row.pointee.check = JobID.check(number, UInt64(clamping: created) & 0xFFFF_FFFF_FFFF, machine.secret)
    row.pointee.base = place.position.rawValue
    row.pointee.order = order
    row.pointee.deadline = state == .ready ? machine.now.log : deadline
    let queue = machine.queueForJob(body.queue)
    let owner = machine.ownerNames.intern(body.owner)
    row.pointee.group = machine.groupForJob(
      queue: queue, owner: owner, name: body.group, origin: body.origin)
    row.pointee.priority = priority
    row.pointee.flags = isWall ? RowFlags.wall : 0
    row.pointee.maxAttempts = maxAttempts
    if state == .scheduled {
      row.pointee.foreseen = isWall ? deadline / 1_000_000 : created + (deadline - machine.now.log) / 1_000_000
    }
    let cold = machine.jobs.cold(slot)
    cold.pointee.created = created
    cold.pointee.recordBytes = place.bytes
    machine.liveBytes += Int(place.bytes)
    cold.pointee.owner = owner
    cold.pointee.type = machine.typeNames.intern(body.type)
    cold.pointee.policy = machine.intern(policy)
    if hasKey {
      cold.pointee.key = machine.keys.insert(
        KeyEntry(hash: keyHash, fingerprint: keyFingerprint, target: slot, isOfBytes: keyFields.isEmpty))
    }
    machine.queues[Int(queue)].totals.submitted += 1
    machine.gained(queue)
    if !body.options.isEmpty {
      machine.noteExpiry(slot, body.options, created: created)
      machine.takeUnique(slot, body.options)
    }
    if machine.isLive { machine.index(slot) }
    machine.enter(slot, state)
    if !body.options.isEmpty { machine.noteOptions(body.options, of: slot) }
    guard let list = DependencyList(dependencies) else { return }
    if machine.isLive { machine.link(slot, list) } else { machine.expectDependencies(number, dependencies) }
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard let body = JobBodyLayout(body), machine.jobs.find(number) == .none else { return notes.misfits += 1 }
    machine.missNumbers(before: number, &notes)
    let next = max(machine.nextNumber, number + 1)
    if isSound(body, number) {
      if hasKey { machine.freeKey(keyHash) }
      if let unique = JobUnique(body.options) { machine.freeUnique(unique.hash) }
      apply(body, at: place, to: &machine)
    } else {
      notes.unsound.insert(number)
      notes.lost.insert(number)
    }
    machine.nextNumber = next
  }

  static func salvageRemains(
    _ reader: inout RecordReader, in machine: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool {
    let number = reader.get(UInt64.self)
    // Numbers are given without gaps.
    guard !reader.isShort, number == machine.nextNumber else { return false }
    machine.missNumbers(before: number + 1, &notes)
    return true
  }

  static var tellsNumber: Bool { true }

  // MARK: Carry

  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity? {
    Submitted(whole: record).map {
      StoredRecord.Entity(
        number: $0.number, key: $0.hasKey ? StoredRecord.Key(hash: $0.keyHash, fingerprint: $0.keyFingerprint) : nil,
        unique: JobUnique.hash(inBody: $0.body))
    }
  }

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    guard let event = Submitted(whole: record) else { return found }
    found.body = event.body
    found.keyFields = event.keyFields
    found.dependencies = event.dependencies
    return found
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Submitted(whole: record).map { LoggedEvent(.jobSubmitted, .job(number: $0.number, base: .none), $0.state) }
  }

  static func withNames<R>(of record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R? {
    guard let event = Submitted(whole: record), let layout = JobBodyLayout(event.body) else { return nil }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return body(LoggedNames(number: event.number, created: event.created, layout, queue: none))
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    guard let body = JobBodyLayout(body) else { return nil }
    var out = RecordDescription(Self.kind)
    describer.addJob(number, created: created, to: &out)
    out.add("state", text: state.name)
    out.add("order", order)
    out.add("deadline", deadline)
    if isWall { out.add("deadline_is_wall_time", true) }
    out.add("priority", priority)
    out.add("max_attempts", maxAttempts)
    if hasKey { out.add(keyHash) }
    if let list = DependencyList(dependencies) { out.add(list) }
    out.add(body)
    return out
  }
}
