/// What a job carries, as bytes: written once by the handler, copied unchanged by every carry.
///
/// Layout (little endian): the sealed checksums of the head and of the payload (`u32` each); then the head: lengths of
/// queue, type, owner, traceparent (`u8` each), of metadata, tags, payload (`u32` each), and these parts but the last in
/// that order; then the payload. Absent parts have length 0. The head has a checksum of its own, so that a list can read
/// and believe it without the payload.
package struct JobBodyLayout {
  /// Checksums and lengths.
  package static let headerBytes = 24
  package static let headChecksumOffset = 0
  package static let payloadChecksumOffset = 4
  private static let headOffset = 8

  package let queue: UnsafeRawBufferPointer
  package let type: UnsafeRawBufferPointer
  package let owner: UnsafeRawBufferPointer
  package let traceparent: UnsafeRawBufferPointer
  package let metadata: UnsafeRawBufferPointer
  package let tags: UnsafeRawBufferPointer
  /// Empty where only the head was read.
  package let payload: UnsafeRawBufferPointer
  /// As they stand in the bytes: sealed with the job number once they are in the log.
  package let headChecksum: UInt32
  package let payloadChecksum: UInt32
  /// What the head's checksum covers.
  package let head: UnsafeRawBufferPointer

  /// Nil when the lengths do not fit the bytes exactly.
  @inline(__always)
  package init?(_ bytes: UnsafeRawBufferPointer) {
    self.init(bytes, isHead: false)
  }

  /// The head of a body of which these are the first bytes; nil when they are too few, see `headBytes`.
  package init?(headOf bytes: UnsafeRawBufferPointer) {
    self.init(bytes, isHead: true)
  }

  @inline(__always)
  private init?(_ bytes: UnsafeRawBufferPointer, isHead: Bool) {
    var reader = RecordReader(bytes)
    headChecksum = reader.get()
    payloadChecksum = reader.get()
    let (queueBytes, typeBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    let (ownerBytes, traceBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    let (metadataBytes, tagsBytes) = (reader.get(UInt32.self), reader.get(UInt32.self))
    let payloadBytes = reader.get(UInt32.self)
    queue = reader.get(count: Int(queueBytes))
    type = reader.get(count: Int(typeBytes))
    owner = reader.get(count: Int(ownerBytes))
    traceparent = reader.get(count: Int(traceBytes))
    metadata = reader.get(count: Int(metadataBytes))
    tags = reader.get(count: Int(tagsBytes))
    guard !reader.isShort else { return nil }
    head = UnsafeRawBufferPointer(rebasing: bytes[Self.headOffset..<reader.at])
    payload = isHead ? UnsafeRawBufferPointer(start: nil, count: 0) : reader.get(count: Int(payloadBytes))
    guard isHead || reader.isExhausted else { return nil }
  }

  /// How many bytes of a body hold its head, told by the first `headerBytes`; nil when there are fewer.
  package static func headBytes(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard bytes.count >= headerBytes else { return nil }
    let names = (8..<12).reduce(0) { $0 + Int(bytes[$1]) }
    let parts = [12, 16].reduce(0) {
      $0 + Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $1, as: UInt32.self)))
    }
    return headerBytes + names + parts
  }

  /// Encodes a body whose checksums are still unsealed.
  ///
  /// - Parameters:
  ///   - names: Queue, type, owner and traceparent; each at most 255 bytes.
  ///   - checksum: CRC32C of some bytes, from the layer that may compute one.
  package static func encode(
    queue: String, type: String, owner: String, traceparent: String, metadata: ArraySlice<UInt8>,
    tags: ArraySlice<UInt8>, payload: ArraySlice<UInt8>, checksum: (UnsafeRawBufferPointer) -> UInt32
  ) -> [UInt8] {
    let names = [queue, type, owner, traceparent]
    let nameBytes = names.reduce(0) { $0 + $1.utf8.count }
    let total = headerBytes + nameBytes + metadata.count + tags.count + payload.count
    var bytes = [UInt8]()
    bytes.reserveCapacity(total)
    bytes.append(contentsOf: repeatElement(0, count: headOffset))
    for name in names { bytes.append(UInt8(name.utf8.count)) }
    for count in [metadata.count, tags.count, payload.count] {
      withUnsafeBytes(of: UInt32(count).littleEndian) { bytes.append(contentsOf: $0) }
    }
    for name in names { bytes.append(contentsOf: name.utf8) }
    bytes.append(contentsOf: metadata)
    bytes.append(contentsOf: tags)
    let headEnd = bytes.count
    bytes.append(contentsOf: payload)
    bytes.withUnsafeMutableBytes { bytes in
      let head = checksum(UnsafeRawBufferPointer(rebasing: bytes[headOffset..<headEnd]))
      let payload = checksum(UnsafeRawBufferPointer(rebasing: bytes[headEnd...]))
      bytes.storeBytes(of: head.littleEndian, toByteOffset: headChecksumOffset, as: UInt32.self)
      bytes.storeBytes(of: payload.littleEndian, toByteOffset: payloadChecksumOffset, as: UInt32.self)
    }
    return bytes
  }
}

extension JobBodyLayout {
  /// Seals the checksums of a body that was just written with its job's number.
  static func seal(_ body: UnsafeMutableRawPointer, number: UInt64) {
    for offset in [headChecksumOffset, payloadChecksumOffset] {
      let sum = UInt32(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      body.storeBytes(of: (sum ^ checksumSeal(number)).littleEndian, toByteOffset: offset, as: UInt32.self)
    }
  }
}

/// What binds a checksum to one job: bytes of another job do not pass for this one's.
package func checksumSeal(_ number: UInt64) -> UInt32 {
  let mixed = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
  return UInt32(truncatingIfNeeded: mixed >> 32)
}
