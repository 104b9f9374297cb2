/// Mends `HEAD` where it is all that is damaged: a slot by the other one, epoch and times by the frame that it knows.
package enum HeadMending {
  /// What is wrong with the one slot that is damaged; nil when both are whole, or none is, or there is no `HEAD`.
  package static func find(on disk: any Disk) throws(LogError) -> Corruption? {
    guard try onDisk({ () throws(DiskError) in try disk.list() }).contains(SegmentName.head) else { return nil }
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    defer { disk.close(file) }
    let slots = try HeadFile.slots(of: file, on: disk)
    let damages = slots.compactMap { slot in
      if case .failure(.corrupt(let corruption)) = slot { corruption } else { nil }
    }
    return damages.count == 1 ? damages[0] : nil
  }

  /// Writes the record that counts over the other slot, durably; before that, an epoch and times that cannot follow the
  /// frame which `HEAD` knows become that frame's, and the stop is forgotten. The caller has the directory's lock.
  ///
  /// - Throws: `corrupt`, with nothing changed, if no slot is whole or the frames are not; `unknownVersion` if a slot is
  ///   of a newer format.
  package static func mend(on disk: any Disk) throws(LogError) {
    let snapshot = try LogSnapshot(disk, ignoresStamp: true)
    try snapshot.walk { (_) throws(LogError) in }
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    defer { disk.close(file) }
    var head = try HeadFile.adopt(file, slots: HeadFile.slots(of: file, on: disk), on: disk)
    var record = head.current
    if let wrong = snapshot.wrongStamp {
      record.stamp = wrong.frame.stamp
      record.cleanlyStopped = false
      // The slot that counted must not count again, should this one be damaged: both are written.
      try head.write(record)
    }
    try head.write(record)
  }
}
