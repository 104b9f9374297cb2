/// Groups in an order of their own, the first at the root: a leftist heap (Crane, "Linear lists and priority queues as
/// balanced binary trees", 1972; Knuth, TAOCP 3, 5.2.3) through the groups' rows, so that it costs no memory of its own
/// and one group alone costs next to nothing. Adding and taking any group out: O(log n).
struct GroupHeap<Order: GroupOrder> {
  private let rows: ChunkView<GroupRow>
  private(set) var root: Slot

  init(_ rows: ChunkView<GroupRow>, root: Slot) {
    self.rows = rows
    self.root = root
  }

  /// Adds a group that does not stand in the heap.
  mutating func insert(_ group: Slot) {
    var links = HeapLinks()
    links.distance = 1
    Order.setLinks(links, of: rows[group])
    root = merge(root, group)
    setParent(.none, of: root)
  }

  /// Takes out a group that stands in the heap.
  mutating func remove(_ group: Slot) {
    let links = Order.links(of: rows[group])
    let merged = merge(links.left, links.right)
    if merged != .none { setParent(links.parent, of: merged) }
    Order.setLinks(HeapLinks(), of: rows[group])
    guard links.parent != .none else {
      root = merged
      return
    }
    var parent = Order.links(of: rows[links.parent])
    if parent.left == group { parent.left = merged } else { parent.right = merged }
    Order.setLinks(parent, of: rows[links.parent])
    balance(from: links.parent)
  }

  private func merge(_ a: Slot, _ b: Slot) -> Slot {
    guard a != .none, b != .none else { return a == .none ? b : a }
    let (first, other) = Order.goesBefore(b, a, rows) ? (b, a) : (a, b)
    var links = Order.links(of: rows[first])
    links.right = merge(links.right, other)
    setParent(first, of: links.right)
    lean(&links)
    Order.setLinks(links, of: rows[first])
    return first
  }

  /// The path to the right is the shortest to a missing child.
  private func lean(_ links: inout HeapLinks) {
    if distance(links.left) < distance(links.right) { swap(&links.left, &links.right) }
    links.distance = distance(links.right) + 1
  }

  private func balance(from group: Slot) {
    var at = group
    while at != .none {
      var links = Order.links(of: rows[at])
      let before = links.distance
      lean(&links)
      Order.setLinks(links, of: rows[at])
      if links.distance == before { return }
      at = links.parent
    }
  }

  private func distance(_ group: Slot) -> UInt32 { group == .none ? 0 : Order.links(of: rows[group]).distance }

  private func setParent(_ parent: Slot, of group: Slot) {
    guard group != .none else { return }
    var links = Order.links(of: rows[group])
    links.parent = parent
    Order.setLinks(links, of: rows[group])
  }
}

/// A group's place in a heap.
struct HeapLinks: BitwiseCopyable {
  var left: Slot = .none
  var right: Slot = .none
  var parent: Slot = .none
  /// Groups on the shortest way down to a missing child, this one among them; 0: it stands in no heap.
  var distance: UInt32 = 0

  var isIn: Bool { distance > 0 }
}

/// In what order groups stand in a heap, and where their links are.
protocol GroupOrder {
  static func links(of row: UnsafeMutablePointer<GroupRow>) -> HeapLinks
  static func setLinks(_ links: HeapLinks, of row: UnsafeMutablePointer<GroupRow>)
  /// A strict order.
  static func goesBefore(_ a: Slot, _ b: Slot, _ rows: ChunkView<GroupRow>) -> Bool
}
