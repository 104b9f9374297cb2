/// READY jobs that were handed back, by their order numbers: a treap (Seidel and Aragon, "Randomized Search Trees", 1996)
/// through the hot rows, so that it costs no memory of its own and any order of hand-backs costs O(log n) each.
///
/// `previous` and `next` of a row are its left and right child, `heapPosition` is its parent. The check of the job's id
/// decides which row stands above the other: it is keyed with the directory's secret, so nobody can choose it.
struct JobTree: BitwiseCopyable {
  fileprivate(set) var root: Slot = .none
  /// The job with the smallest order number, `.none` when there is none.
  fileprivate(set) var first: Slot = .none
}

extension JobTable {
  /// What the root has for its parent: `.none` is the position of a row that stands in no tree.
  private static var above: Slot { .max - 1 }

  /// Whether a READY job stands in a tree, not in a list.
  @inline(__always)
  func isInTree(_ slot: Slot) -> Bool { hot(slot).pointee.heapPosition != .max }

  /// Puts a job that stands in no list and no tree where its order number belongs. O(log n).
  func insert(_ slot: Slot, into tree: inout JobTree) {
    let row = hot(slot)
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job stands in one list")
    precondition(row.pointee.heapPosition == .max, "a job stands in its tree once")
    var parent = JobTable.above
    var at = tree.root
    while at != .none {
      parent = at
      at = row.pointee.order < hot(at).pointee.order ? hot(at).pointee.previous : hot(at).pointee.next
    }
    row.pointee.heapPosition = parent
    if parent == JobTable.above {
      tree.root = slot
    } else if row.pointee.order < hot(parent).pointee.order {
      hot(parent).pointee.previous = slot
    } else {
      hot(parent).pointee.next = slot
    }
    if tree.first == .none || row.pointee.order < hot(tree.first).pointee.order { tree.first = slot }
    while row.pointee.heapPosition != JobTable.above, row.pointee.check > hot(row.pointee.heapPosition).pointee.check {
      rotateUp(slot, &tree)
    }
  }

  /// Takes a job out of its tree. O(log n).
  func remove(_ slot: Slot, from tree: inout JobTree) {
    let row = hot(slot)
    precondition(row.pointee.heapPosition != .max, "a job is removed from the tree in which it stands")
    if tree.first == slot { tree.first = second(slot) }
    while true {
      let (left, right) = (row.pointee.previous, row.pointee.next)
      guard left != .none, right != .none else { break }
      rotateUp(hot(left).pointee.check > hot(right).pointee.check ? left : right, &tree)
    }
    let child = row.pointee.previous != .none ? row.pointee.previous : row.pointee.next
    replace(slot, by: child, &tree)
    row.pointee.previous = .none
    row.pointee.next = .none
    row.pointee.heapPosition = .max
  }

  /// The first jobs of a tree in their order, at most so many. O(height + `most`).
  func jobs(in tree: JobTree, atMost most: Int = .max) -> [Slot] {
    var found: [Slot] = []
    var above: [Slot] = []
    var at = tree.root
    while found.count < most, at != .none || !above.isEmpty {
      while at != .none {
        above.append(at)
        at = hot(at).pointee.previous
      }
      let slot = above.removeLast()
      found.append(slot)
      at = hot(slot).pointee.next
    }
    return found
  }

  /// The job behind the first one.
  private func second(_ first: Slot) -> Slot {
    var at = hot(first).pointee.next
    guard at != .none else {
      let parent = hot(first).pointee.heapPosition
      return parent == JobTable.above ? .none : parent
    }
    while hot(at).pointee.previous != .none { at = hot(at).pointee.previous }
    return at
  }

  /// Puts a row in the place of its parent, which becomes its child.
  private func rotateUp(_ slot: Slot, _ tree: inout JobTree) {
    let row = hot(slot)
    let parent = row.pointee.heapPosition
    let moved: Slot
    replace(parent, by: slot, &tree)
    if hot(parent).pointee.previous == slot {
      moved = row.pointee.next
      hot(parent).pointee.previous = moved
      row.pointee.next = parent
    } else {
      moved = row.pointee.previous
      hot(parent).pointee.next = moved
      row.pointee.previous = parent
    }
    if moved != .none { hot(moved).pointee.heapPosition = parent }
    hot(parent).pointee.heapPosition = slot
  }

  /// Hangs `child`, or nothing, where `slot` hangs.
  private func replace(_ slot: Slot, by child: Slot, _ tree: inout JobTree) {
    let parent = hot(slot).pointee.heapPosition
    if parent == JobTable.above {
      tree.root = child
    } else if hot(parent).pointee.previous == slot {
      hot(parent).pointee.previous = child
    } else {
      hot(parent).pointee.next = child
    }
    if child != .none { hot(child).pointee.heapPosition = parent }
  }
}
