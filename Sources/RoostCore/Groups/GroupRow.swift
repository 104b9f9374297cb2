/// The jobs of one queue that belong together: those of one owner with the same `group`, or of one owner without one.
/// Every job has one; its row says which.
///
/// Those of them that are delivered to an origin of their own stand in a row of their own, a part of the whole: what is
/// said of the group, and its limits, are the whole's, which counts the jobs of its parts, too.
///
/// A group lives while it has jobs, or something was said of it (`GroupSetup`).
struct GroupRow: BitwiseCopyable {
  var queue: UInt32
  /// Of `StateMachine.ownerNames`.
  var owner: UInt32
  /// Of `StateMachine.groupNames`; `.none`: the jobs that say no group.
  var name: UInt32
  /// Of `StateMachine.originNames`; `.none`: jobs that say no target of their own.
  var origin: UInt32 = .none
  /// The group that this is a part of; `.none` where it is none.
  var whole: Slot = .none
  /// Its own first part, and its neighbours among the parts of a group.
  var firstPart: Slot = .none
  var previousPart: Slot = .none
  var nextPart: Slot = .none
  /// Its place among the lines of jobs to deliver.
  var line = LineLinks()
  /// Its parts that may not go on before it may.
  var parked = LineList()
  /// The first of its `ReadyLevel`s, highest priority first.
  var levels: Slot = .none
  /// In `StateMachine.groupSetups`.
  var setup: Slot = .none
  /// Jobs in all states.
  var jobs: UInt32 = 0
  var waiting: UInt32 = 0
  var ready: UInt32 = 0
  var running: UInt32 = 0
  /// Neighbours among the groups of the queue.
  var previous: Slot = .none
  var next: Slot = .none
  /// Among those that may give a job now.
  var turn = HeapLinks()
  var turnKey = TurnKey()
  /// When its turn is, where its queue takes turns; kept while it stands among those that may give a job.
  var virtualTime: Int64 = 0
  /// It stood there and could not go on before its turn came: it keeps its place.
  var isOwedTurn = false
  /// Among all that have READY jobs, where there are several.
  var age = HeapLinks()
  /// Log time since when its longest-READY job has been so.
  var readySince: Int64 = 0
  /// False once its memory is free.
  var isUsed = true
}

/// What decides whose turn it is: the smaller one's.
struct TurnKey: Equatable, BitwiseCopyable {
  var major: Int64 = 0
  var minor: UInt64 = 0

  static func < (a: Self, b: Self) -> Bool { a.major != b.major ? a.major < b.major : a.minor < b.minor }
}

/// Groups that may give a job, the one whose turn it is first.
enum TurnOrder: GroupOrder {
  static func links(of row: UnsafeMutablePointer<GroupRow>) -> HeapLinks { row.pointee.turn }
  static func setLinks(_ links: HeapLinks, of row: UnsafeMutablePointer<GroupRow>) { row.pointee.turn = links }
  static func goesBefore(_ a: Slot, _ b: Slot, _ rows: ChunkView<GroupRow>) -> Bool {
    let (mine, other) = (rows[a].pointee.turnKey, rows[b].pointee.turnKey)
    return mine == other ? a < b : mine < other
  }
}

/// Groups with READY jobs, the one with the longest-READY job first.
enum AgeOrder: GroupOrder {
  static func links(of row: UnsafeMutablePointer<GroupRow>) -> HeapLinks { row.pointee.age }
  static func setLinks(_ links: HeapLinks, of row: UnsafeMutablePointer<GroupRow>) { row.pointee.age = links }
  static func goesBefore(_ a: Slot, _ b: Slot, _ rows: ChunkView<GroupRow>) -> Bool {
    let (mine, other) = (rows[a].pointee.readySince, rows[b].pointee.readySince)
    return mine == other ? a < b : mine < other
  }
}

/// All groups, found by queue, owner, name and origin.
struct GroupTable: ~Copyable {
  private var rows = Slab<GroupRow>()
  private var index = SlotIndex(step: 1)

  var count: Int { rows.count }
  /// Slots are below this; `isUsed` tells which of them are groups.
  var slotLimit: Slot { rows.slotLimit }
  func isUsed(_ slot: Slot) -> Bool { rows.hasMemory(slot) && rows.pointer(slot).pointee.isUsed }
  var usedBytes: Int { rows.usedBytes + index.usedBytes }
  var residentBytes: Int { rows.residentBytes + index.residentBytes }
  var view: ChunkView<GroupRow> { rows.view }

  @inline(__always)
  subscript(_ group: Slot) -> UnsafeMutablePointer<GroupRow> { rows.pointer(group) }

  /// The group, `.none` where there is none.
  func find(queue: UInt32, owner: UInt32, name: UInt32, origin: UInt32 = .none) -> Slot {
    let view = rows.view
    return index.find(Self.place(queue, owner, name, origin)) { Self.isSame(view[$0], queue, owner, name, origin) }
  }

  mutating func insert(queue: UInt32, owner: UInt32, name: UInt32, origin: UInt32 = .none) -> Slot {
    let group = rows.allocate(GroupRow(queue: queue, owner: owner, name: name, origin: origin))
    let view = rows.view
    index.insert(group, at: Self.place(queue, owner, name, origin)) {
      Self.isSame(view[$0], queue, owner, name, origin)
    } placeOf: {
      Self.place(of: view[$0])
    }
    return group
  }

  mutating func remove(_ group: Slot) {
    let view = rows.view
    index.remove(group, at: Self.place(of: view[group])) { Self.place(of: view[$0]) }
    rows.pointer(group).pointee.isUsed = false
    rows.free(group)
  }

  private static func isSame(
    _ row: UnsafeMutablePointer<GroupRow>, _ queue: UInt32, _ owner: UInt32, _ name: UInt32, _ origin: UInt32
  ) -> Bool {
    row.pointee.queue == queue && row.pointee.owner == owner && row.pointee.name == name
      && row.pointee.origin == origin
  }

  private static func place(of row: UnsafeMutablePointer<GroupRow>) -> UInt64 {
    place(row.pointee.queue, row.pointee.owner, row.pointee.name, row.pointee.origin)
  }

  /// Numbers that nobody chooses: those of names are given by the tables.
  private static func place(_ queue: UInt32, _ owner: UInt32, _ name: UInt32, _ origin: UInt32) -> UInt64 {
    StateMachine.place(UInt64(queue) << 32 | UInt64(owner))
      ^ StateMachine.place(~(UInt64(name) | UInt64(~origin) << 32))
  }
}
