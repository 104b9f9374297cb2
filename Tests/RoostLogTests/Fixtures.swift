import Glibc
import RoostLog
import RoostSimulation

/// A directory of its own for a test, removed at the end.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/roost-log-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil, "a temporary directory can be made")
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    if let disk = try? LinuxDisk(directory: path, create: false) {
      for name in (try? disk.list()) ?? [] { try? disk.remove(name) }
    }
    rmdir(path)
  }
}

/// One frame as a test wrote or replayed it.
struct Entry: Hashable {
  var sequence: UInt64
  var records: [[UInt8]]
}

func smallOptions(segmentBytes: Int = 4096, spares: Int = 0) -> LogOptions {
  LogOptions(
    newLogIdentity: (0x1122_3344_5566_7788, 0x99AA_BBCC_DDEE_FF00), segmentBytes: segmentBytes,
    frameLimitBytes: 1 << 20, zeroFillPieceBytes: 2048, shrinkPieceBytes: 1024, reserveSpares: spares)
}

func stamp(_ moment: Int64, epoch: UInt64 = 1) -> FrameStamp {
  FrameStamp(epoch: epoch, logTime: moment, bootTime: moment + 1, wallTime: moment + 2)
}

/// Opens a log and returns it with all it replayed.
func open(_ disk: any Disk, _ options: LogOptions = smallOptions()) throws(LogError) -> (SegmentedLog, [Entry]) {
  var entries: [Entry] = []
  let log = try SegmentedLog.open(disk: disk, options: options) { (frame) throws(LogError) in
    let records = Array(FrameRecords(frame.records, start: frame.start)).map { Array($0.content) }
    entries.append(Entry(sequence: frame.firstSequence, records: records))
  }
  return (log, entries)
}

/// Why opening was refused; nil when it was not.
func refusal(_ disk: any Disk, _ options: LogOptions = smallOptions()) -> LogError? {
  do throws(LogError) {
    _ = try open(disk, options)
    return nil
  } catch {
    return error
  }
}

/// The corruption that opening found.
func corruption(_ disk: any Disk) -> Corruption? {
  if case .corrupt(let corruption)? = refusal(disk) { corruption } else { nil }
}

extension SegmentedLog {
  /// Appends one frame with these records.
  @discardableResult
  func append(_ records: [[UInt8]], stamp: FrameStamp = stamp(1)) throws(LogError) -> FrameStart {
    var frame = [UInt8](repeating: 0, count: SegmentedLog.headroom)
    for record in records {
      let length = UInt32(record.count)
      frame += [UInt8(length & 255), UInt8(length >> 8 & 255), UInt8(length >> 16 & 255), UInt8(length >> 24)]
      frame += record
    }
    let recordBytes = frame.count - SegmentedLog.headroom
    frame += [UInt8](repeating: 0xEE, count: SegmentedLog.tailroom)
    let start = try prepareFrame(expectedBytes: recordBytes)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.count, alignment: 8)
    defer { buffer.deallocate() }
    buffer.copyBytes(from: frame)
    try commit(buffer, recordBytes: recordBytes, recordCount: records.count, stamp: stamp)
    return start
  }
}

/// Records whose bytes tell which they are.
func record(_ number: Int, bytes: Int = 100) -> [UInt8] {
  (0..<bytes).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7 &+ 1) }
}
