/// Who waits for an answer that may be long in coming, by ticket: in parts, each of which grows by itself, so that no
/// commit waits for a rehash of all.
struct ParkedAskers {
  private var parts = [[UInt64: Asker]](repeating: [:], count: 256)
  private(set) var count = 0

  mutating func insert(_ asker: Asker, _ ticket: UInt64) {
    parts[Int(ticket % 256)][ticket] = asker
    count += 1
  }

  mutating func remove(_ ticket: UInt64) -> Asker? {
    guard let asker = parts[Int(ticket % 256)].removeValue(forKey: ticket) else { return nil }
    count -= 1
    return asker
  }

  mutating func removeAll() -> [Asker] {
    defer { self = ParkedAskers() }
    return parts.flatMap(\.values)
  }
}
