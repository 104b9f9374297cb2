/// Which jobs a list shows: sets of job numbers by state, queue and owner, and sets of dead letters' places by queue and
/// owner. A list with several filters shows what their sets have in common, so it looks at what it shows, and not at the
/// jobs in between.
extension StateMachine {
  enum Listed {
    static let all = NumberSets.ID(kind: 0, 0)
    static func state(_ state: UInt8) -> NumberSets.ID { NumberSets.ID(kind: 1, UInt32(state)) }
    static func queue(_ id: UInt32) -> NumberSets.ID { NumberSets.ID(kind: 2, id) }
    static func owner(_ id: UInt32) -> NumberSets.ID { NumberSets.ID(kind: 3, id) }
    static let dead = NumberSets.ID(kind: 4, 0)
    static func dead(queue id: UInt32) -> NumberSets.ID { NumberSets.ID(kind: 5, id) }
    static func dead(owner id: UInt32) -> NumberSets.ID { NumberSets.ID(kind: 6, id) }
    /// The waiting jobs of an ordered group; of its slot, below `mostOrderedGroups`.
    static func waiting(_ group: Slot) -> NumberSets.ID { NumberSets.ID(kind: 7, group) }
    /// The RUNNING jobs of a group of which a lease takes several in their order.
    static func running(_ group: Slot) -> NumberSets.ID { NumberSets.ID(kind: 4, group + 1) }
  }

  /// A job came: its state is `enter`'s part.
  mutating func index(_ slot: Slot) {
    let (number, queue) = (jobs.hot(slot).pointee.number, self.queue(of: slot))
    sets.insert(number, into: Listed.all)
    sets.insert(number, into: Listed.queue(queue))
    sets.insert(number, into: Listed.owner(jobs.cold(slot).pointee.owner))
  }

  /// A job goes.
  mutating func unindex(_ slot: Slot) {
    let (number, queue) = (jobs.hot(slot).pointee.number, self.queue(of: slot))
    sets.remove(number, from: Listed.all)
    sets.remove(number, from: Listed.queue(queue))
    sets.remove(number, from: Listed.owner(jobs.cold(slot).pointee.owner))
  }

  mutating func enterDead(_ slot: Slot) {
    let place = dead.append(slot, in: jobs)
    sets.insert(place, into: Listed.dead)
    sets.insert(place, into: Listed.dead(queue: queue(of: slot)))
    sets.insert(place, into: Listed.dead(owner: jobs.cold(slot).pointee.owner))
    awaitDead(queue(of: slot))
  }

  mutating func leaveDead(_ slot: Slot) {
    let place = dead.remove(slot, in: jobs)
    sets.remove(place, from: Listed.dead)
    sets.remove(place, from: Listed.dead(queue: queue(of: slot)))
    sets.remove(place, from: Listed.dead(owner: jobs.cold(slot).pointee.owner))
  }

  /// The place below which every dead letter has a smaller order number than `order`. O(log n).
  func deadPlace(below order: UInt64) -> UInt64 {
    var (low, high) = (UInt64(0), dead.end)
    let all = NumberSets.Intersection(Listed.dead)
    while low < high {
      let middle = low + (high - low) / 2
      var masks = Int.max
      if case .number(let place) = sets.last(below: middle + 1, in: all, masks: &masks),
        jobs.hot(dead.slot(at: place)).pointee.order >= order
      {
        high = place
      } else {
        low = middle + 1
      }
    }
    return low
  }
}
