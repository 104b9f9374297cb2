/// Opening a log, step by step: look, check, replay, and only then touch anything.
struct LogRecovery {
  let disk: any Disk
  let options: LogOptions
  private let window = ReadWindow()

  init(disk: any Disk, options: LogOptions) {
    self.disk = disk
    self.options = options
  }

  func run(
    lockFile: DiskFile, outlook: (borrowing LogOutlook) -> Void,
    accept: () throws(LogError) -> Void, replay: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) -> SegmentedLog.Beginning {
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    if names.contains(SegmentName.hold), !options.ignoresHold { throw .onHold(try LogHold.read(from: disk)) }
    let numbers = names.compactMap(SegmentName.number(of:)).sorted()
    guard names.contains(SegmentName.head) else {
      return try create(lockFile: lockFile, names: names, numbers: numbers)
    }
    let headFile = try onDisk { () throws(DiskError) in try disk.open(SegmentName.head, create: false) }
    do throws(LogError) {
      return try recover(
        lockFile, headFile: headFile, names: names, numbers: numbers, outlook: outlook, accept: accept,
        replay: replay)
    } catch {
      disk.close(headFile)
      throw error
    }
  }

  // MARK: A new log

  /// `HEAD` comes last: without it there is no log yet, and a crash on the way is answered by beginning again.
  private func create(
    lockFile: DiskFile, names: [String], numbers: [UInt32]
  ) throws(LogError) -> SegmentedLog.Beginning {
    if let number = numbers.last {
      var isUnfinished = numbers.count == 1
      if isUnfinished { isUnfinished = try isEmpty(open(number)) }
      guard isUnfinished else {
        throw .corrupt(
          SegmentName.head, at: 0, expected: "HEAD beside \(numbers.count) segments", found: "no such file")
      }
      try onDisk { () throws(DiskError) in
        try disk.remove(SegmentName.of(number))
        try disk.syncDirectory()
      }
    }
    try removeUnfinished(names)
    let identity = LogIdentity(options.newLogIdentity.0, options.newLogIdentity.1)
    // The same hand that makes every later segment makes the first.
    let maker = SegmentProvisioner(
      disk: disk, log: identity, options: options, current: options.firstSegment - 1, currentBytes: nil, found: [])
    let first = try firstSegment(maker)
    let bytes = try onDisk { () throws(DiskError) in try disk.size(first.file) }
    let head = try HeadFile.create(
      HeadRecord(log: identity, firstSegment: first.number, lastSegment: first.number, syncedSegment: first.number),
      on: disk)
    let segment = SegmentedLog.OpenSegment(
      file: first, usedBytes: LogFormat.segmentHeaderBytes, fileBytes: bytes)
    return SegmentedLog.Beginning(
      identity: identity, lockFile: lockFile, head: head, segments: [segment], last: nil, spares: [], tornTail: nil,
      wasCleanlyStopped: false, lastSegmentBytes: bytes)
  }

  private func firstSegment(_ maker: SegmentProvisioner) throws(LogError) -> SegmentFile {
    if options.leastFreeBytes > 0 { try requireRoom(options.leastFreeBytes, maker.segmentBytes) }
    do throws(LogError) {
      return try maker.take(options.firstSegment)
    } catch .outOfSpace(let file) {
      try requireRoom(maker.segmentBytes, maker.segmentBytes)
      // A quota, or room that has come back: nothing to tell of the disk's size.
      throw .outOfSpace(file: file)
    }
  }

  private func requireRoom(_ bytes: Int, _ segmentBytes: Int) throws(LogError) {
    let free = try onDisk { () throws(DiskError) in try disk.freeBytes() }
    guard free < bytes else { return }
    throw .noRoom(
      freeBytes: free, segmentBytes: segmentBytes,
      wantedBytes: max(options.leastFreeBytes, (2 + options.reserveSpares) * segmentBytes))
  }

  // MARK: An existing one

  private func recover(
    _ lockFile: DiskFile, headFile: DiskFile, names: [String], numbers: [UInt32],
    outlook: (borrowing LogOutlook) -> Void, accept: () throws(LogError) -> Void,
    replay: (borrowing ReplayedFrame) throws(LogError) -> Void
  ) throws(LogError) -> SegmentedLog.Beginning {
    // Segments are removed on HEAD's word: it must be the device's word, not that of a page whose sync failed.
    try settle(headFile)
    let slots = try HeadFile.slots(of: headFile, on: disk)
    var head = try HeadFile.adopt(headFile, slots: slots, on: disk)
    let reading = try HeadReading(slots, defects: options.defects)
    if let corruption = reading.isNotUnderstood { throw .corrupt(corruption) }
    let record = reading.record
    let layout = try layOut(reading, numbers: numbers)

    try settle(layout.live[layout.live.count - 1].file)
    try lookOut(layout.live, record.log, outlook)
    var walk = LogWalk(head: reading, window: window, defects: options.defects)
    disk.readAhead(layout.live[0].file)
    for (index, file) in layout.live.enumerated() {
      // The device reads while frames are checked and replayed.
      if index + 1 < layout.live.count { disk.readAhead(layout.live[index + 1].file) }
      try walk.walk(file, isLast: index == layout.live.count - 1, replay: replay)
    }
    let wasCleanlyStopped = record.cleanlyStopped && walk.torn == nil && walk.endsWhereHeadSays
    try accept()

    // The log is good: from here on files are touched.
    // What is unfinished goes first: setting aside makes files of the same names.
    try removeUnfinished(names)
    var spares = layout.spares
    if let torn = walk.torn { try setAside(torn, of: layout.live[layout.live.count - 1], spares: &spares) }
    try removeSegments(numbers.filter { $0 < record.firstSegment }, tornTailsIn: names)
    var rewritten = record
    rewritten.lastSegment = layout.live[layout.live.count - 1].number
    if !reading.isWhole || rewritten.lastSegment != record.lastSegment { try head.write(rewritten) }

    return SegmentedLog.Beginning(
      identity: record.log, lockFile: lockFile, head: head, segments: walk.segments, last: walk.chain.last,
      spares: spares, tornTail: walk.torn, wasCleanlyStopped: wasCleanlyStopped,
      lastSegmentBytes: layout.lastSegmentBytes)
  }

  private func lookOut(
    _ live: [SegmentFile], _ log: LogIdentity, _ outlook: (borrowing LogOutlook) -> Void
  ) throws(LogError) {
    var bytes = 0
    for file in live { bytes += try onDisk { () throws(DiskError) in try disk.size(file.file) } }
    if live.count > 1 {
      let reader = try SegmentReader(live[live.count - 1], log: log, window: window)
      if case .frame(_, let records) = try reader.finding(at: LogFormat.segmentHeaderBytes) {
        return outlook(LogOutlook(bytes: bytes, records: records))
      }
    }
    outlook(LogOutlook(bytes: bytes, records: UnsafeRawBufferPointer(start: nil, count: 0)))
  }

  private struct Layout {
    var live: [SegmentFile]
    var spares: [SegmentFile]
    /// The size that the last live segment was made in.
    var lastSegmentBytes: Int
  }

  /// Which files are the log and which are spares. The last segment is the highest that is in use, and not below the
  /// one that `HEAD` names.
  private func layOut(_ head: HeadReading, numbers: [UInt32]) throws(LogError) -> Layout {
    let record = head.record
    var last = record.lastSegment
    var later: [SegmentFile] = []
    for number in numbers where number > record.lastSegment {
      let file = try open(number)
      // A spare is used as it is: a header that is damaged is refused now, and not when it is taken.
      _ = try SegmentHeader.read(file.file, on: disk)
      if try head.isInUse(SegmentReader(file, log: record.log, window: window)) { last = number }
      later.append(file)
    }
    var live: [SegmentFile] = []
    var lastSegmentBytes = 0
    for number in record.firstSegment...max(last, record.firstSegment) {
      guard numbers.contains(number) else {
        throw .corrupt(
          SegmentName.of(number), at: 0,
          expected: "a segment, as the log runs from \(record.firstSegment) to \(last)", found: "no such file")
      }
      let file = if let found = later.first(where: { $0.number == number }) { found } else { try open(number) }
      let header = try SegmentHeader.checked(file.file, on: disk, log: record.log, segment: number)
      lastSegmentBytes = Int(header.bytes)
      live.append(file)
    }
    return Layout(live: live, spares: later.filter { $0.number > last }, lastSegmentBytes: lastSegmentBytes)
  }

  private func open(_ number: UInt32) throws(LogError) -> SegmentFile {
    let file = try onDisk { () throws(DiskError) in try disk.open(SegmentName.of(number), create: false) }
    return SegmentFile(number: number, file: file, disk: disk)
  }

  /// Whether nothing was ever written behind the segment's header.
  private func isEmpty(_ segment: SegmentFile) throws(LogError) -> Bool {
    let header = try SegmentHeader.read(segment.file, on: disk)
    let reader = try SegmentReader(segment, log: header.log, window: window)
    return try reader.lastUsedByte(from: LogFormat.segmentHeaderBytes) == nil
  }

  /// What a crash left in the page cache becomes durable, and what the cache says but the disk does not is forgotten.
  private func settle(_ file: DiskFile) throws(LogError) {
    guard !options.defects.contains(.cacheBelieved) else { return }
    try onDisk { () throws(DiskError) in
      try disk.sync(file)
      try disk.syncDirectory()
      try disk.dropCache(file)
    }
  }

  // MARK: Mending

  /// Copies the torn tail to a file of its own, then zeroes it; both durable before anything is appended.
  ///
  /// - Parameter spares: Lose their last where the disk is full.
  private func setAside(_ torn: TornTail, of segment: SegmentFile, spares: inout [SegmentFile]) throws(LogError) {
    while true {
      do throws(LogError) {
        try copyAside(torn, of: segment)
        break
      } catch LogError.outOfSpace(let file) {
        // The reserve is there for this: a start on a full disk succeeds.
        guard let spare = spares.popLast() else { throw .outOfSpace(file: file) }
        try removeSegments([spare.number])
      }
    }
    guard !options.defects.contains(.tornTailLeft) else { return }
    let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: torn.bytes, alignment: 8)
    defer { zeros.deallocate() }
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
    try onDisk { () throws(DiskError) in
      try disk.write(segment.file, UnsafeRawBufferPointer(zeros), at: torn.offset)
      try disk.sync(segment.file)
    }
  }

  private func copyAside(_ torn: TornTail, of segment: SegmentFile) throws(LogError) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: torn.bytes, alignment: 8)
    defer { bytes.deallocate() }
    let filled = try fill(bytes, from: segment.file, at: torn.offset, on: disk)
    let name = SegmentName.torn(torn.segment)
    let unfinished = name + SegmentName.unfinishedSuffix
    try onDisk { () throws(DiskError) in
      let copy = try disk.open(unfinished, create: true)
      defer { disk.close(copy) }
      try disk.write(copy, UnsafeRawBufferPointer(rebasing: bytes[..<filled]), at: 0)
      try disk.sync(copy)
      try disk.rename(unfinished, to: name)
      try disk.syncDirectory()
    }
  }

  private func removeUnfinished(_ names: [String]) throws(LogError) {
    let unfinished = names.filter { name in
      guard name.hasSuffix(SegmentName.unfinishedSuffix) else { return false }
      let finished = String(name.dropLast(SegmentName.unfinishedSuffix.utf8.count))
      return finished == SegmentName.head || finished.hasSuffix(".torn") || SegmentName.number(of: finished) != nil
    }
    guard !unfinished.isEmpty else { return }
    try onDisk { () throws(DiskError) in
      for name in unfinished.sorted() { try disk.remove(name) }
      try disk.syncDirectory()
    }
  }

  private func removeSegments(_ numbers: [UInt32], tornTailsIn names: [String] = []) throws(LogError) {
    guard !numbers.isEmpty else { return }
    try onDisk { () throws(DiskError) in
      for number in numbers.sorted() {
        // The torn tail first: a crash in between leaves the segment, by which the next start finds both.
        if names.contains(SegmentName.torn(number)) { try disk.remove(SegmentName.torn(number)) }
        try disk.remove(SegmentName.of(number))
      }
      try disk.syncDirectory()
    }
  }
}
