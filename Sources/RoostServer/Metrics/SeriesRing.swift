/// What was noted in the last 360 intervals of equal length, numbered from 0; memory is taken with the first.
struct SeriesRing<Element: Sendable>: Sendable {
  static var length: Int64 { 360 }

  private var items: [Element?] = []
  /// The newest interval that has something; -1: none has.
  private(set) var last: Int64 = -1

  /// Notes something of an interval behind the last one; those between them have nothing.
  mutating func put(_ element: Element, in interval: Int64) {
    guard interval > last else { return }
    if items.isEmpty { items = Array(repeating: nil, count: Int(Self.length)) }
    for skipped in max(last + 1, interval - Self.length + 1)..<interval { items[Int(skipped % Self.length)] = nil }
    items[Int(interval % Self.length)] = element
    last = interval
  }

  /// nil where nothing was noted, or it is too long ago.
  subscript(interval: Int64) -> Element? {
    guard !items.isEmpty, interval >= 0, (last - Self.length + 1)...last ~= interval else { return nil }
    return items[Int(interval % Self.length)]
  }
}
