/// Telling which queues changed.
extension StateMachine {
  func image(ofQueue queue: UInt32) -> QueueImage {
    let row = queues[Int(queue)]
    return QueueImage(
      id: queue, life: row.life, exists: row.exists, counts: row.counts, totals: row.totals, activity: row.activity,
      readySince: readySince(queue))
  }

  mutating func noteChange(_ queue: UInt32) {
    guard !queues[Int(queue)].hasChanged else { return }
    queues[Int(queue)].hasChanged = true
    changedQueues.append(queue)
  }

  /// Tells of every queue of which something changed since this was asked last: a copy kept by these is what the queues
  /// are, and costs no more than the changes did. Its name comes with each.
  package mutating func tellChanges(_ tell: (QueueImage, UnsafeRawBufferPointer) -> Void) {
    for queue in changedQueues {
      queues[Int(queue)].hasChanged = false
      let image = image(ofQueue: queue)
      tell(image, image.exists ? queueNames.bytes(queue) : UnsafeRawBufferPointer(start: nil, count: 0))
    }
    changedQueues.removeAll(keepingCapacity: true)
  }

  package var hasQueueChanges: Bool { !changedQueues.isEmpty }
}
