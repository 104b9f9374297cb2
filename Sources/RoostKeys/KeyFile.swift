import Crypto
import Foundation
import RoostAPI

/// The bytes of `keys.json`: `{"checksum":"<SHA-256>","store":{"format":1,"keys":[…]}}` and a newline.
/// It is JSON, and the checksum covers the exact bytes of the value of `store`, so that no re-encoding is compared.
enum KeyFile {
  static let format = 1

  /// What the file holds.
  struct Content {
    var records: [KeyRecord] = []
    /// Records that cannot be read. Their bytes are kept and written again: a change of another key is no reason to
    /// lose them.
    var damaged: [DamagedRecord] = []
  }

  /// A record under the file's checksum that Roost would not have written.
  struct DamagedRecord {
    /// nil if not even that can be read.
    let id: String?
    let reason: String
    fileprivate let bytes: ArraySlice<UInt8>
  }

  private struct FormatOnly: Codable {
    var format: Int
  }

  private struct IDOnly: Codable {
    var id: String
  }

  private enum StoreField: String, CaseIterable { case format, keys }

  private static let storeFields = FieldTable(StoreField.self)
  private static let opening = Array("{\"checksum\":\"".utf8)
  private static let middle = Array("\",\"store\":".utf8)
  private static let ending = Array("}\n".utf8)
  private static let checksumDigits = SHA256.byteCount * 2

  static func encode(_ records: [KeyRecord], keeping damaged: [DamagedRecord] = []) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var keys = records.map { record in
      guard let json = try? encoder.encode(record) else {
        preconditionFailure("a record consists of texts and numbers, which always encode")
      }
      return Array(json)
    }
    keys += damaged.map { Array($0.bytes) }
    let list = Array(keys.joined(separator: [UInt8(ascii: ",")]))
    let store = Array("{\"format\":\(format),\"keys\":[".utf8) + list + Array("]}".utf8)
    return opening + Array(checksum(store).utf8) + middle + store + ending
  }

  /// Reads the file's bytes. Throws `.corrupt` for anything that was not written so, `.unknownFormat` for a later one.
  static func decode(_ bytes: [UInt8], file: String) throws(KeyStoreError) -> Content {
    let overhead = opening.count + checksumDigits + middle.count + ending.count
    let storeStart = overhead - ending.count
    guard bytes.count > overhead, bytes.starts(with: opening),
      bytes[(opening.count + checksumDigits)..<storeStart].elementsEqual(middle),
      bytes.suffix(ending.count).elementsEqual(ending)
    else {
      throw .corrupt(file: file, expected: "a checksum and a store", found: "\(bytes.count) bytes of another shape")
    }
    let store = Array(bytes[storeStart..<(bytes.count - ending.count)])
    let expected = String(decoding: bytes[opening.count..<(opening.count + checksumDigits)], as: UTF8.self)
    let found = checksum(store)
    guard expected.utf8.elementsEqual(found.utf8) else {
      throw .corrupt(file: file, expected: "checksum \(inert(expected))", found: found)
    }
    if let later = try? JSONDecoder().decode(FormatOnly.self, from: Data(store)), later.format != format {
      throw .unknownFormat(file: file, found: later.format, supported: format)
    }
    return try content(of: store, file)
  }

  private static func content(of store: [UInt8], _ file: String) throws(KeyStoreError) -> Content {
    var content = Content()
    var hasKeys = false
    do throws(Rejection) {
      var json = JSONReader(store)
      try json.object("", storeFields) { (field, json) throws(Rejection) in
        guard field == .keys else { return _ = try json.rawValue() }
        hasKeys = true
        try json.array(field.rawValue) { (_, json) throws(Rejection) in add(try json.rawValue(), to: &content) }
      }
      try json.finish()
    } catch {
      // Not the reader's own words: they could quote a hash.
      hasKeys = false
    }
    guard hasKeys else { throw .corrupt(file: file, expected: "a list of keys", found: "fields of another shape") }
    return content
  }

  private static func add(_ bytes: ArraySlice<UInt8>, to content: inout Content) {
    let (decoder, json) = (JSONDecoder(), Data(bytes))
    do {
      content.records.append(try decoder.decode(KeyRecord.self, from: json))
    } catch {
      let id = (try? decoder.decode(IDOnly.self, from: json)).map(\.id).flatMap { APIKey.isID($0.utf8) ? $0 : nil }
      let reason = (error as? KeyRecord.Damage)?.reason ?? "has a field that is missing or cannot be read"
      content.damaged.append(DamagedRecord(id: id, reason: reason, bytes: bytes))
    }
  }

  private static func checksum(_ store: [UInt8]) -> String {
    Hexadecimal.text(SHA256.hash(data: store))
  }

  /// Damaged bytes shall not reach a terminal as they are.
  private static func inert(_ text: String) -> String {
    String(decoding: text.utf8.map { Base62.isDigit($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}
