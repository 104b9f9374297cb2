/// Where jobs are delivered by HTTP, as it stands in a job's body and in a queue's settings: bytes of the origin (`u8`), the
/// origin (`https://example.com:8443`, with the port only where it is not the scheme's own), and the rest of the URL.
package struct PushTarget {
  /// Bytes of a URL at most.
  package static let mostURLBytes = 2_048
  static let mostBytes = 1 + mostURLBytes

  package let origin: UnsafeRawBufferPointer
  package let rest: UnsafeRawBufferPointer

  /// Nil where the bytes are no target.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 1, bytes.count <= Self.mostBytes else { return nil }
    let count = Int(bytes[0])
    guard count > 0, 1 + count <= bytes.count else { return nil }
    origin = UnsafeRawBufferPointer(rebasing: bytes[1..<1 + count])
    rest = UnsafeRawBufferPointer(rebasing: bytes[(1 + count)...])
  }

  /// - Parameter origin: 1…255 bytes.
  package static func encode(origin: String, rest: String) -> [UInt8] {
    [UInt8(origin.utf8.count)] + origin.utf8 + rest.utf8
  }

  package var url: String { String(decoding: origin, as: UTF8.self) + String(decoding: rest, as: UTF8.self) }
}

/// What is posted to a target; raw values stand in the log.
package enum PushBody: Int64, Sendable, CaseIterable {
  /// An object that holds the payload and what is known of the job.
  case job = 0
  /// The payload alone.
  case payload = 1

  /// The name on the wire.
  package var name: String { self == .job ? "job" : "payload" }
}

/// The leases under which the daemon itself delivers jobs.
enum PushLease {
  /// In place of an API key's id and of a worker's name: neither can be this.
  static let name: StaticString = "_push"
  /// What a lease lasts beyond the time that a delivery may take: its end is told before.
  static let spareMilliseconds: Int64 = 10_000

  static var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
  }

  @inline(__always)
  static func isOne(_ keyID: UnsafeRawBufferPointer) -> Bool {
    keyID.count == name.utf8CodeUnitCount && keyID.elementsEqual(bytes)
  }
}

extension JobBodyLayout {
  /// Where the job itself says that it is delivered.
  package var target: PushTarget? { options[.callback].flatMap { PushTarget($0) } }

  /// That target's origin; empty where the job says none.
  @inline(__always)
  var origin: UnsafeRawBufferPointer {
    options.isEmpty ? options.bytes : target?.origin ?? UnsafeRawBufferPointer(start: nil, count: 0)
  }
}
