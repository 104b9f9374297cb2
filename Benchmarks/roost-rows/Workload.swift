import RoostCore

/// A population of jobs and the point events on it, each on a random id: what the state machine will ask of the storage,
/// without its rules. The live numbers in `ids` are the harness's own and cost one cache miss an event.
struct Workload: ~Copyable {
  private var table = JobTable()
  private var ready = [JobList](repeating: JobList(), count: Workload.queues)
  private var ended = JobList()
  private var heap = DeadlineHeap()
  private var leases = Slab<Lease>()
  private var keys = KeyTable()
  private var uuids = UUIDIndex()
  private var ids: UnsafeMutablePointer<UInt64>
  private var random = Random(seed: 1)
  private var nextNumber: UInt64 = 1
  private let rows: Int

  /// - Parameter rows: How many jobs live at a time.
  init(rows: Int) {
    self.rows = rows
    ids = .allocate(capacity: rows)
    ids.initialize(repeating: 0, count: rows)
  }

  deinit {
    ids.deallocate()
  }

  /// Adds the parts that `kind` needs, up to `rows` jobs.
  mutating func populate(for kind: Kind) {
    for index in 0..<rows {
      ids[index] = nextNumber
      let number = nextNumber
      nextNumber += 1
      let slot = table.insert(number)
      let row = table.hot(slot)
      row.pointee.group = UInt32(random.below(Workload.queues))
      switch kind {
      case .lookupNumber, .churnNumber: break
      case .lookupUUID, .churnUUID: uuids.insert(UUIDPair(standingFor: number), slot)
      case .list: table.append(slot, to: &ready[Int(row.pointee.group)])
      case .heap: heap.appendUnordered(slot, deadline: randomDeadline())
      case .key: addKey(number, slot)
      case .mix:
        table.append(slot, to: &ready[Int(row.pointee.group)])
        addKey(number, slot)
      }
    }
    if kind == .heap { heap.heapify(in: table) }
    // Twice round brings the mixture of states to where it stays.
    if kind == .mix { run(.mix, events: rows * 4) }
  }

  /// Runs `events` point events, each on a job chosen at random.
  @inline(never)
  mutating func run(_ kind: Kind, events: Int) {
    switch kind {
    case .lookupNumber: for _ in 0..<events { lookupNumber() }
    case .lookupUUID: for _ in 0..<events { lookupUUID() }
    case .churnNumber: for _ in 0..<events { churnNumber() }
    case .churnUUID: for _ in 0..<events { churnUUID() }
    case .list: for _ in 0..<events { moveInLists() }
    case .heap: for _ in 0..<events { moveInHeap() }
    case .key: for _ in 0..<events { useKey() }
    case .mix:
      var done = 0
      while done < events { done += advance() }
    }
  }

  /// What an event is, each a line of the table that the program prints.
  enum Kind: String, CaseIterable {
    case lookupNumber = "find by number, touch row"
    case lookupUUID = "find by UUID (plain hash), touch row"
    case churnNumber = "remove a job, add one, by number"
    case churnUUID = "the same with the UUID hash besides"
    case list = "find, move to another ready list"
    case heap = "find, change deadline in the heap"
    case key = "find by key; 1 of 4: expire, add"
    case mix = "submit/lease/ack/fail/due/retire"
  }

  @inline(__always)
  private mutating func lookupNumber() {
    let slot = table.find(ids[random.below(rows)])
    table.hot(slot).pointee.attempts &+= 1
  }

  @inline(__always)
  private mutating func lookupUUID() {
    let slot = uuids.find(UUIDPair(standingFor: ids[random.below(rows)]))
    table.hot(slot).pointee.attempts &+= 1
  }

  @inline(__always)
  private mutating func churnNumber() {
    let index = random.below(rows)
    table.remove(table.find(ids[index]))
    _ = table.insert(nextNumber)
    ids[index] = nextNumber
    nextNumber += 1
  }

  @inline(__always)
  private mutating func churnUUID() {
    let index = random.below(rows)
    let old = UUIDPair(standingFor: ids[index])
    table.remove(uuids.find(old))
    uuids.remove(old)
    uuids.insert(UUIDPair(standingFor: nextNumber), table.insert(nextNumber))
    ids[index] = nextNumber
    nextNumber += 1
  }

  @inline(__always)
  private mutating func moveInLists() {
    let slot = table.find(ids[random.below(rows)])
    let row = table.hot(slot)
    table.remove(slot, from: &ready[Int(row.pointee.group)])
    row.pointee.group = UInt32(random.below(Workload.queues))
    table.append(slot, to: &ready[Int(row.pointee.group)])
  }

  @inline(__always)
  private mutating func moveInHeap() {
    let slot = table.find(ids[random.below(rows)])
    heap.update(slot, deadline: randomDeadline(), in: table)
  }

  @inline(__always)
  private mutating func useKey() {
    let index = random.below(rows)
    let slot = keys.find(Workload.hash(ids[index]))
    let target = keys.entry(slot).pointee.target
    if index & 3 == 0 {
      keys.remove(slot)
      addKey(nextNumber, target)
      ids[index] = nextNumber
      nextNumber += 1
    }
  }

  /// Takes a random job one step through its life; the number of events that were.
  @inline(__always)
  private mutating func advance() -> Int {
    let index = random.below(rows)
    let slot = table.find(ids[index])
    switch State(rawValue: table.hot(slot).pointee.state) {
    case .ready: lease(slot)
    case .running where random.next() & 3 == 0: fail(slot)
    case .running: acknowledge(slot)
    case .retry: becomeDue(slot)
    case .ended:
      retire(slot)
      submit(index)
      return 2
    case nil: preconditionFailure("a row has a state")
    }
    return 1
  }

  private mutating func submit(_ index: Int) {
    let number = nextNumber
    let hash = Workload.hash(number)
    precondition(keys.find(hash) == .none, "a new job brings a new key")
    nextNumber += 1
    ids[index] = number
    let slot = table.insert(number)
    let row = table.hot(slot)
    row.pointee.check = hash.high
    row.pointee.base = number
    row.pointee.order = number
    row.pointee.group = UInt32(random.below(Workload.queues))
    row.pointee.maxAttempts = 4
    table.cold(slot).pointee.created = Int64(number)
    table.cold(slot).pointee.recordBytes = 256
    addKey(number, slot)
    table.append(slot, to: &ready[Int(row.pointee.group)])
  }

  private mutating func lease(_ slot: Slot) {
    let row = table.hot(slot)
    table.remove(slot, from: &ready[Int(row.pointee.group)])
    row.pointee.state = State.running.rawValue
    row.pointee.attempts &+= 1
    row.pointee.deadline = randomDeadline()
    heap.insert(slot, deadline: row.pointee.deadline, in: table)
    table.cold(slot).pointee.lease = leases.allocate(Lease(number: row.pointee.number, worker: 7, key: 9))
  }

  private mutating func acknowledge(_ slot: Slot) {
    let row = table.hot(slot)
    heap.remove(slot, in: table)
    leases.free(table.cold(slot).pointee.lease)
    table.cold(slot).pointee.lease = .none
    row.pointee.state = State.ended.rawValue
    table.append(slot, to: &ended)
  }

  private mutating func fail(_ slot: Slot) {
    let row = table.hot(slot)
    leases.free(table.cold(slot).pointee.lease)
    table.cold(slot).pointee.lease = .none
    row.pointee.state = State.retry.rawValue
    row.pointee.deadline = randomDeadline()
    heap.update(slot, deadline: row.pointee.deadline, in: table)
  }

  private mutating func becomeDue(_ slot: Slot) {
    let row = table.hot(slot)
    heap.remove(slot, in: table)
    row.pointee.state = State.ready.rawValue
    table.append(slot, to: &ready[Int(row.pointee.group)])
  }

  private mutating func retire(_ slot: Slot) {
    table.remove(slot, from: &ended)
    keys.remove(table.cold(slot).pointee.key)
    table.remove(slot)
  }

  @inline(__always)
  private mutating func addKey(_ number: UInt64, _ slot: Slot) {
    let entry = KeyEntry(hash: Workload.hash(number), fingerprint: number, target: slot)
    table.cold(slot).pointee.key = keys.insert(entry)
  }

  @inline(__always)
  private mutating func randomDeadline() -> Int64 { Int64(truncatingIfNeeded: random.next() >> 20) }

  @inline(__always)
  private static func hash(_ number: UInt64) -> KeyHash {
    KeyHash(low: mix(number ^ 0x5555_5555_5555), high: mix(number ^ 0x3333_3333_3333))
  }

  private static var queues: Int { 64 }

  private enum State: UInt8 {
    case ready, running, retry, ended
  }

  private struct Lease: BitwiseCopyable {
    var number: UInt64
    var worker: UInt32
    var key: UInt32
  }
}
