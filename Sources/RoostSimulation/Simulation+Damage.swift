import RoostCore
import RoostEngine
import RoostLog

/// Bytes that change behind everybody's back. What no single copy can survive must be noticed: a start is refused and
/// changes nothing, a reader is told. Never may anything else than what was written be taken for it.
extension Simulation {
  /// One place that no longer holds what was written there.
  struct Damage {
    var file: String
    /// The file as it was.
    var bytes: [UInt8]
    /// It hides the last frame with records, which nothing covers: it passes for one that was never answered.
    var mayLoseLastFrame: Bool
  }

  private typealias Frame = (file: String, range: Range<Int>, hasRecords: Bool, isCovered: Bool)

  // MARK: While the daemon is down

  /// Damages one place of `HEAD` or of a segment; nil where nothing would change, or more than the last frame would
  /// pass for a torn tail, which is the documented limit.
  func rot() throws -> Damage? {
    disk.comeToRest()
    let files = contents
    guard let name = files.keys.filter(isOfLog).sorted().randomElement(using: &random), let bytes = files[name] else {
      return nil
    }
    let frames = try frames()
    let place = aim(at: name, bytes.count, frames)
    guard let (fault, range, new) = draw(name, bytes, place, files) else { return nil }
    var damaged = bytes
    damaged.replaceSubrange(range, with: new)
    guard damaged != bytes else { return nil }
    let uncovered = frames.filter { !$0.isCovered }
    let hidden = uncovered.drop { $0.file != name || !$0.range.overlaps(range) }
    let isTail = hidden.allSatisfy { $0.file == name && $0.range.overlaps(range) }
    let lost = isTail ? hidden.count { $0.hasRecords } : 0
    guard lost == 0 || lost == 1 && beforeLastFrame != nil else { return nil }
    disk.damage(name) { $0 = damaged }
    note("\(fault.rawValue): \(name), bytes \(range)")
    report.faults[fault, default: 0] += 1
    return Damage(file: name, bytes: bytes, mayLoseLastFrame: lost == 1)
  }

  /// The start was refused: it must have left everything as it was. The operator brings the right bytes back.
  func refused(_ damage: Damage, _ error: LogError, _ before: [String: [UInt8]]) throws {
    note("refused: \(error)")
    try model.expect(contents == before, "a start that refused has changed the directory")
    report.faults[.damageRefused, default: 0] += 1
    disk.damage(damage.file) { $0 = damage.bytes }
    disk.crash(losingUnsynced: false)
  }

  /// Keeps a file's bytes: one of its blocks may come back later.
  func keepOldFile() {
    guard let name = disk.names.filter(isOfLog).randomElement(using: &random) else { return }
    oldFile = (name, disk.contents(name)!)
  }

  var contents: [String: [UInt8]] {
    Dictionary(
      uniqueKeysWithValues: disk.names.filter { $0 != SegmentName.lock }.map { ($0, disk.contents($0)!) })
  }

  private func isOfLog(_ name: String) -> Bool { name == SegmentName.head || SegmentName.number(of: name) != nil }

  /// Every frame, and whether `HEAD` knows that it is durable.
  private func frames() throws -> [Frame] {
    var headers: [FrameHeader] = []
    // Through a copy: looking must not meet the faults that wait for the store.
    let inspection = try LogInspector(disk: SimulatedDisk(copying: disk)).inspect(frame: { headers.append($0.header) })
    guard let head = inspection.head else { return [] }
    return headers.map { header in
      let start = Int(header.offset)
      return (
        SegmentName.of(header.segment), start..<(start + header.frameBytes), header.recordCount > 0,
        (header.segment, header.offset) < (head.syncedSegment, head.syncedEnd)
      )
    }
  }

  /// A byte of the file, mostly one that is in use.
  private func aim(at name: String, _ count: Int, _ frames: [Frame]) -> Int {
    let used = frames.last { $0.file == name }?.range.upperBound ?? count
    return random.below(random.chance(0.8) ? used : count)
  }

  private func draw(
    _ name: String, _ bytes: [UInt8], _ place: Int, _ files: [String: [UInt8]]
  ) -> (SimulatedFault, Range<Int>, [UInt8])? {
    let blockBytes = [SimulatedDisk.sectorBytes, 4_096][random.below(2)]
    let start = place / blockBytes * blockBytes
    let block = start..<min(start + blockBytes, bytes.count)
    switch random.below(5) {
    case 0..<2: return (.flippedBit, place..<(place + 1), [bytes[place] ^ 1 << UInt8(random.below(8))])
    case 2: return (.zeroedSector, block, [UInt8](repeating: 0, count: block.count))
    case 3:
      let other = files[files.keys.filter(isOfLog).sorted().randomElement(using: &random)!]!
      let from = random.below(max(1, other.count / blockBytes)) * blockBytes
      let written = Array(other[from..<min(from + blockBytes, other.count)].prefix(block.count))
      return (.misdirectedBlock, block.lowerBound..<(block.lowerBound + written.count), written)
    default:
      guard let old = oldFile, old.name == name, block.lowerBound < old.bytes.count else { return nil }
      let before = old.bytes[block.lowerBound..<min(block.upperBound, old.bytes.count)]
      return (.staleBlock, block.lowerBound..<(block.lowerBound + before.count), Array(before))
    }
  }

  // MARK: Under the running daemon

  /// A bit of a live segment is another for a while: readers are told or get the right bytes, and compaction copies
  /// nothing that is damaged.
  func rotUnderneath() throws {
    let frames = try frames()
    guard let frame = frames.randomElement(using: &random) else { return }
    let place = frame.range.lowerBound + random.below(frame.range.count)
    let bit = UInt8(1) << UInt8(random.below(8))
    disk.damage(frame.file) { $0[place] ^= bit }
    note("byte \(place) of \(frame.file) is damaged for a while")
    defer {
      // Unless it was trimmed meanwhile.
      if disk.contents(frame.file) != nil { disk.damage(frame.file) { $0[place] ^= bit } }
    }
    var told = 0
    for number in model.jobs.keys.sorted() where try !checkBytes(of: model.jobs[number]!) { told += 1 }
    _ = try daemon.store.compact()
    if told > 0 || daemon.store.damage != nil { report.faults[.damageRead, default: 0] += 1 }
  }
}
