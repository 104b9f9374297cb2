/// Finds the name that someone meant.
enum NearestName {
  /// The nearest of the candidates, if it is near enough to be meant: a third of its letters may differ.
  static func to(_ name: String, among candidates: some Sequence<String>) -> String? {
    let near = candidates.map { (name: $0, edits: edits(from: name, to: $0)) }
      .min { ($0.edits, $0.name) < ($1.edits, $1.name) }
    guard let near, near.edits <= max(1, near.name.count / 3) else { return nil }
    return near.name
  }

  /// How many letters must be added, removed, replaced or swapped with their neighbour (optimal string alignment).
  static func edits(from first: String, to second: String) -> Int {
    let (first, second) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
    // Only names are compared; what is far longer is none.
    guard first.count <= 64, second.count <= 64 else { return .max }
    var table = [Array(0...second.count)]
    for row in 0..<first.count {
      var next = [row + 1]
      for column in 0..<second.count {
        let isSame = first[row] == second[column]
        var least = min(table[row][column] + (isSame ? 0 : 1), table[row][column + 1] + 1, next[column] + 1)
        if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
          least = min(least, table[row - 1][column - 1] + 1)
        }
        next.append(least)
      }
      table.append(next)
    }
    return table[first.count][second.count]
  }

  /// "; did you mean …?", or nothing.
  static func hint(_ name: String, among candidates: some Sequence<String>) -> String {
    to(name, among: candidates).map { ": did you mean \($0)?" } ?? ""
  }
}
