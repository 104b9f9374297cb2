/// The jobs that a job waits for, as they are asked for and as they stand in its record.
///
/// Layout: how they are waited for (`u8`, see `Mode`), then the id of each (16 bytes, little endian). Of an id the four
/// bits of its version say more: 8: a job; 9: one that was ACKED when this job was submitted; 0: no id, but the place of an
/// item of the same graph, which the core replaces with its id.
package struct DependencyList {
  package static let mostJobs = 1_000
  package static let mostBytes = 1 + mostJobs * entryBytes
  private static let entryBytes = 16
  private static let version: UInt64 = 0xF000
  private static let genuine: UInt64 = 0x8000
  private static let acked: UInt64 = 0x9000

  package let bytes: UnsafeRawBufferPointer
  package let mode: Mode

  /// When the jobs that are waited for have ended, and what becomes of the waiting one.
  package struct Mode: Hashable, Sendable, BitwiseCopyable {
    package var onDead: OnDead
    /// However they ended; else all must be ACKED.
    package var isEnded: Bool

    package init(onDead: OnDead = .cancel, isEnded: Bool = false) {
      self.onDead = onDead
      self.isEnded = isEnded
    }

    package init?(rawValue: UInt8) {
      guard rawValue & ~7 == 0, let onDead = OnDead(rawValue: rawValue & 3) else { return nil }
      self.init(onDead: onDead, isEnded: rawValue & 4 != 0)
    }

    package var rawValue: UInt8 { onDead.rawValue | (isEnded ? 4 : 0) }
  }

  /// What a job that is not ACKED, but DEAD, CANCELLED or gone, means for those that wait for it; raw values stand in the
  /// log.
  package enum OnDead: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// They are CANCELLED, and so on.
    case cancel = 0
    /// They run, as if it were ACKED.
    case run = 1
    /// They stay BLOCKED, until it is ACKED after all or somebody unblocks them.
    case hold = 2

    /// The name on the wire.
    package var name: String { "\(self)" }
  }

  /// One job that is waited for.
  package enum Entry: Hashable {
    case job(JobID, wasAcked: Bool)
    /// The place of an item of the same graph.
    case item(Int)
  }

  /// Nil where the bytes are no list.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > Self.entryBytes, bytes.count <= Self.mostBytes, (bytes.count - 1) % Self.entryBytes == 0,
      let mode = Mode(rawValue: bytes[0])
    else { return nil }
    self.bytes = bytes
    self.mode = mode
  }

  package var count: Int { (bytes.count - 1) / Self.entryBytes }

  package subscript(place: Int) -> Entry {
    let offset = 1 + place * Self.entryBytes
    let high = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    let low = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    guard high & Self.version != 0 else { return .item(Int(truncatingIfNeeded: low)) }
    let isAcked = high & Self.version == Self.acked
    return .job(JobID(high: isAcked ? high & ~Self.version | Self.genuine : high, low: low), wasAcked: isAcked)
  }

  package static func encode(_ mode: Mode, _ entries: some Collection<Entry>) -> [UInt8] {
    var bytes: [UInt8] = [mode.rawValue]
    bytes.reserveCapacity(1 + entries.count * entryBytes)
    for entry in entries {
      let (high, low) =
        switch entry {
        case .item(let place): (UInt64(0), UInt64(place))
        // No job has such an id, and it is not to be taken for the place of an item.
        case .job(let id, _) where id.high & version != genuine: (UInt64(0), UInt64.max)
        case .job(let id, let wasAcked): (wasAcked ? id.high & ~version | acked : id.high, id.low)
        }
      withUnsafeBytes(of: high.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: low.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// The ids of the jobs, in the order in which they were said.
  package var ids: [JobID] {
    (0..<count).compactMap { if case .job(let id, _) = self[$0] { id } else { nil } }
  }
}
