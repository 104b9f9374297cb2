import Foundation
import RoostAPI

/// One JSON value, kept byte for byte: a payload or a result as it is on the wire.
/// Numbers, key order and escapes come back exactly as they were sent.
public struct RawJSON: Sendable, Hashable, CustomStringConvertible {
  /// The value as UTF-8.
  public let bytes: [UInt8]

  /// Takes text that is JSON already, such as `{"to": "ada@example.org"}`.
  ///
  /// - Throws: ``RoostError`` with code `invalid_json` if it is not exactly one JSON value.
  public init(_ text: String) throws(RoostError) {
    try self.init(bytes: Array(text.utf8))
  }

  /// Takes bytes that are JSON already.
  ///
  /// - Throws: ``RoostError`` with code `invalid_json` if they are not exactly one JSON value.
  public init(bytes: [UInt8]) throws(RoostError) {
    do throws(Rejection) {
      var reader = JSONReader(bytes)
      let value = try reader.rawValue()
      try reader.finish()
      self.bytes = value.count == bytes.count ? bytes : Array(value)
    } catch {
      throw RoostError(.invalidJSON, error.message)
    }
  }

  /// Encodes a value. Dates become RFC 3339 in UTC with milliseconds (years 0000 to 9999), `Data` becomes base64.
  ///
  /// The bytes follow from the value alone, in every process: names are sorted, elements of a `Set` and pairs of a
  /// dictionary, too, and numbers are written in one way (RFC 8785; integers keep all their digits). What a type's own
  /// `encode(to:)` takes from a hash's order, element by element, stays as it took it.
  ///
  /// - Throws: ``RoostError`` with code `encoding_failed`.
  public init(encoding value: some Encodable) throws(RoostError) {
    do {
      self.init(trusted: try CanonicalEncoder.encode(value)[...])
    } catch {
      throw RoostError(.encodingFailed, "\(type(of: value)) could not be encoded: \(describe(error))")
    }
  }

  /// Bytes known to be one JSON value.
  package init(trusted bytes: ArraySlice<UInt8>) {
    self.bytes = Array(bytes)
  }

  /// Decodes the value; the reverse of ``init(encoding:)``.
  ///
  /// - Throws: ``RoostError`` with code `decoding_failed`, which names the path that did not fit.
  public func decode<Value: Decodable>(as type: Value.Type = Value.self) throws(RoostError) -> Value {
    do {
      return try jsonDecoder.decode(type, from: Data(bytes))
    } catch {
      throw RoostError(.decodingFailed, "this is no \(type): \(describe(error))")
    }
  }

  /// The value as text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  public var description: String { text }
}

// Not changed after it was made.
private let jsonDecoder: JSONDecoder = {
  let decoder = JSONDecoder()
  decoder.dateDecodingStrategy = .custom { decoder in
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let date = PayloadDate.date(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "this is no RFC 3339 time")
    }
    return date
  }
  return decoder
}()

/// What a person needs of an error from `Codable`: the path and the reason, not the enum around them.
private func describe(_ error: any Error) -> String {
  let context: DecodingError.Context
  switch error {
  case let error as RoostError: return error.message
  case EncodingError.invalidValue(_, let invalid): return reason(invalid.debugDescription, invalid.codingPath)
  case DecodingError.keyNotFound(let key, let found):
    return reason("there is no \"\(key.stringValue)\"", found.codingPath)
  case DecodingError.typeMismatch(_, let found), DecodingError.valueNotFound(_, let found),
    DecodingError.dataCorrupted(let found):
    context = found
  default: return "\(error)"
  }
  return reason(context.debugDescription, context.codingPath)
}

private func reason(_ text: String, _ path: [any CodingKey]) -> String {
  let names = path.map { $0.intValue.map { "[\($0)]" } ?? "." + $0.stringValue }.joined()
  return names.isEmpty ? text : "at \(names.drop { $0 == "." }): \(text)"
}

extension Date {
  /// Since 1970, rounded; what 64 bits do not hold, clamped.
  var milliseconds: Int64 {
    let exact = (timeIntervalSince1970 * 1_000).rounded()
    return Int64(exactly: exact) ?? (exact < 0 ? .min : .max)
  }

  init(milliseconds: Int64) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1_000)
  }
}

extension Duration {
  /// Rounded up, so that nothing asked for becomes nothing; negative durations count as zero.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let whole = seconds.multipliedReportingOverflow(by: 1_000)
    guard !whole.overflow else { return .max }
    return whole.partialValue + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
