import Foundation
import RoostCron
import Testing

/// The bytes of zone files, whole and damaged.
@Suite("TZif")
struct TZifTests {
  @Test("versions 1 to 4 are read; version 1 ends with its last offset", arguments: 1...4 as ClosedRange<UInt8>)
  func versions(version: UInt8) throws {
    let file = TZifFile(
      version: version, times: [-1_000, 0, 1_000], types: [1, 0, 1], offsets: [0, 3_600], footer: "AAA-2")
    let table = try TimeZoneTable(tzif: file.bytes)
    #expect([-1_001, -1_000, -1, 0, 999].map(table.offset) == [0, 3_600, 3_600, 0, 0])
    #expect(table.offset(at: 1_000) == (version == 1 ? 3_600 : 7_200))
    #expect(table.period(at: 5_000).start == 1_000 && table.period(at: 999).end == 1_000)
    let first = table.nextTransition(after: -5_000)
    #expect(first?.instant == -1_000 && first?.offsetBefore == 0 && first?.offsetAfter == 3_600)
  }

  @Test("transitions beyond 32 bits come from the second half of the file")
  func wide() throws {
    let far: Int64 = 10_000_000_000
    let table = try TimeZoneTable(tzif: TZifFile(times: [far], types: [1], offsets: [0, 3_600], footer: "").bytes)
    #expect(table.offset(at: far - 1) == 0 && table.offset(at: far) == 3_600 && table.offset(at: .max) == 3_600)
  }

  @Test("a change of the name alone is no transition")
  func sameOffset() throws {
    let file = TZifFile(times: [0, 1_000, 2_000], types: [1, 2, 1], offsets: [0, 3_600, 3_600], footer: "AAA-1")
    let table = try TimeZoneTable(tzif: file.bytes)
    #expect(table.nextTransition(after: -1)?.instant == 0)
    #expect(table.nextTransition(after: 0) == nil)
  }

  @Test("the rule holds from the last transition on, also where that changes only the name")
  func beginOfRule() throws {
    let file = TZifFile(times: [0, 10_000_000], types: [0, 0], footer: "AAA-1")
    let table = try TimeZoneTable(tzif: file.bytes)
    #expect(table.offset(at: 9_999_999) == 0 && table.offset(at: 10_000_000) == 3_600)
  }

  @Test("what no zone has is refused, with its reason")
  func refused() {
    func reason(_ file: TZifFile) -> MalformedTZif? {
      do throws(MalformedTZif) { _ = try TimeZoneTable(tzif: file.bytes) } catch { return error }
      return nil
    }
    #expect(reason(TZifFile(times: [5, 5], types: [0, 0])) == .transitions)
    #expect(reason(TZifFile(times: [5, 4], types: [0, 0])) == .transitions)
    #expect(reason(TZifFile(times: [.min], types: [0])) == .transitions)
    #expect(reason(TZifFile(times: [.max], types: [0])) == .transitions)
    #expect(reason(TZifFile(times: [5], types: [1])) == .offsets)
    #expect(reason(TZifFile(offsets: [.min])) == .offsets)
    #expect(reason(TZifFile(offsets: [93_600])) == .offsets)
    #expect(reason(TZifFile(offsets: [])) == .counts)
    #expect(reason(TZifFile(times: Array(0...2_000), types: [UInt8](repeating: 0, count: 2_001))) == .counts)
    #expect(reason(TZifFile(footer: nil)) == .truncated)
    #expect(reason(TZifFile(footer: "AAA0\u{0}")) == .footer)
    #expect(reason(TZifFile(leapSeconds: [(78_796_800, 1)])) == .leapSeconds)
    #expect(throws: MalformedTZif.notTZif) { try TimeZoneTable(tzif: []) }
    #expect(throws: MalformedTZif.notTZif) { try TimeZoneTable(tzif: Array("TZi".utf8)) }
    #expect(throws: MalformedTZif.truncated) { try TimeZoneTable(tzif: Array("TZif2".utf8)) }
  }

  @Test("a file that ends too early is refused, wherever it ends")
  func truncated() throws {
    let bytes = try Self.file("America/New_York")
    for count in 0..<bytes.count {
      #expect(throws: MalformedTZif.self, "\(count) bytes") { try TimeZoneTable(tzif: Array(bytes.prefix(count))) }
    }
  }

  @Test("damaged files are refused or read as some zone, and never trap", arguments: 1...8 as ClosedRange<UInt64>)
  func damaged(seed: UInt64) throws {
    var random = Seeded(state: seed)
    let names = [
      "Europe/Berlin", "Africa/Casablanca", "Pacific/Apia", "Etc/GMT+12", "America/Godthab", "right/Europe/Berlin",
    ]
    let files = names.compactMap { try? Self.file($0) }
    let expressions = try ["30 2 * * *", "*/7 * * * *", "0 0 30 2 *", "0 0 29 2 *"].map { try CronExpression($0) }
    var read = 0
    for _ in 0..<3_000 {
      var bytes = files.randomElement(using: &random)!
      for _ in 0...Int.random(in: 0...3, using: &random) { Self.change(&bytes, &random) }
      guard let table = try? TimeZoneTable(tzif: bytes) else { continue }
      read += 1
      let instant = Int64.random(in: -5_000_000_000...9_000_000_000, using: &random)
      let period = table.period(at: instant)
      #expect(period.start <= instant && instant < period.end && (-89_999...93_599).contains(period.offset))
      let expression = expressions.randomElement(using: &random)!
      let onRepeat = RepeatRule.allCases.randomElement(using: &random)!
      #expect(expression.next(after: instant, in: table, onRepeat: onRepeat).map { $0 > instant } ?? true)
      _ = table.instants(of: instant)
      _ = table.nextTransition(after: instant)
      _ = table.period(at: .random(in: .min ... .max, using: &random))
    }
    #expect(read > 100, "the changes are too coarse to test what is behind the header")
  }

  private static func change(_ bytes: inout [UInt8], _ random: inout Seeded) {
    let place = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0, 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
    case 2: bytes[place] = .random(in: 0...255, using: &random)
    case 3:
      // The last line is short; what is wrong there is seldom hit.
      bytes[max(0, bytes.count - 1 - Int.random(in: 0...27, using: &random))] = Array("0123456789JM,./-+<>A".utf8)
        .randomElement(using: &random)!
    case 4:
      for byte in place..<min(bytes.count, place + 8) { bytes[byte] = random.chance(2) ? 0xFF : 0x7F }
    default: if random.chance(4) { bytes.removeLast(min(bytes.count - 1, Int.random(in: 1...40, using: &random))) }
    }
  }

  private static func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(TimeZoneDatabase.standardDirectory)/\(name)")))
  }
}
