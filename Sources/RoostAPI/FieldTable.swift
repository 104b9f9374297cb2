/// The names that an object may have, made once per kind of request; at most 64.
package struct FieldTable<Field>: Sendable where Field: RawRepresentable<String> & CaseIterable & Sendable {
  let fields: [Field]
  private let names: [[UInt8]]

  /// - Parameter except: Fields that this kind of request does not have.
  package init(_: Field.Type, except: [Field] = []) {
    fields = Field.allCases.filter { field in !except.contains { $0.rawValue == field.rawValue } }
    names = fields.map { Array($0.rawValue.utf8) }
    precondition(fields.count <= 64, "the set of fields seen is one word")
  }

  /// All of them, as they stand on the wire.
  package var allNames: [String] { fields.map(\.rawValue) }

  func name(_ index: Int) -> String { fields[index].rawValue }

  func index(_ name: ArraySlice<UInt8>) -> Int? {
    for index in names.indices where names[index].count == name.count && names[index].elementsEqual(name) {
      return index
    }
    return nil
  }

  /// The known name that a typing mistake most likely meant; nil if none is near.
  func nearest(_ name: String) -> String? {
    guard name.utf8.count <= 64 else { return nil }
    let ranked = fields.map { (name: $0.rawValue, distance: editDistance(name, $0.rawValue)) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }), best.distance <= max(1, name.utf8.count / 3)
    else { return nil }
    return best.name
  }
}

/// How many characters must be inserted, removed, changed or swapped with their neighbour (Damerau-Levenshtein,
/// optimal string alignment).
package func editDistance(_ left: String, _ right: String) -> Int {
  let a = Array(left.utf8)
  let b = Array(right.utf8)
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
