/// Rows of cells as text in columns, as wide as they need be.
struct TextTable {
  struct Cell {
    let text: String
    var style = Style.plain
    /// Numbers stand at the right.
    var isNumber = false
  }

  private let headings: [String]
  private let rows: [[Cell]]

  /// - Parameter headings: Empty: the rows are names and values.
  init(headings: [String] = [], rows: [[Cell]]) {
    (self.headings, self.rows) = (headings, rows)
  }

  init(headings: [String] = [], rows: [[String]]) {
    self.init(headings: headings, rows: rows.map { $0.map { Cell(text: $0) } })
  }

  /// Every line with its end.
  ///
  /// - Parameters:
  ///   - width: Where lines are cut; nil: nowhere.
  ///   - hasColour: Whether styles are shown.
  func text(width: Int? = Terminal.size()?.columns, hasColour: Bool = Terminal.hasColour) -> String {
    let columns = max(headings.count, rows.map(\.count).max() ?? 0)
    let isNumber = (0..<columns).map { column in
      rows.contains { $0.count > column && $0[column].isNumber }
        && rows.allSatisfy { $0.count <= column || $0[column].isNumber || $0[column].text.isEmpty }
    }
    var lines = headings.isEmpty ? [] : [headings.map { Cell(text: $0, style: .bold) }]
    lines += rows.map { row in
      headings.isEmpty ? row.enumerated().map { $0 == 0 ? Cell(text: $1.text, style: .bold) : $1 } : row
    }
    let widths = (0..<columns).map { column in
      lines.map { $0.count > column ? $0[column].text.unicodeScalars.count : 0 }.max() ?? 0
    }
    return lines.map { Self.line($0, widths, isNumber, width, hasColour) + "\n" }.joined()
  }

  private static func line(
    _ cells: [Cell], _ widths: [Int], _ isNumber: [Bool], _ width: Int?, _ hasColour: Bool
  ) -> String {
    var line = ""
    var used = 0
    for (column, cell) in cells.enumerated() {
      let count = cell.text.unicodeScalars.count
      let filling = String(repeating: " ", count: widths[column] - count)
      let isLast = column == cells.count - 1
      if column > 0 { line += "  " }
      used += column > 0 ? 2 : 0
      let room = width.map { max(0, $0 - used) } ?? .max
      // A cell beyond the edge would begin a line of its own.
      let text = count <= room ? cell.text : String(String.UnicodeScalarView(cell.text.unicodeScalars.prefix(room)))
      let shown = hasColour && !text.isEmpty ? cell.style.applied(to: text) : text
      if room < widths[column] || isLast && !isNumber[column] {
        line += shown
      } else {
        line += isNumber[column] ? filling + shown : shown + filling
      }
      used += widths[column]
      if used >= width ?? .max { break }
    }
    while line.hasSuffix(" ") { line.removeLast() }
    return line
  }
}
