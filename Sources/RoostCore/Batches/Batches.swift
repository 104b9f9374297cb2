/// The batches, and which job belongs to which: 16 bytes for each, and 8 of an index; while one runs, 32 more.
struct Batches: ~Copyable {
  struct Member: BitwiseCopyable {
    var job: Slot
    var batch: Slot
    var next: Slot = .none
    var previous: Slot = .none
  }

  /// A member that is RUNNING.
  private struct Holder: BitwiseCopyable {
    var lease: LeaseID
    var job: Slot
  }

  private var rows: [Batch?] = []
  private var free: [Slot] = []
  private var places: [UInt64: Slot] = [:]
  /// By their numbers.
  private(set) var order: [UInt64] = []
  /// The numbers of each owner's batches, ascending; owners are told apart by their bytes.
  private var byOwner: [[UInt8]: [UInt64]] = [:]
  private var members = Slab<Member>()
  private var index = SlotIndex(step: 1)
  /// By their leases.
  private var holders = Slab<Holder>()
  private var holderIndex = SlotIndex(step: 1)
  /// The number of the next one.
  private(set) var next: UInt64 = 1
  /// Batches that may be complete.
  var doubtful: [Slot] = []
  /// Batches that were called off, and the member that is next.
  private(set) var cancelling: [(batch: Slot, next: Slot)] = []
  /// Batches that were forgotten and have members still.
  private(set) var leaving: [Slot] = []
  /// Those that close by themselves (log time), and those that are forgotten (uptime); an entry may be of one that is gone.
  var closeHeap = ExpiryHeap()
  var forgetHeap = ExpiryHeap()
  /// Bytes of the jobs that are still to be made.
  private(set) var owedBytes = 0
  /// Bytes of their `batchSet` records.
  private(set) var recordBytes = 0
  /// Of the rows, bytes.
  private(set) var rowBytes = 0

  var count: Int { order.count }
  /// Whether the states of jobs matter to a batch.
  var hasMembers: Bool { members.count > 0 || holders.count > 0 }
  var usedBytes: Int {
    members.usedBytes + holders.usedBytes + (hasMembers ? index.usedBytes + holderIndex.usedBytes : 0) + rowBytes
  }
  var residentBytes: Int {
    members.residentBytes + index.residentBytes + holders.residentBytes + holderIndex.residentBytes + rowBytes
  }

  subscript(_ slot: Slot) -> Batch {
    _read { yield rows[Int(slot)]! }
    _modify {
      count(rows[Int(slot)]!, comes: false)
      yield &rows[Int(slot)]!
      count(rows[Int(slot)]!, comes: true)
    }
  }

  private mutating func count(_ row: Batch, comes: Bool) {
    let sign = comes ? 1 : -1
    owedBytes += sign * row.owedBytes
    recordBytes += sign * Int(row.recordBytes)
    rowBytes += sign * row.usedBytes
  }

  /// No batch from here on gets a smaller number: one that was forgotten keeps its own.
  mutating func number(from least: UInt64) { next = max(next, least) }

  func isUsed(_ slot: Slot) -> Bool {
    rows.indices.contains(Int(slot)) && rows[Int(slot)]?.isForgotten == false
  }
  func find(_ id: UInt64) -> Slot { places[id] ?? .none }

  /// The numbers of an owner's batches, or of all, ascending.
  ///
  /// - Parameter owner: Empty: everybody's.
  func numbers(ofOwner owner: UnsafeRawBufferPointer) -> [UInt64] {
    owner.isEmpty ? order : byOwner[[UInt8](owner)] ?? []
  }

  /// The place in ascending numbers of the first that is not less.
  static func place(of id: UInt64, in numbers: [UInt64]) -> Int {
    var (low, high) = (0, numbers.count)
    while low < high {
      let middle = (low + high) / 2
      if numbers[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Takes a batch as the log has it; its members stay.
  mutating func set(_ batch: Batch) -> Slot {
    next = max(next, batch.id + 1)
    let known = find(batch.id)
    guard known == .none else {
      var batch = batch
      (batch.counts, batch.first) = (self[known].counts, self[known].first)
      batch.isDoubtful = self[known].isDoubtful
      unlist(batch.id, ofOwner: self[known].owner)
      list(batch.id, ofOwner: batch.owner)
      self[known] = batch
      return known
    }
    let slot = free.popLast() ?? Slot(rows.count)
    if Int(slot) == rows.count { rows.append(batch) } else { rows[Int(slot)] = batch }
    count(batch, comes: true)
    places[batch.id] = slot
    order.insert(batch.id, at: Self.place(of: batch.id, in: order))
    list(batch.id, ofOwner: batch.owner)
    return slot
  }

  private mutating func list(_ id: UInt64, ofOwner owner: [UInt8]) {
    let place = Self.place(of: id, in: byOwner[owner] ?? [])
    byOwner[owner, default: []].insert(id, at: place)
  }

  private mutating func unlist(_ id: UInt64, ofOwner owner: [UInt8]) {
    guard let own = byOwner[owner] else { return }
    if own.count == 1 { byOwner[owner] = nil } else { byOwner[owner]?.remove(at: Self.place(of: id, in: own)) }
  }

  /// Forgets a batch. Its members, if any, are let go one by one by `dropLeaver`.
  mutating func remove(_ slot: Slot) {
    let id = self[slot].id
    count(rows[Int(slot)]!, comes: false)
    places[id] = nil
    order.remove(at: Self.place(of: id, in: order))
    unlist(id, ofOwner: self[slot].owner)
    doubtful.removeAll { $0 == slot }
    cancelling.removeAll { $0.batch == slot }
    if self[slot].first == .none { return freeRow(slot) }
    rows[Int(slot)]!.isForgotten = true
    leaving.append(slot)
  }

  private mutating func freeRow(_ slot: Slot) {
    rows[Int(slot)] = nil
    free.append(slot)
  }

  /// Lets a member of a batch that was forgotten go.
  mutating func dropLeaver() {
    guard let batch = leaving.last else { return }
    let first = self[batch].first
    if first != .none { leave(members.pointer(first).pointee.job) }
    guard self[batch].first == .none else { return }
    leaving.removeLast()
    freeRow(batch)
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
    guard members.count > 0 else { return .none }
    let view = members.view
    return index.find(Self.place(job)) { view[$0].pointee.job == job }
  }

  /// The batch of a job; `.none` where it is of none.
  func batch(of job: Slot) -> Slot {
    let member = member(job)
    guard member != .none, case let batch = members.pointer(member).pointee.batch, isUsed(batch) else { return .none }
    return batch
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

  // MARK: Leases of members

  /// RUNNING members.
  var holderCount: Int { holders.count }

  private static func place(_ lease: LeaseID) -> UInt64 {
    StateMachine.place(lease.number ^ lease.epoch << 48)
  }

  private func holder(_ lease: LeaseID) -> Slot {
    guard holders.count > 0 else { return .none }
    let view = holders.view
    return holderIndex.find(Self.place(lease)) { view[$0].pointee.lease == lease }
  }

  /// The member that runs under a lease; `.none` where none does.
  func member(under lease: LeaseID) -> Slot {
    let cell = holder(lease)
    return cell == .none ? .none : holders.pointer(cell).pointee.job
  }

  /// A member begins to run.
  mutating func hold(_ job: Slot, under lease: LeaseID) {
    guard holder(lease) == .none else { return }
    let cell = holders.allocate(Holder(lease: lease, job: job))
    let view = holders.view
    holderIndex.insert(cell, at: Self.place(lease)) {
      view[$0].pointee.lease == lease
    } placeOf: {
      Self.place(view[$0].pointee.lease)
    }
  }

  /// A member runs no more.
  mutating func release(_ job: Slot, under lease: LeaseID) {
    let cell = holder(lease)
    guard cell != .none, holders.pointer(cell).pointee.job == job else { return }
    let view = holders.view
    holderIndex.remove(cell, at: Self.place(lease)) { Self.place(view[$0].pointee.lease) }
    holders.free(cell)
  }
}
