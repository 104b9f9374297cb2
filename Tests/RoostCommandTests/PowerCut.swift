import CoreFoundation
import Foundation

/// What a power cut takes from a killed daemon: the preloaded library `PowerCut` kept a journal of all that was not yet
/// synced, and this takes back a choice of it.
///
/// A sector is kept or lost by itself; names that belong together keep their order. See `Tests/CPowerCut/include`.
final class PowerCut: Sendable {
  /// The data directory.
  let directory: URL
  private let state: URL

  /// The numbers of `struct powercut_control`, in their order.
  enum Control: Int {
    case isFull, syncMicroseconds, interruptedPermille, shortPermille, failingSync, failingWrite, cutAfter, cutAfterName
    case seed, calls, interrupted, shortened, refused, heldSync, held
  }

  /// How much was taken back.
  struct Loss {
    var sectors = 0
    var kept = 0
    var names = 0
  }

  /// Beside the test bundle: all are products of one build.
  static let library = DaemonProcess.binary.deletingLastPathComponent().appendingPathComponent("libPowerCut.so")

  /// - Parameter parent: An existing directory, which gets the data directory and what is kept for it.
  init(in parent: URL) throws {
    let parent = parent.resolvingSymlinksInPath()
    directory = parent.appendingPathComponent("data")
    state = parent.appendingPathComponent("power")
    for place in [directory, state] {
      try FileManager.default.createDirectory(
        at: place, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }
    try reset()
  }

  /// For the daemon that is to run over it.
  var environment: [String: String] {
    ["LD_PRELOAD": Self.library.path, "POWERCUT_DIRECTORY": directory.path, "POWERCUT_STATE": state.path]
  }

  // MARK: The schedule

  func set(_ number: Control, _ value: UInt32) throws {
    let file = try FileHandle(forUpdating: control)
    try file.seek(toOffset: UInt64(number.rawValue * 4))
    try file.write(contentsOf: withUnsafeBytes(of: value.littleEndian) { Data($0) })
    try file.close()
  }

  func value(_ number: Control) throws -> UInt32 {
    let bytes = try Data(contentsOf: control).dropFirst(number.rawValue * 4).prefix(4)
    return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  private var control: URL { state.appendingPathComponent("control") }
  private var journal: URL { state.appendingPathComponent("journal") }

  /// Nothing to take back, nothing scheduled.
  private func reset() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: state.path) {
      try FileManager.default.removeItem(at: state.appendingPathComponent(name))
    }
    try Data(count: 64).write(to: control)
  }

  // MARK: The cut

  /// Takes back a choice of what the daemon, which has been killed, had not synced.
  func takeBack(_ choices: inout SeededChoices) throws -> Loss {
    let entries = PowerCutEntry.all(in: (try? Data(contentsOf: journal)) ?? Data())
    var loss = Loss()
    let files = try filesByInode()
    let bytes = Dictionary(grouping: entries.filter(\.isAboutBytes), by: \.inode)
    for (inode, entries) in bytes.sorted(by: { $0.key < $1.key }) {
      let durable = entries.last { $0.kind == .sync }?.covered ?? 0
      let open = entries.filter { $0.kind != .sync && $0.number >= durable }
      if let file = files[inode], !open.isEmpty { try takeBack(open, in: file, &choices, &loss) }
    }
    let durable = entries.last { $0.kind == .directorySync }?.covered ?? 0
    try takeBack(names: entries.filter { $0.isAboutNames && $0.number >= durable }, &choices, &loss)
    try reset()
    return loss
  }

  private func filesByInode() throws -> [UInt64: URL] {
    var files: [UInt64: URL] = [:]
    for place in [directory, state] {
      for name in try FileManager.default.contentsOfDirectory(atPath: place.path) {
        let file = place.appendingPathComponent(name)
        if let inode = Self.inode(of: file) { files[inode] = file }
      }
    }
    return files
  }

  private static func inode(of file: URL) -> UInt64? {
    var status = stat()
    return lstat(file.path, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  /// Bytes of one file: each sector, and the length, goes back to some moment since the last sync.
  private func takeBack(
    _ entries: [PowerCutEntry], in file: URL, _ choices: inout SeededChoices, _ loss: inout Loss
  ) throws {
    let keeper = SectorKeeper(entries, &choices)
    let handle = open(file.path, O_RDWR | O_CLOEXEC)
    guard handle >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(handle) }
    var status = stat()
    fstat(handle, &status)
    let length = keeper.keptLengths < entries.count ? entries[keeper.keptLengths].size : UInt64(status.st_size)
    for (place, entry) in entries.enumerated().reversed() {
      if entry.kind == .truncate {
        if place >= keeper.keptLengths { Self.write(Array(entry.payload), to: handle, at: entry.offset) }
        continue
      }
      for sector in entry.sectors {
        guard keeper.isLost(sector, of: place) else {
          loss.kept += 1
          continue
        }
        loss.sectors += 1
        let begin = Int(sector * PowerCutEntry.sector - entry.offset)
        var old = Array(entry.payload.dropFirst(begin).prefix(Int(PowerCutEntry.sector)))
        old += Array(repeating: 0, count: Int(PowerCutEntry.sector) - old.count)
        Self.write(old, to: handle, at: sector * PowerCutEntry.sector)
      }
    }
    guard ftruncate(handle, off_t(length)) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  }

  private static func write(_ bytes: [UInt8], to handle: Int32, at offset: UInt64) {
    let failure = bytes.withUnsafeBytes { pwrite(handle, $0.baseAddress, $0.count, off_t(offset)) } != bytes.count
    precondition(!failure, "what was lost could not be written back")
  }

  /// Names: those that a rename ties together keep a prefix of their changes.
  private func takeBack(names entries: [PowerCutEntry], _ choices: inout SeededChoices, _ loss: inout Loss) throws {
    var groups: [(names: Set<String>, entries: [PowerCutEntry])] = []
    for entry in entries {
      let tied = groups.indices.filter { !groups[$0].names.isDisjoint(with: entry.names) }
      let merged = tied.flatMap { groups[$0].entries } + [entry]
      let names = tied.reduce(into: Set(entry.names)) { $0.formUnion(groups[$1].names) }
      for place in tied.reversed() { groups.remove(at: place) }
      groups.append((names, merged.sorted { $0.number < $1.number }))
    }
    for group in groups {
      let kept = Int.random(in: 0...group.entries.count, using: &choices)
      for entry in group.entries[kept...].reversed() {
        loss.names += 1
        try undo(entry)
      }
    }
  }

  /// The call may not have been made any more: the entry is older than it.
  private func undo(_ entry: PowerCutEntry) throws {
    let place = directory.appendingPathComponent(entry.names[0])
    let kept = state.appendingPathComponent("\(entry.number)")
    switch entry.kind {
    case .create, .link: unlink(place.path)
    case .remove: if Self.inode(of: place) == nil { link(kept.path, place.path) }
    case .rename:
      let new = directory.appendingPathComponent(entry.names[1])
      guard Self.inode(of: new) == entry.inode else { return }
      rename(new.path, place.path)
      link(kept.path, new.path)
    case .write, .truncate, .sync, .directorySync: break
    }
  }
}

/// Which sectors of a file survive, and up to which change its length does.
private struct SectorKeeper {
  let keptLengths: Int
  /// By sector, how many of the changes of it are kept; sectors that are not here keep `standard`.
  private var kept: [UInt64: Int] = [:]
  private var rank: [[UInt64: Int]] = []

  /// - Parameter entries: Of one file, none of them synced.
  init(_ entries: [PowerCutEntry], _ choices: inout SeededChoices) {
    var counts: [UInt64: Int] = [:]
    for entry in entries {
      var ranks: [UInt64: Int] = [:]
      for sector in entry.sectors {
        ranks[sector] = counts[sector, default: 0]
        counts[sector, default: 0] += 1
      }
      rank.append(ranks)
    }
    // All lost, all kept, a prefix with its last write torn, or whatever the device had got round to.
    switch Int.random(in: 0..<4, using: &choices) {
    case 0: keptLengths = 0
    case 1:
      keptLengths = entries.count
      kept = counts
    case 2:
      let torn = Int.random(in: 0..<entries.count, using: &choices)
      for ranks in rank[..<torn] { for sector in ranks.keys { kept[sector, default: 0] += 1 } }
      let sectors = entries[torn].sectors
      for sector in sectors.prefix(Int.random(in: 0...sectors.count, using: &choices)) { kept[sector, default: 0] += 1 }
      keptLengths = Int.random(in: torn...(torn + 1), using: &choices)
    default:
      for sector in counts.keys.sorted() { kept[sector] = Int.random(in: 0...counts[sector]!, using: &choices) }
      keptLengths = Int.random(in: 0...entries.count, using: &choices)
    }
  }

  func isLost(_ sector: UInt64, of place: Int) -> Bool { rank[place][sector]! >= kept[sector, default: 0] }
}

/// One entry of the library's journal: `struct powercut_entry` and its payload.
struct PowerCutEntry {
  enum Kind: UInt32 { case write = 1, truncate, sync, create, remove, rename, link, directorySync }

  static let sector: UInt64 = 512
  private static let headBytes = 56

  let kind: Kind
  let number: UInt64
  let inode: UInt64
  let offset: UInt64
  let length: UInt64
  let size: UInt64
  let covered: UInt64
  let payload: ArraySlice<UInt8>

  var isAboutBytes: Bool { [.write, .truncate, .sync].contains(kind) }
  var isAboutNames: Bool { [.create, .remove, .rename, .link].contains(kind) }
  var names: [String] { payload.split(separator: 0).map { String(decoding: $0, as: UTF8.self) } }
  /// A write's, by their numbers in the file; a truncation has none.
  var sectors: Range<UInt64> {
    kind == .write ? (offset / Self.sector)..<((offset + length) / Self.sector) : 0..<0
  }

  /// Reads a journal; what a kill left of its last entry is not one.
  static func all(in data: Data) -> [PowerCutEntry] {
    let bytes = [UInt8](data)
    var entries: [PowerCutEntry] = []
    var place = 0
    func number(_ offset: Int, _ count: Int) -> UInt64 {
      bytes[(place + offset)..<(place + offset + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    while place + headBytes <= bytes.count {
      let end = place + headBytes + Int(number(4, 4))
      guard end <= bytes.count, let kind = Kind(rawValue: UInt32(number(0, 4))) else { break }
      entries.append(
        PowerCutEntry(
          kind: kind, number: number(8, 8), inode: number(16, 8), offset: number(24, 8), length: number(32, 8),
          size: number(40, 8), covered: number(48, 8), payload: bytes[(place + headBytes)..<end]))
      place = end
    }
    return entries
  }
}
