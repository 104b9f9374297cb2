/// All schedules: by their owners and names, by their numbers, and by the jobs that they made.
struct Schedules {
  private var rows: [Schedule?] = []
  private var free: [Slot] = []
  /// By owner and name, in the order of their bytes.
  private(set) var order: [Slot] = []
  private var slots: [UInt64: Slot] = [:]
  /// Which schedule made a job that has not ended.
  private var runs: [UInt64: Slot] = [:]
  /// The number of the next one.
  var nextID: UInt64 = 1
  private(set) var usedBytes = 0
  /// Bytes of their `scheduleSet` records.
  private(set) var recordBytes = 0
  /// Runs that ended in this command, with how: a record of each is owed.
  var ended: [EndedRun] = []
  /// Schedules of which a run may begin that waited for the end of another.
  var startable: [Slot] = []

  struct EndedRun {
    var number: UInt64
    /// `JobState`; 0: nobody can tell any more.
    var state: UInt8
  }

  var count: Int { order.count }
  var hasRuns: Bool { !runs.isEmpty }

  subscript(_ slot: Slot) -> Schedule {
    _read { yield rows[Int(slot)]! }
    _modify {
      usedBytes -= rows[Int(slot)]!.usedBytes
      recordBytes -= Int(rows[Int(slot)]!.recordBytes)
      yield &rows[Int(slot)]!
      usedBytes += rows[Int(slot)]!.usedBytes
      recordBytes += Int(rows[Int(slot)]!.recordBytes)
    }
  }

  func find(id: UInt64) -> Slot { slots[id] ?? .none }

  /// The schedule that made a job which has not ended; `.none`: none did.
  func schedule(ofRun number: UInt64) -> Slot { runs[number] ?? .none }

  func isUsed(_ slot: Slot) -> Bool { Int(slot) < rows.count && rows[Int(slot)] != nil }

  func find(owner: some Collection<UInt8>, name: some Collection<UInt8>) -> Slot {
    let place = place(owner: owner, name: name)
    guard place < order.count, !precedes(owner, name, of: order[place]) else { return .none }
    return order[place]
  }

  /// The place of the first schedule that is not before these names.
  func place(owner: some Collection<UInt8>, name: some Collection<UInt8>) -> Int {
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low + high) / 2
      let row = self[order[middle]]
      if isBefore(row.owner, row.name, owner, name) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func precedes(_ owner: some Collection<UInt8>, _ name: some Collection<UInt8>, of slot: Slot) -> Bool {
    isBefore(owner, name, self[slot].owner, self[slot].name)
  }

  private func isBefore(
    _ owner: some Collection<UInt8>, _ name: some Collection<UInt8>, _ otherOwner: some Collection<UInt8>,
    _ otherName: some Collection<UInt8>
  ) -> Bool {
    owner.elementsEqual(otherOwner)
      ? name.lexicographicallyPrecedes(otherName) : owner.lexicographicallyPrecedes(otherOwner)
  }

  /// Puts one in, in place of the one with its number.
  mutating func set(_ schedule: Schedule) -> Slot {
    nextID = max(nextID, schedule.id + 1)
    let known = find(id: schedule.id)
    if known != .none {
      for number in self[known].state.open { runs[number] = nil }
      self[known] = schedule
      for number in schedule.state.open { runs[number] = known }
      return known
    }
    let place = place(owner: schedule.owner, name: schedule.name)
    let slot = free.popLast() ?? Slot(rows.count)
    if Int(slot) == rows.count { rows.append(nil) }
    rows[Int(slot)] = schedule
    usedBytes += schedule.usedBytes
    recordBytes += Int(schedule.recordBytes)
    order.insert(slot, at: place)
    slots[schedule.id] = slot
    for number in schedule.state.open { runs[number] = slot }
    return slot
  }

  mutating func remove(_ slot: Slot) {
    let row = self[slot]
    order.remove(at: place(owner: row.owner, name: row.name))
    for number in row.state.open { runs[number] = nil }
    slots[row.id] = nil
    usedBytes -= row.usedBytes
    recordBytes -= Int(row.recordBytes)
    rows[Int(slot)] = nil
    free.append(slot)
    startable.removeAll { $0 == slot }
  }

  mutating func open(_ number: UInt64, of slot: Slot) {
    self[slot].state.open.append(number)
    runs[number] = slot
  }

  mutating func close(_ number: UInt64, of slot: Slot) {
    self[slot].state.open.removeAll { $0 == number }
    runs[number] = nil
  }
}
