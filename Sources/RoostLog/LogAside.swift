/// Sets a whole log aside in a directory below its own, before a repair writes another in its place.
///
/// The files are linked (or copied) there and synced, then `HOLD` names the place, and only then they go from here. So
/// at every instant either the old log stands untouched, or all of it stands aside and `HOLD` says where.
package struct LogAside {
  private let directory: String
  private let disk: LinuxDisk

  /// - Parameter directory: The data directory.
  /// - Throws: `notADirectory`.
  package init(_ directory: String) throws(LogError) {
    self.directory = directory
    disk = try LinuxDisk(directory: directory, create: false)
  }

  /// Moves everything that is the log's, and leaves `HOLD`.
  ///
  /// - Parameter earlier: Where an interrupted repair set it aside: then what stands here is that repair's, and goes.
  /// - Returns: The name of the directory below.
  /// - Throws: `locked` while a daemon holds the directory.
  package func move(to earlier: String?) throws(LogError) -> String {
    let lock = try lock()
    defer { disk.close(lock) }
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    let place = earlier ?? LogAside.freeName(names)
    if earlier == nil {
      let aside = try LinuxDisk(directory: "\(directory)/\(place)", create: true)
      for name in names where LogAside.isLog(name) {
        if !aside.link(name, from: disk) { try LogFiles.copy(name, from: disk, to: aside) }
      }
      try onDisk { () throws(DiskError) in
        try aside.syncDirectory()
        try disk.syncDirectory()
      }
      try LogHold.repair(aside: place).put(on: disk)
    }
    try onDisk { () throws(DiskError) in
      for name in names where LogAside.isLog(name) || LogAside.isUnfinished(name) { try disk.remove(name) }
      try disk.syncDirectory()
    }
    return place
  }

  /// Keeps a copy of `HEAD`, and mends it (`HeadMending`).
  ///
  /// - Returns: The name of the directory below that holds the copy.
  /// - Throws: `locked` while a daemon holds the directory.
  package func mendHead() throws(LogError) -> String {
    let lock = try lock()
    defer { disk.close(lock) }
    let place = LogAside.freeName(try onDisk { () throws(DiskError) in try disk.list() })
    let aside = try LinuxDisk(directory: "\(directory)/\(place)", create: true)
    try LogFiles.copy(SegmentName.head, from: disk, to: aside)
    try onDisk { () throws(DiskError) in
      try aside.syncDirectory()
      try disk.syncDirectory()
    }
    try HeadMending.mend(on: disk)
    return place
  }

  private func lock() throws(LogError) -> DiskFile {
    switch try onDisk({ () throws(DiskError) in try disk.lock(SegmentName.lock) }) {
    case .held(let holder): throw .locked(by: holder.process)
    case .acquired(let file): return file
    }
  }

  private static func isLog(_ name: String) -> Bool {
    name == SegmentName.head || SegmentName.number(of: name) != nil || name.hasSuffix(".torn")
  }

  /// Of the log; the key store's own stays.
  private static func isUnfinished(_ name: String) -> Bool {
    guard name.hasSuffix(SegmentName.unfinishedSuffix) else { return false }
    let finished = String(name.dropLast(SegmentName.unfinishedSuffix.utf8.count))
    return finished == SegmentName.head || SegmentName.number(of: finished) != nil
  }

  private static func freeName(_ names: [String]) -> String {
    var number = 1
    while names.contains("damaged-\(number)") { number += 1 }
    return "damaged-\(number)"
  }
}
