/// What a job may say beyond what every job has; raw values stand in the log.
package enum JobOption: UInt8, Sendable, CaseIterable {
  /// When it is too late to run.
  case expires = 1
  /// The key that no other job of its owner may have.
  case unique = 2
  /// The jobs it waits for, as they were asked for: a `DependencyList`. It counts for idempotency keys; in the log the
  /// list stands beside the body, with the ids that the core gave.
  case dependencies = 3
  /// The batch it belongs to.
  case batch = 4
  /// Where it is delivered by HTTP.
  case callback = 5
  /// `tracestate` of W3C Trace Context.
  case tracestate = 6
}

/// The options of a job, as they stand in its body: tag (`u8`), bytes (`u16`) and value of each, in the order of the
/// tags, each at most once. A job without options has no bytes for them.
package struct JobOptions {
  package static var none: JobOptions { JobOptions(unchecked: UnsafeRawBufferPointer(start: nil, count: 0)) }
  /// Of all options of a job: 1,000 dependencies are the longest.
  package static let mostBytes = 24 << 10

  package let bytes: UnsafeRawBufferPointer

  private init(unchecked bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Nil where the bytes are no options, or one is not known.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = RecordReader(bytes)
    var last: UInt8 = 0
    while !reader.isAtEnd {
      let tag = reader.get(UInt8.self)
      _ = reader.get(count: Int(reader.get(UInt16.self)))
      guard !reader.isShort, tag > last, JobOption(rawValue: tag) != nil else { return nil }
      last = tag
    }
    self.bytes = bytes
  }

  package var isEmpty: Bool { bytes.isEmpty }

  /// The value of an option; nil where the job does not have it.
  package subscript(_ option: JobOption) -> UnsafeRawBufferPointer? {
    var reader = RecordReader(bytes)
    while !reader.isAtEnd {
      let tag = reader.get(UInt8.self)
      let value = reader.get(count: Int(reader.get(UInt16.self)))
      if tag == option.rawValue { return value }
    }
    return nil
  }

  /// - Parameter values: At most 65,535 bytes each.
  package static func encode(_ values: [JobOption: [UInt8]]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (option, value) in values.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      bytes.append(option.rawValue)
      withUnsafeBytes(of: UInt16(value.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: value)
    }
    return bytes
  }
}
