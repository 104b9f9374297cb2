import Foundation
import RoostAPI

/// Encodes values as JSON whose bytes follow from the value alone, in every process: idempotency needs a program that
/// crashed and submits again to send what it sent before, and Swift's hashing, which orders sets and dictionaries,
/// changes with every start.
///
/// Names are sorted by their UTF-16 and numbers written as RFC 8785 (JSON Canonicalization Scheme) does, but integers
/// keep all their digits. Elements of a `Set`, and pairs of a dictionary whose keys are no names, are sorted by their
/// own encoding. Dates are RFC 3339 in UTC with milliseconds, `Data` is base64.
enum CanonicalEncoder {
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let node = JSONNode()
    try node.fill(with: value, [])
    var json = JSONWriter(capacity: 256)
    node.write(into: &json)
    return json.bytes
  }
}

/// One value on its way to JSON. A class: containers and their encoders fill it in any order.
final class JSONNode {
  private enum Content {
    case nothing
    case raw([UInt8])
    case text(String)
    case array([JSONNode])
    case object([(name: String, value: JSONNode)])
  }

  private var content = Content.nothing

  var count: Int { if case .array(let elements) = content { elements.count } else { 0 } }

  // MARK: Filling

  func fill<Value: Encodable>(with value: Value, _ path: [any CodingKey]) throws {
    // Types are compared, not cast to: a payload's type is asked about all of these.
    if Value.self == String.self { return content = .text(value as! String) }
    if let number = try CanonicalNumber.text(value, path) { return content = .raw(Array(number.utf8)) }
    if Value.self == Date.self { return content = .text(try PayloadDate.text(value as! Date, path)) }
    if Value.self == Data.self { return content = .text((value as! Data).base64EncodedString()) }
    if Value.self == URL.self { return content = .text((value as! URL).absoluteString) }
    try value.encode(to: NodeEncoder(node: self, codingPath: path))
    if Value.self is any UnorderedElements.Type { sort(by: 1) }
    if let pairs = Value.self as? any UnorderedPairs.Type, !pairs.areNamed { sort(by: 2) }
  }

  func fillWithNull() { content = .raw(Array("null".utf8)) }

  /// A new value of the array that this becomes.
  func append() -> JSONNode {
    let element = JSONNode()
    if case .array(var elements) = content {
      content = .nothing
      elements.append(element)
      content = .array(elements)
    } else {
      content = .array([element])
    }
    return element
  }

  /// A new value of the object that this becomes; of two with one name the last counts.
  func add(_ name: String) -> JSONNode {
    let value = JSONNode()
    if case .object(var fields) = content {
      content = .nothing
      fields.append((name, value))
      content = .object(fields)
    } else {
      content = .object([(name, value)])
    }
    return value
  }

  func becomeArray() { if case .array = content {} else { content = .array([]) } }
  func becomeObject() { if case .object = content {} else { content = .object([]) } }

  /// Sorts groups of so many elements by the bytes of their first.
  private func sort(by size: Int) {
    guard case .array(let elements) = content, elements.count % size == 0 else { return }
    let groups = stride(from: 0, to: elements.count, by: size).map { start in
      (key: elements[start].bytes, values: elements[start..<start + size])
    }
    content = .array(groups.sorted { $0.key.lexicographicallyPrecedes($1.key) }.flatMap(\.values))
  }

  // MARK: Writing

  private var bytes: [UInt8] {
    var json = JSONWriter(capacity: 32)
    write(into: &json)
    return json.bytes
  }

  func write(into json: inout JSONWriter) {
    switch content {
    case .nothing:
      // A type without properties.
      json.beginObject()
      json.endObject()
    case .raw(let bytes): json.raw(bytes[...])
    case .text(let text): json.string(text)
    case .array(let elements):
      json.beginArray()
      for element in elements { element.write(into: &json) }
      json.endArray()
    case .object(let fields):
      json.beginObject()
      let sorted = fields.enumerated().sorted { left, right in
        left.element.name.utf16.elementsEqual(right.element.name.utf16)
          ? left.offset < right.offset
          : left.element.name.utf16.lexicographicallyPrecedes(right.element.name.utf16)
      }
      for (place, (_, field)) in sorted.enumerated() {
        let next = place + 1 < sorted.count ? sorted[place + 1].element.name : nil
        if let next, next.utf16.elementsEqual(field.name.utf16) { continue }
        json.anyKey(field.name)
        field.value.write(into: &json)
      }
      json.endObject()
    }
  }
}

/// A collection whose order is that of its hashes.
private protocol UnorderedElements {}
extension Set: UnorderedElements {}

/// A dictionary. Keys that are names become an object; others become an array, key and value in turn.
private protocol UnorderedPairs { static var areNamed: Bool { get } }
extension Dictionary: UnorderedPairs {
  static var areNamed: Bool { Key.self is any CodingKeyRepresentable.Type }
}
