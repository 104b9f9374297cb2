import Foundation

/// An answer of the daemon as a table reads it: what is not asked for is not looked at.
enum JSONValue: Decodable {
  case null
  case truth(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// - Returns: Nil for what is no JSON.
  init?(_ bytes: [UInt8]) {
    guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else { return nil }
    self = value
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .truth(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// What stands at a path such as `counts.READY` or `next.0`; null where nothing does.
  subscript(_ path: String) -> JSONValue {
    var value = self
    for name in path.split(separator: ".") {
      switch value {
      case .object(let fields): value = fields[String(name)] ?? .null
      case .array(let items): value = Int(name).flatMap { items.indices.contains($0) ? items[$0] : nil } ?? .null
      default: return .null
      }
    }
    return value
  }

  var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }
  var fields: [String: JSONValue] { if case .object(let fields) = self { fields } else { [:] } }
  var string: String? { if case .text(let text) = self { text } else { nil } }
  var int: Int? { if case .integer(let number) = self { number } else { nil } }
  var bool: Bool { if case .truth(let value) = self { value } else { false } }

  /// As a cell of a table shows it, without what could move a cursor.
  var shown: String {
    switch self {
    case .null: ""
    case .truth(let value): value ? "yes" : "no"
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .text(let text): inert(text)
    case .array(let items): items.map(\.shown).joined(separator: ", ")
    case .object(let fields):
      fields.sorted { $0.key < $1.key }.map { "\(inert($0.key))=\($0.value.shown)" }.joined(separator: " ")
    }
  }
}
