/// The index of a row, a heap or key entry, or a slab cell; `.none` where there is none.
package typealias Slot = UInt32

extension Slot {
  /// No slot: the end of a list, a missing link, an unknown key.
  package static var none: Slot { .max }
}

/// What a point event touches of a job, on one cache line of 64 bytes.
/// The storage owns `previous`, `next` and `heapPosition`; all else belongs to the state machine.
package struct HotRow: BitwiseCopyable {
  /// The dense job number, at most 40 bits.
  package var number: UInt64
  /// The keyed check that makes the job's id unguessable.
  package var check: UInt64 = 0
  /// The log position of the job's `submitted` or last `carried` record.
  package var base: UInt64 = 0
  /// The order number of the last entry into a list.
  package var order: UInt64 = 0
  /// Log time in nanoseconds at which the job is due, expires or retires.
  package var deadline: Int64 = 0
  /// The neighbour before this row in its `JobList`.
  package var previous: Slot = .none
  /// The neighbour after this row in its `JobList`.
  package var next: Slot = .none
  /// Where the job stands in the `DeadlineHeap`; `.max` when it does not.
  package var heapPosition: UInt32 = .max
  /// The job's group, which knows its queue.
  package var group: UInt32 = 0
  package var state: UInt8 = 0
  package var priority: Int8 = 0
  package var flags: UInt16 = 0
  /// Attempts spent.
  package var attempts: UInt16 = 0
  package var maxAttempts: UInt16 = 0

  /// A row that is zero but for its number and its missing links.
  package init(number: UInt64) {
    self.number = number
  }
}

extension HotRow {
  /// Wall time in milliseconds at which the job is due or its lease ends, as it was foreseen when that was decided. Log time
  /// decides; this is what is told, and always the same.
  ///
  /// Of a SCHEDULED, RETRY or RUNNING job alone: it takes the place of the links, as such a job stands in no list.
  @inline(__always)
  var foreseen: Int64 {
    get { Int64(bitPattern: UInt64(previous) | UInt64(next) << 32) }
    set {
      previous = Slot(truncatingIfNeeded: newValue)
      next = Slot(truncatingIfNeeded: newValue >> 32)
    }
  }

  /// Makes room for the links of a list.
  @inline(__always)
  mutating func forgetForeseen() { (previous, next) = (.none, .none) }
}

/// What is seldom read of a job: 32 bytes beside its hot row.
package struct ColdRow: BitwiseCopyable {
  /// Wall time of the submit in milliseconds.
  package var created: Int64 = 0
  /// Length of the job's record in the log.
  package var recordBytes: UInt32 = 0
  /// The interned owner.
  package var owner: UInt32 = 0
  /// The interned type.
  package var type: UInt32 = 0
  /// The interned retry and lease policy.
  package var policy: UInt32 = 0
  /// The slab cell of the job's lease.
  package var lease: Slot = .none
  /// The job's entry in the `KeyTable`.
  package var key: Slot = .none

  package init() {}
}
