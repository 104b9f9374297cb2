/// A queue of jobs that costs no memory of its own: linked through `previous` and `next` of the hot rows.
/// A job stands in at most one list; every operation is O(1).
package struct JobList: BitwiseCopyable {
  /// The first job, `.none` when the list is empty.
  package private(set) var head: Slot = .none
  /// The last job, `.none` when the list is empty.
  package private(set) var tail: Slot = .none
  package private(set) var count = 0

  package init() {}

  fileprivate init(head: Slot, tail: Slot, count: Int) {
    self.head = head
    self.tail = tail
    self.count = count
  }
}

extension JobTable {
  /// Puts a job that stands in no list behind the others.
  @inline(__always)
  package func append(_ slot: Slot, to list: inout JobList) {
    let row = hot(slot)
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job stands in one list")
    precondition(list.head != slot, "a job stands in its list once")
    row.pointee.previous = list.tail
    if list.tail == .none {
      list = JobList(head: slot, tail: slot, count: 1)
    } else {
      hot(list.tail).pointee.next = slot
      list = JobList(head: list.head, tail: slot, count: list.count + 1)
    }
  }

  /// Puts a job that stands in no list before the others.
  @inline(__always)
  package func prepend(_ slot: Slot, to list: inout JobList) {
    let row = hot(slot)
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job stands in one list")
    precondition(list.head != slot, "a job stands in its list once")
    row.pointee.next = list.head
    if list.head == .none {
      list = JobList(head: slot, tail: slot, count: 1)
    } else {
      hot(list.head).pointee.previous = slot
      list = JobList(head: slot, tail: list.tail, count: list.count + 1)
    }
  }

  /// Takes a job out of the list in which it stands.
  @inline(__always)
  package func remove(_ slot: Slot, from list: inout JobList) {
    let row = hot(slot)
    let previous = row.pointee.previous
    let next = row.pointee.next
    var head = list.head
    var tail = list.tail
    if previous == .none {
      precondition(head == slot, "a job is removed from the list in which it stands")
      head = next
    } else {
      hot(previous).pointee.next = next
    }
    if next == .none {
      precondition(tail == slot, "a job is removed from the list in which it stands")
      tail = previous
    } else {
      hot(next).pointee.previous = previous
    }
    row.pointee.previous = .none
    row.pointee.next = .none
    list = JobList(head: head, tail: tail, count: list.count - 1)
  }
}

extension JobTable {
  /// Puts a job that stands in no list right behind `neighbour`, which stands in `list`.
  package func insert(_ slot: Slot, after neighbour: Slot, to list: inout JobList) {
    if list.tail == neighbour { return append(slot, to: &list) }
    let row = hot(slot)
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job stands in one list")
    let next = hot(neighbour).pointee.next
    row.pointee.previous = neighbour
    row.pointee.next = next
    hot(neighbour).pointee.next = slot
    hot(next).pointee.previous = slot
    list = JobList(head: list.head, tail: list.tail, count: list.count + 1)
  }
}
