/// Telling which queues changed.
extension StateMachine {
  func image(ofQueue queue: UInt32) -> QueueImage {
    let row = queues[Int(queue)]
    let setup = setup(queue)?.pointee
    return QueueImage(
      id: queue, life: row.life, exists: row.exists, counts: row.counts, totals: row.totals, activity: row.activity,
      readySince: readySince(queue), waitingBytes: row.waitingBytes, settings: setup?.settings ?? QueueSettings(),
      hold: hold(queue), nextLease: nextLease(queue), waiters: row.waiters, isPaused: setup?.isPaused ?? false,
      pausedAt: setup?.pausedAt ?? 0,
      pausedUntil: setup?.pausedUntil ?? 0, pauseReason: .empty, deadLetter: .empty,
      target: .empty)
  }

  /// Why a queue is paused, as whoever paused it said; empty while it is not.
  func pauseReason(_ queue: UInt32) -> UnsafeRawBufferPointer {
    guard let setup = setup(queue), setup.pointee.isPaused else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return reasons.bytes(setup.pointee.reason)
  }

  mutating func noteChange(_ queue: UInt32) {
    guard !queues[Int(queue)].hasChanged else { return }
    queues[Int(queue)].hasChanged = true
    changedQueues.append(queue)
  }

  /// Tells of every queue of which something changed since this was asked last: a copy kept by these is what the queues
  /// are, and costs no more than the changes did. Its name comes with each.
  package mutating func tellChanges(
    _ tell: (
      QueueImage, _ name: UnsafeRawBufferPointer, _ pauseReason: UnsafeRawBufferPointer,
      _ deadLetter: UnsafeRawBufferPointer, _ target: UnsafeRawBufferPointer
    ) -> Void
  ) {
    for queue in changedQueues {
      queues[Int(queue)].hasChanged = false
      let image = image(ofQueue: queue)
      let name = image.exists ? queueNames.bytes(queue) : UnsafeRawBufferPointer(start: nil, count: 0)
      tell(image, name, pauseReason(queue), deadLetterName(setup(queue)?.pointee), targetBytes(setup(queue)?.pointee))
    }
    changedQueues.removeAll(keepingCapacity: true)
  }

  /// A lease found none of the READY jobs of these queues: whatever held them back is counted.
  mutating func noteThrottled(_ names: UnsafeRawBufferPointer) {
    var reader = RecordReader(names)
    while reader.at < names.count {
      let length = Int(reader.get(UInt8.self))
      let queue = queueNames.find(reader.get(count: length))
      guard queue != .none, queues[Int(queue)].counts[.ready] > 0 else { continue }
      switch hold(queue) {
      case .paused: queues[Int(queue)].activity.throttled.paused += 1
      case .concurrency: queues[Int(queue)].activity.throttled.concurrency += 1
      case .rate: queues[Int(queue)].activity.throttled.rate += 1
      case nil: queues[Int(queue)].activity.throttled.groups += 1
      case .deletion: continue
      }
      noteChange(queue)
    }
  }

  package var hasQueueChanges: Bool { !changedQueues.isEmpty }
}
