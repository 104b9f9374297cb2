import RoostCore
import Testing

/// Compaction beside groups of which something was said.
@Suite("Trims with groups")
struct GroupTrimTests {
  @Test("what was said of many groups does not make each trim want the next one")
  func settles() throws {
    let store = try StoreUnderTest(segmentBytes: 4_096)
    var change = QueueSettingsChange()
    change.set(.weight, 3)
    for group in 0..<600 {
      let parts = [change.settings.bytes, Array("q".utf8), Array("o".utf8), Array("group-\(group)".utf8)]
      let offsets = parts.indices.map { place in parts[..<place].reduce(0) { $0 + $1.count } }
      func range(_ part: Int) -> ByteRange { ByteRange(offset: offsets[part], count: parts[part].count) }
      let command = Command.ChangeGroup(
        queue: range(1), owner: range(2), group: range(3),
        change: .settings(range(0), cleared: change.clearedBits))
      try store.batch([.changeGroup(command)], bytes: parts.flatMap { $0 })
      while try store.provision() {}
      _ = try store.compact()
    }
    func work(_ rounds: Int) throws {
      for _ in 0..<rounds {
        _ = try store.compact()
        try store.batch([])
        while try store.provision() {}
      }
    }
    try work(3_000)
    let trims = store.trims
    try work(3_000)
    #expect(store.trims == trims)
  }
}
