/// How often each of many keys may still do something: one token bucket a key, in a table that never grows.
///
/// A bucket is one number, the time at which it is full again (the virtual scheduling form of the generic cell rate
/// algorithm, ITU-T I.371). The table is set-associative: a key has four places, and a new one takes that of the key
/// whose bucket is fullest. Whoever comes with many keys displaces those who owe least, and no memory grows.
struct AllowanceTable<Key: Hashable & Sendable>: Sendable {
  private struct Cell {
    var key: Key
    /// Nanoseconds: when the whole allowance is back.
    var fullAt: Int64
  }

  private static var ways: Int { 4 }

  private var cells: [Cell?]
  private let interval: Int64
  private let burst: Int64

  /// - Parameters:
  ///   - perMinute: How many are allowed at once, and how many come back in a minute; at least 1.
  ///   - capacity: How many keys are remembered; rounded up to a multiple of four.
  init(perMinute: Int, capacity: Int) {
    burst = Int64(perMinute)
    interval = 60_000_000_000 / Int64(perMinute)
    let sets = max(1, (capacity + Self.ways - 1) / Self.ways)
    cells = Array(repeating: nil, count: sets * Self.ways)
  }

  /// How long until the key may do it once more, nanoseconds; 0 if it may now.
  func wait(_ key: Key, at now: Int64) -> Int64 {
    guard let place = place(of: key), let cell = cells[place] else { return 0 }
    return wait(cell, now)
  }

  /// Takes one from the key's allowance.
  ///
  /// - Returns: Whether there was one left.
  mutating func spend(_ key: Key, at now: Int64) -> Bool {
    let place = place(of: key) ?? placeForNew(key)
    var cell = cells[place].flatMap { $0.key == key ? $0 : nil } ?? Cell(key: key, fullAt: now)
    guard wait(cell, now) == 0 else { return false }
    cell.fullAt = max(cell.fullAt, now) + interval
    cells[place] = cell
    return true
  }

  private func wait(_ cell: Cell, _ now: Int64) -> Int64 {
    max(0, cell.fullAt - now - (burst - 1) * interval)
  }

  private func places(for key: Key) -> Range<Int> {
    // Swift's hashes are seeded anew in every process, so no one can aim at a set from outside.
    let first = Int(UInt(bitPattern: key.hashValue) % UInt(cells.count / Self.ways)) * Self.ways
    return first..<(first + Self.ways)
  }

  private func place(of key: Key) -> Int? {
    places(for: key).first { cells[$0]?.key == key }
  }

  private func placeForNew(_ key: Key) -> Int {
    let places = places(for: key)
    return places.min { (cells[$0]?.fullAt ?? .min) < (cells[$1]?.fullAt ?? .min) } ?? places.lowerBound
  }
}
