/// All webhooks: by their owners and names, by their numbers, and by whose jobs they are told of.
struct Webhooks {
  private var rows: [Webhook?] = []
  private var free: [Slot] = []
  /// By owner and name, in the order of their bytes.
  private(set) var order: [Slot] = []
  private var slots: [UInt64: Slot] = [:]
  /// By the numbers of their owners' names, in the order of their own numbers.
  private var byOwner: [UInt32: [Slot]] = [:]
  /// Those that ask for events of queues, in the order of their numbers.
  private(set) var watchers: [Slot] = []
  /// The number of the next one.
  var nextID: UInt64 = 1
  private(set) var usedBytes = 0
  /// Bytes of their `webhookSet` records.
  private(set) var recordBytes = 0
  private(set) var pausedCount = 0
  /// The most that one owner has.
  private(set) var mostOfOwner = 0
  /// Events of this batch whose deliveries are to be made with it, and about what these take in the log.
  private(set) var pending: [Pending] = []
  private(set) var pendingBytes = 0
  /// Volatile: lines of deliveries whose first is of a webhook that was removed.
  var orphans: [Slot] = []

  struct Pending {
    /// The webhook's number.
    var webhook: UInt64
    var notice: WebhookNotice
  }

  var count: Int { order.count }
  @inline(__always)
  var isEmpty: Bool { order.isEmpty }

  subscript(_ slot: Slot) -> Webhook {
    _read { yield rows[Int(slot)]! }
    _modify {
      count(rows[Int(slot)]!, comes: false)
      yield &rows[Int(slot)]!
      count(rows[Int(slot)]!, comes: true)
    }
  }

  func find(id: UInt64) -> Slot { slots[id] ?? .none }

  /// The webhooks of an owner, by the number of its name.
  @inline(__always)
  func of(owner: UInt32) -> [Slot] { byOwner[owner] ?? [] }

  func find(owner: some Collection<UInt8>, name: some Collection<UInt8>) -> Slot {
    let place = place(owner: owner, name: name)
    guard place < order.count, case let row = self[order[place]], row.owner.elementsEqual(owner),
      row.name.elementsEqual(name)
    else { return .none }
    return order[place]
  }

  /// The place of the first webhook that is not before these names.
  func place(owner: some Collection<UInt8>, name: some Collection<UInt8>) -> Int {
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low + high) / 2
      let row = self[order[middle]]
      let isBefore =
        row.owner.elementsEqual(owner)
        ? row.name.lexicographicallyPrecedes(name) : row.owner.lexicographicallyPrecedes(owner)
      if isBefore { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Changes

  /// Puts one in, in place of the one with its number, whose figures it keeps.
  ///
  /// - Parameter webhook: With the number of its owner's name.
  mutating func set(_ webhook: Webhook) -> Slot {
    nextID = max(nextID, webhook.id + 1)
    let known = find(id: webhook.id)
    if known != .none {
      let figures = self[known].figures
      self[known] = webhook
      self[known].figures = figures
      listWatchers()
      return known
    }
    let place = place(owner: webhook.owner, name: webhook.name)
    let slot = free.popLast() ?? Slot(rows.count)
    if Int(slot) == rows.count { rows.append(nil) }
    rows[Int(slot)] = webhook
    count(webhook, comes: true)
    order.insert(slot, at: place)
    slots[webhook.id] = slot
    let own = of(owner: webhook.ownerID) + [slot]
    byOwner[webhook.ownerID] = own.sorted { self[$0].id < self[$1].id }
    listWatchers()
    return slot
  }

  mutating func remove(_ slot: Slot) {
    let row = self[slot]
    order.remove(at: place(owner: row.owner, name: row.name))
    slots[row.id] = nil
    let others = of(owner: row.ownerID).filter { $0 != slot }
    byOwner[row.ownerID] = others.isEmpty ? nil : others
    count(row, comes: false)
    rows[Int(slot)] = nil
    free.append(slot)
    listWatchers()
  }

  private mutating func listWatchers() {
    watchers = order.filter { self[$0].definition.events & WebhookEvent.queueBits != 0 }
      .sorted { self[$0].id < self[$1].id }
    mostOfOwner = byOwner.values.reduce(0) { max($0, $1.count) }
  }

  private mutating func count(_ row: Webhook, comes: Bool) {
    usedBytes += comes ? row.usedBytes : -row.usedBytes
    recordBytes += Int(comes ? Int64(row.recordBytes) : -Int64(row.recordBytes))
    if row.state.isPaused { pausedCount += comes ? 1 : -1 }
  }

  // MARK: Events of a batch

  mutating func append(_ notice: WebhookNotice, to slot: Slot) {
    pending.append(Pending(webhook: self[slot].id, notice: notice))
    let row = self[slot]
    pendingBytes += Submitted.fixedBytes + 128 + row.definition.target.count + row.owner.count + row.name.count
    pendingBytes += WebhookNotice.mostBytes
  }

  mutating func takePending() -> [Pending] {
    defer { (pending, pendingBytes) = ([], 0) }
    return pending
  }
}
