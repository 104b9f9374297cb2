/// Mends a damaged slot of `HEAD` by the other one, where that is all the damage there is.
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

  /// Writes the whole slot's record over the damaged one, durably. The caller has the directory's lock.
  ///
  /// - Throws: `corrupt` if no slot is whole, `unknownVersion` if one is of a newer format.
  package static func mend(on disk: any Disk) throws(LogError) {
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    defer { disk.close(file) }
    var head = try HeadFile.adopt(file, slots: HeadFile.slots(of: file, on: disk), on: disk)
    try head.write(head.current)
  }
}
