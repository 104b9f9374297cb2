import Foundation
import RoostAPI

/// The fields of one object of an answer, values still raw. What is not asked for is ignored: the daemon may be newer.
struct JSONFields {
  private var fields: [(name: String, value: ArraySlice<UInt8>)] = []

  init(_ bytes: [UInt8]) throws(RoostError) {
    fields.reserveCapacity(16)
    do throws(Rejection) {
      var reader = JSONReader(bytes)
      try reader.dictionary("") { (name, json) throws(Rejection) in
        fields.append((name, try json.rawValue()))
      }
      try reader.finish()
    } catch {
      throw RoostError(.unexpectedAnswer, "the answer is not what the contract says: \(error.message)")
    }
  }

  /// A value as it was sent; nil if it is absent or null.
  func raw(_ name: String) -> ArraySlice<UInt8>? {
    guard let value = fields.first(where: { $0.name == name })?.value, !value.elementsEqual("null".utf8) else {
      return nil
    }
    return value
  }

  func text(_ name: String) -> String? {
    guard let raw = raw(name) else { return nil }
    // Most texts have no escapes: what stands between the quotes is the text.
    if raw.first == UInt8(ascii: "\""), !raw.contains(UInt8(ascii: "\\")) {
      return String(decoding: raw.dropFirst().dropLast(), as: UTF8.self)
    }
    var reader = JSONReader(Array(raw))
    return try? reader.string(name)
  }

  func integer(_ name: String) -> Int? { raw(name).flatMap { Int(String(decoding: $0, as: UTF8.self)) } }
  func flag(_ name: String) -> Bool { raw(name)?.elementsEqual("true".utf8) ?? false }
  func json(_ name: String) -> RawJSON? { raw(name).map { RawJSON(trusted: $0) } }
  func date(_ name: String) -> Date? {
    text(name).flatMap { Timestamp.milliseconds($0) }.map { Date(milliseconds: $0) }
  }
  func duration(_ name: String) -> Duration? {
    text(name).flatMap { DurationText.milliseconds($0) }.map { .milliseconds($0) }
  }
  func object(_ name: String) -> JSONFields? { raw(name).flatMap { try? JSONFields(Array($0)) } }

  /// The elements of an array, raw.
  func elements(_ name: String) -> [[UInt8]]? {
    guard let raw = raw(name) else { return nil }
    var found: [[UInt8]] = []
    do throws(Rejection) {
      var reader = JSONReader(Array(raw))
      try reader.array(name) { (_, json) throws(Rejection) in found.append(Array(try json.rawValue())) }
    } catch {
      return nil
    }
    return found
  }

  /// The names and values of an object of strings.
  func texts(_ name: String) -> [String: String] {
    guard let object = object(name) else { return [:] }
    return object.fields.reduce(into: [:]) { texts, field in texts[field.name] = object.text(field.name) }
  }

  /// The names and values of those that are strings.
  var allTexts: [String: String] {
    fields.reduce(into: [:]) { texts, field in texts[field.name] = text(field.name) }
  }

  /// The names and values of an object of integers.
  func integers(_ name: String) -> [String: Int] {
    guard let object = object(name) else { return [:] }
    return object.fields.reduce(into: [:]) { counts, field in counts[field.name] = object.integer(field.name) }
  }

  /// A value that the contract promises.
  func required<Value>(_ name: String, _ value: (JSONFields) -> (String) -> Value?) throws(RoostError) -> Value {
    guard let value = value(self)(name) else {
      throw RoostError(.unexpectedAnswer, "the answer has no \(name) as the contract describes it")
    }
    return value
  }
}
