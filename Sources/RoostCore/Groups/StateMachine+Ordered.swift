/// Groups whose jobs run one after the other, in the order of their submits: the first that waits decides, and where it is
/// not READY the group gives none. Which job that is a set of numbers tells, in reverse: the largest is found first.
extension StateMachine {
  /// A set is named by 24 bits.
  static var mostOrderedGroups: Slot { 1 << 24 }

  func isOrdered(_ queue: UInt32) -> Bool { setup(queue)?.pointee.settings[.groupOrdered] != nil }

  /// The waiting job of an ordered group that was submitted first; `.none` where none waits.
  func firstWaiting(ofGroup group: Slot) -> Slot {
    guard group < Self.mostOrderedGroups else { return .none }
    var masks = Int.max
    let waiting = NumberSets.Intersection(Listed.waiting(group))
    guard case .number(let place) = sets.last(below: 1 << 42, in: waiting, masks: &masks) else { return .none }
    return jobs.find(Self.place(inOrder: place))
  }

  /// A job of an ordered group begins to wait.
  mutating func beginOrder(_ slot: Slot) {
    let row = jobs.hot(slot)
    sets.insert(Self.place(inOrder: row.pointee.number), into: Listed.waiting(row.pointee.group))
  }

  /// A job of an ordered group waits no longer.
  mutating func endOrder(_ slot: Slot) {
    let row = jobs.hot(slot)
    sets.remove(Self.place(inOrder: row.pointee.number), from: Listed.waiting(row.pointee.group))
  }

  /// The reverse of a number, and of that the number.
  static func place(inOrder number: UInt64) -> UInt64 { (1 << 40) - number }

  /// Which jobs wait, at the end of a replay.
  mutating func listOrdered() {
    guard queues.indices.contains(where: { isOrdered(UInt32($0)) }) else { return }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      if JobState(rawValue: jobs.hot(slot).pointee.state)!.isWaiting, isOrdered(queue(of: slot)) { beginOrder(slot) }
    }
  }
}
