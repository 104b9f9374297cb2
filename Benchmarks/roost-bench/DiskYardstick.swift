import RoostLog

/// What the disk itself takes for a write and its sync: every figure with a sync in it stands on this one.
struct DiskYardstick {
  let folder: String

  /// 4 KiB at a time into a zero-filled file, `pwrite` and `fdatasync`.
  func measure(times: Int = 1_000) throws {
    let disk = try LinuxDisk(directory: folder, create: true)
    let file = try disk.open("yardstick", create: true)
    defer { disk.close(file) }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 4_096)
    defer { bytes.deallocate() }
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    for index in 0..<times { try disk.write(file, UnsafeRawBufferPointer(bytes), at: index * 4_096) }
    try disk.sync(file)
    bytes.initializeMemory(as: UInt8.self, repeating: 1)
    var each: [Double] = []
    for index in 0..<times {
      let begin = nanoseconds()
      try disk.write(file, UnsafeRawBufferPointer(bytes), at: index * 4_096)
      try disk.sync(file)
      each.append(Double(nanoseconds() - begin) / 1_000)
    }
    try disk.remove("yardstick")
    each.sort()
    print(
      "disk, 4 KiB written and synced: p50 \(decimal(each[times / 2], 0)) µs, best \(decimal(each[0], 0)), "
        + "p99 \(decimal(each[times * 99 / 100], 0))")
  }
}
