/// A job as its id names it: the number, and the full check of the id that was shown.
package struct JobRef: Sendable, BitwiseCopyable {
  package var number: UInt64
  package var check: UInt64

  package init(number: UInt64, check: UInt64) {
    self.number = number
    self.check = check
  }
}

/// Whose eyes look: what they may not see does not exist.
package struct ViewerRef: Sendable, BitwiseCopyable {
  package enum Kind: UInt8, Sendable, BitwiseCopyable { case all, owner, queues }
  package var kind: Kind
  /// The owner's name; or the patterns, each with a length byte before it.
  package var text: ByteRange

  package init(kind: Kind, text: ByteRange) {
    self.kind = kind
    self.text = text
  }

  package static let all = ViewerRef(kind: .all, text: .empty)
}

extension StateMachine {
  func id(_ slot: Slot) -> JobID {
    JobID(
      number: JobNumber(rawValue: jobs.hot(slot).pointee.number),
      createdMilliseconds: jobs.cold(slot).pointee.created, key: secret)
  }

  /// The job, if the whole id is right and the viewer may see it; otherwise `.none`, by the same path.
  mutating func find(_ job: JobRef, _ viewer: ViewerRef, _ step: borrowing Step) -> Slot {
    let slot = jobs.find(job.number)
    guard slot != .none, jobs.hot(slot).pointee.check == job.check || defects.contains(.noSealCheck),
      mayView(slot, viewer, step)
    else { return .none }
    return slot
  }

  mutating func mayView(_ slot: Slot, _ viewer: ViewerRef, _ step: borrowing Step) -> Bool {
    mayView(queue(of: slot), jobs.cold(slot).pointee.owner, viewer, step)
  }

  /// Whether the viewer may see jobs of a queue and an owner.
  mutating func mayView(_ queue: UInt32, _ owner: UInt32, _ viewer: ViewerRef, _ step: borrowing Step) -> Bool {
    switch viewer.kind {
    case .all: true
    case .owner: ownerNames.find(step.bytes(viewer.text)) == owner
    case .queues: matchesAny(queueNames.bytes(queue), step.bytes(viewer.text))
    }
  }

  /// Wall milliseconds at which a job is due or its lease ends, as it was told first; 0 in a state without deadline.
  func foreseen(_ slot: Slot) -> Int64 {
    let row = jobs.hot(slot)
    return JobState(rawValue: row.pointee.state)!.hasDeadline ? row.pointee.foreseen : 0
  }

  func changed(_ slot: Slot) -> Answer {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    return .changed(
      state: state, deadline: foreseen(slot),
      cancelRequested: row.pointee.flags & RowFlags.cancelRequested != 0)
  }
}

/// Whether one of the patterns (each with a length byte before it; `*` at the end matches any rest) fits the name.
func matchesAny(_ name: UnsafeRawBufferPointer, _ patterns: UnsafeRawBufferPointer) -> Bool {
  var reader = RecordReader(patterns)
  while reader.at < patterns.count {
    let length = Int(reader.get(UInt8.self))
    let pattern = reader.get(count: length)
    if reader.isShort { return false }
    if pattern.last == UInt8(ascii: "*") {
      if name.count >= length - 1, name.prefix(length - 1).elementsEqual(pattern.dropLast()) { return true }
    } else if name.elementsEqual(pattern) {
      return true
    }
  }
  return false
}
