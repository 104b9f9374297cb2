/// Whole files of a directory, for the tools: read, written and copied in pieces, durable on return.
package enum LogFiles {
  private static let pieceBytes = 1 << 20

  /// All bytes of a small file; of one that is not, the first few thousand.
  package static func contents(of name: String, on disk: any Disk) throws(LogError) -> [UInt8] {
    let file = try onDisk { () throws(DiskError) in try disk.open(name, create: false) }
    defer { disk.close(file) }
    let count = min(1 << 16, try onDisk { () throws(DiskError) in try disk.size(file) })
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
    defer { buffer.deallocate() }
    let filled = try fill(buffer, from: file, at: 0, on: disk)
    return Array(buffer[..<filled])
  }

  /// Writes a small file under another name first, so that it is whole once it has its own.
  package static func write(_ bytes: [UInt8], as name: String, on disk: any Disk) throws(LogError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
    defer { buffer.deallocate() }
    buffer.copyBytes(from: bytes)
    let unfinished = name + SegmentName.unfinishedSuffix
    try onDisk { () throws(DiskError) in
      let file = try disk.open(unfinished, create: true)
      defer { disk.close(file) }
      try disk.write(file, UnsafeRawBufferPointer(buffer), at: 0)
      try disk.sync(file)
      try disk.rename(unfinished, to: name)
      try disk.syncDirectory()
    }
  }

  /// Copies the beginning of a file; the name is durable after the next `syncDirectory`.
  ///
  /// - Parameters:
  ///   - bytes: How many to copy; the copy is filled up with zeros.
  ///   - length: Of the copy.
  package static func copy(
    _ source: SegmentFile, bytes: Int, length: Int, to disk: any Disk
  ) throws(LogError) {
    try copy(source.file, on: source.disk, bytes: bytes, length: length, as: source.name, to: disk)
  }

  /// Copies a whole file; the name is durable after the next `syncDirectory`.
  package static func copy(_ name: String, from source: any Disk, to disk: any Disk) throws(LogError) {
    let file = try onDisk { () throws(DiskError) in try source.open(name, create: false) }
    defer { source.close(file) }
    let bytes = try onDisk { () throws(DiskError) in try source.size(file) }
    try copy(file, on: source, bytes: bytes, length: bytes, as: name, to: disk)
  }

  /// Copies those of the files that there are.
  ///
  /// - Returns: Their names.
  package static func copy(
    _ names: [String], from source: any Disk, to disk: any Disk
  ) throws(LogError) -> [String] {
    let found = Set(try onDisk { () throws(DiskError) in try source.list() })
    let wanted = names.filter(found.contains)
    for name in wanted { try copy(name, from: source, to: disk) }
    return wanted
  }

  private static func copy(
    _ file: DiskFile, on source: any Disk, bytes: Int, length: Int, as name: String, to disk: any Disk
  ) throws(LogError) {
    let target = try onDisk { () throws(DiskError) in try disk.open(name, create: true) }
    defer { disk.close(target) }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 8)
    defer { piece.deallocate() }
    var done = 0
    while done < bytes {
      let wanted = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(pieceBytes, bytes - done)])
      let filled = try fill(wanted, from: file, at: done, on: source)
      guard filled == wanted.count else {
        throw .corrupt(file.name, at: done + filled, expected: "\(bytes - done - filled) more bytes", found: "its end")
      }
      try onDisk { () throws(DiskError) in try disk.write(target, UnsafeRawBufferPointer(wanted), at: done) }
      done += filled
    }
    try onDisk { () throws(DiskError) in
      if length > bytes { try disk.truncate(target, to: length) }
      try disk.sync(target)
    }
  }
}
