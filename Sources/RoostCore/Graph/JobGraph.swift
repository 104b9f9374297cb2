/// Which jobs wait for which: an edge of 16 bytes for each pair, and for each job that others wait for a node of 24 bytes.
///
/// The edges of a waiting job hang in a ring; the index names one of them. The edges to a job that others wait for hang in
/// a chain; one that goes is only marked, and the chain is swept when half of it are such. Built from the rows at the end of
/// a replay.
struct JobGraph: ~Copyable {
  /// That one job waits for another.
  struct Edge: BitwiseCopyable {
    /// The waiting job's slot, 28 bits; its mode, 3 bits; the highest: the edge has gone.
    private var holderAndMode: UInt32
    /// Of `nodes`.
    var node: Slot
    /// The next edge of the same waiting job; the last is followed by the first.
    var nextOfHolder: Slot
    /// The next edge to the same job.
    var nextOfNode: Slot

    init(holder: Slot, mode: DependencyList.Mode, node: Slot, nextOfNode: Slot) {
      holderAndMode = holder | UInt32(mode.rawValue) << 28
      self.node = node
      nextOfHolder = .none
      self.nextOfNode = nextOfNode
    }

    var holder: Slot { holderAndMode & 0xFFF_FFFF }
    var mode: DependencyList.Mode { DependencyList.Mode(rawValue: UInt8(holderAndMode >> 28 & 7))! }
    var isGone: Bool { holderAndMode >> 31 == 1 }

    mutating func markGone() { holderAndMode |= 1 << 31 }
  }

  /// A job that others wait for.
  struct Node: BitwiseCopyable {
    /// `.none`: it has left.
    var job: Slot
    /// The first edge to it.
    var first: Slot = .none
    /// Edges to it, with those that have gone.
    var edges: UInt32 = 0
    var gone: UInt32 = 0
    /// Edges to it of jobs that have not ended.
    var live: UInt32 = 0
    /// It stands in `tellings`.
    var isTold = false
  }

  /// What is to be told to those that wait for a job.
  struct Telling: BitwiseCopyable {
    let node: Slot
    var next: Slot
  }

  var edges = Slab<Edge>()
  var nodes = Slab<Node>()
  /// Of each job that waits for others, or did, one edge.
  private var holders = SlotIndex(step: 1)
  /// Of each job that others wait for, its node.
  private var waitedFor = SlotIndex(step: 1)
  /// Jobs that ended and whose edges are gone through, each once.
  private(set) var tellings: [Telling] = []
  /// Jobs that may have nothing to wait for, by number.
  var doubtful: [UInt64] = []
  /// ACKED jobs that stay as long as a job that waits for them has not ended.
  var kept = 0
  /// BLOCKED jobs.
  var blocked = 0

  var isEmpty: Bool { edges.count == 0 }
  var owes: Bool { !tellings.isEmpty || !doubtful.isEmpty }

  var usedBytes: Int { edges.usedBytes + nodes.usedBytes + (isEmpty ? 0 : holders.usedBytes + waitedFor.usedBytes) }
  var residentBytes: Int {
    edges.residentBytes + nodes.residentBytes + holders.residentBytes + waitedFor.residentBytes
  }

  private static func place(_ job: Slot) -> UInt64 {
    var mixed = (UInt64(job) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    mixed ^= mixed >> 29
    return mixed &* 0xBF58_476D_1CE4_E5B9
  }

  // MARK: Finding

  /// An edge of a job that waits for others; `.none` where it waits for none.
  func edge(of holder: Slot) -> Slot {
    guard !isEmpty else { return .none }
    let view = edges.view
    return holders.find(Self.place(holder)) { view[$0].pointee.holder == holder }
  }

  /// The node of a job that others wait for, or waited for; else `.none`.
  func node(of job: Slot) -> Slot {
    guard !isEmpty else { return .none }
    let view = nodes.view
    return waitedFor.find(Self.place(job)) { view[$0].pointee.job == job }
  }

  func hasLiveHolders(_ job: Slot) -> Bool {
    let node = node(of: job)
    return node != .none && nodes.pointer(node).pointee.live > 0
  }

  /// Whether those that wait for a job are being told that it ended.
  func isTold(_ job: Slot) -> Bool {
    guard !tellings.isEmpty else { return false }
    let node = node(of: job)
    return node != .none && nodes.pointer(node).pointee.isTold
  }

  /// Calls `body` with each edge of a job, from one on, until it says false.
  func forEachEdge(of holder: Slot, _ body: (Slot, Edge) -> Bool) {
    let first = edge(of: holder)
    guard first != .none else { return }
    var at = first
    repeat {
      let edge = edges.pointer(at).pointee
      guard body(at, edge) else { return }
      at = edge.nextOfHolder
    } while at != first
  }

  // MARK: Changing

  /// - Parameters:
  ///   - job: `.none`: it has left.
  ///   - isLive: Whether the waiting job has not ended.
  mutating func link(_ holder: Slot, _ mode: DependencyList.Mode, to job: Slot, isLive: Bool) {
    var node = job == .none ? Slot.none : self.node(of: job)
    if node == .none {
      node = nodes.allocate(Node(job: job))
      if job != .none { enter(node) }
    }
    let cell = nodes.pointer(node)
    let edge = edges.allocate(Edge(holder: holder, mode: mode, node: node, nextOfNode: cell.pointee.first))
    cell.pointee.first = edge
    cell.pointee.edges += 1
    if isLive { cell.pointee.live += 1 }
    let known = self.edge(of: holder, besides: edge)
    if known == .none {
      edges.pointer(edge).pointee.nextOfHolder = edge
      let view = edges.view
      holders.insert(edge, at: Self.place(holder)) {
        view[$0].pointee.holder == holder
      } placeOf: {
        Self.place(view[$0].pointee.holder)
      }
    } else {
      edges.pointer(edge).pointee.nextOfHolder = edges.pointer(known).pointee.nextOfHolder
      edges.pointer(known).pointee.nextOfHolder = edge
    }
  }

  private func edge(of holder: Slot, besides new: Slot) -> Slot {
    let view = edges.view
    return holders.find(Self.place(holder)) { $0 != new && view[$0].pointee.holder == holder }
  }

  private mutating func enter(_ node: Slot) {
    let view = nodes.view
    let job = view[node].pointee.job
    waitedFor.insert(node, at: Self.place(job)) {
      view[$0].pointee.job == job
    } placeOf: {
      Self.place(view[$0].pointee.job)
    }
  }

  /// Another of a job's edges is looked at first.
  mutating func turn(_ holder: Slot, to edge: Slot) {
    let known = self.edge(of: holder)
    guard known != edge else { return }
    let view = edges.view
    let place = Self.place(holder)
    holders.remove(known, at: place) { Self.place(view[$0].pointee.holder) }
    holders.insert(edge, at: place) {
      view[$0].pointee.holder == holder
    } placeOf: {
      Self.place(view[$0].pointee.holder)
    }
  }

  /// A job that waits for others leaves: nobody waits for its sake.
  ///
  /// - Parameter isLive: Whether it counted among those that have not ended.
  mutating func removeHolder(_ holder: Slot, isLive: Bool) {
    let first = edge(of: holder)
    guard first != .none else { return }
    let view = edges.view
    holders.remove(first, at: Self.place(holder)) { Self.place(view[$0].pointee.holder) }
    var at = first
    repeat {
      let next = edges.pointer(at).pointee.nextOfHolder
      drop(at, isLive: isLive)
      at = next
    } while at != first
  }

  /// An edge goes. The last one of a node gives the chain back.
  private mutating func drop(_ edge: Slot, isLive: Bool) {
    let node = edges.pointer(edge).pointee.node
    let cell = nodes.pointer(node)
    edges.pointer(edge).pointee.markGone()
    cell.pointee.gone += 1
    if isLive { cell.pointee.live -= 1 }
    let isLast = cell.pointee.gone == cell.pointee.edges
    if isLast, cell.pointee.isTold { tellings.removeAll { $0.node == node } }
    let isDue = cell.pointee.gone > 16 && cell.pointee.gone > cell.pointee.edges / 2
    guard isLast || isDue && !cell.pointee.isTold else { return }
    sweep(node)
    guard isLast else { return }
    let job = cell.pointee.job
    if job != .none {
      let view = nodes.view
      waitedFor.remove(node, at: Self.place(job)) { Self.place(view[$0].pointee.job) }
    }
    nodes.free(node)
  }

  /// Gives the cells of edges back that have gone. O(edges of the node), paid for by as many that went.
  private mutating func sweep(_ node: Slot) {
    let cell = nodes.pointer(node)
    var kept = Slot.none
    var at = cell.pointee.first
    cell.pointee.first = .none
    while at != .none {
      let edge = edges.pointer(at)
      let next = edge.pointee.nextOfNode
      if edge.pointee.isGone {
        edges.free(at)
      } else {
        edge.pointee.nextOfNode = .none
        if kept == .none { cell.pointee.first = at } else { edges.pointer(kept).pointee.nextOfNode = at }
        kept = at
      }
      at = next
    }
    cell.pointee.edges -= cell.pointee.gone
    cell.pointee.gone = 0
  }

  /// A job that others wait for leaves.
  mutating func removeJob(_ job: Slot) {
    let node = node(of: job)
    guard node != .none else { return }
    let view = nodes.view
    waitedFor.remove(node, at: Self.place(job)) { Self.place(view[$0].pointee.job) }
    nodes.pointer(node).pointee.job = .none
  }

  /// Whether a job has ended, or has begun anew: those it waits for count it no longer, or again.
  mutating func count(_ holder: Slot, isLive: Bool, _ changed: (Node) -> Void) {
    let first = edge(of: holder)
    guard first != .none else { return }
    var at = first
    repeat {
      let edge = edges.pointer(at).pointee
      let cell = nodes.pointer(edge.node)
      cell.pointee.live = isLive ? cell.pointee.live + 1 : cell.pointee.live - 1
      if cell.pointee.live == (isLive ? 1 : 0), cell.pointee.job != .none { changed(cell.pointee) }
      at = edge.nextOfHolder
    } while at != first
  }

  // MARK: Telling

  /// All that wait for a job are to be told that it ended.
  mutating func tell(_ node: Slot) {
    let cell = nodes.pointer(node)
    guard cell.pointee.live > 0 else { return }
    if cell.pointee.isTold { tellings.removeAll { $0.node == node } }
    cell.pointee.isTold = true
    tellings.append(Telling(node: node, next: cell.pointee.first))
  }

  /// The next edge whose job is told; nil where one look found none, or there is nothing to tell.
  mutating func nextTold() -> Edge? {
    guard let telling = tellings.last else { return nil }
    let edge = edges.pointer(telling.next).pointee
    if edge.nextOfNode == .none {
      nodes.pointer(telling.node).pointee.isTold = false
      tellings.removeLast()
    } else {
      tellings[tellings.count - 1].next = edge.nextOfNode
    }
    return edge.isGone ? nil : edge
  }
}
