/// What a job carries, as bytes: written once by the handler, copied unchanged by every carry.
///
/// Layout (little endian): lengths of queue, type, owner, traceparent (`u8` each), of metadata (24 bits), group (`u8`),
/// tags (24 bits), schedule (`u8`), payload (`u32`), the sealed checksum (`u32`); then queue, type, owner, traceparent,
/// group, schedule, metadata, tags and payload. Absent parts have length 0.
package struct JobBodyLayout {
  package static let headerBytes = 20
  package static let checksumOffset = 16

  package let queue: UnsafeRawBufferPointer
  package let type: UnsafeRawBufferPointer
  package let owner: UnsafeRawBufferPointer
  package let traceparent: UnsafeRawBufferPointer
  package let group: UnsafeRawBufferPointer
  /// The instant of the schedule that made the job, seconds since 1970 (`i64`), and the schedule's name.
  package let schedule: UnsafeRawBufferPointer
  package let metadata: UnsafeRawBufferPointer
  package let tags: UnsafeRawBufferPointer
  package let payload: UnsafeRawBufferPointer
  /// As it stands in the bytes: sealed with the job number once it is in the log.
  package let checksum: UInt32
  /// The bytes that the checksum covers: all after the header.
  package let covered: UnsafeRawBufferPointer

  /// Nil when the lengths do not fit the bytes exactly.
  @inline(__always)
  package init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = RecordReader(bytes)
    let (queueBytes, typeBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    let (ownerBytes, traceBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    let (metadataAndGroup, tagsAndSchedule) = (reader.get(UInt32.self), reader.get(UInt32.self))
    let payloadBytes = reader.get(UInt32.self)
    checksum = reader.get(UInt32.self)
    covered = reader.rest
    queue = reader.get(count: Int(queueBytes))
    type = reader.get(count: Int(typeBytes))
    owner = reader.get(count: Int(ownerBytes))
    traceparent = reader.get(count: Int(traceBytes))
    group = reader.get(count: Int(metadataAndGroup >> 24))
    schedule = reader.get(count: Int(tagsAndSchedule >> 24))
    metadata = reader.get(count: Int(metadataAndGroup & 0xFF_FFFF))
    tags = reader.get(count: Int(tagsAndSchedule & 0xFF_FFFF))
    payload = reader.get(count: Int(payloadBytes))
    guard reader.isExhausted else { return nil }
  }

  /// Encodes a body whose checksum is still unsealed.
  ///
  /// - Parameters:
  ///   - names: Queue, type, owner, traceparent and group; each at most 255 bytes.
  ///   - checksum: CRC32C of some bytes, from the layer that may compute one.
  package static func encode(
    queue: String, type: String, owner: String, traceparent: String, group: String, metadata: ArraySlice<UInt8>,
    tags: ArraySlice<UInt8>, payload: ArraySlice<UInt8>, checksum: (UnsafeRawBufferPointer) -> UInt32
  ) -> [UInt8] {
    let names = [queue, type, owner, traceparent, group]
    let nameBytes = names.reduce(0) { $0 + $1.utf8.count }
    let total = headerBytes + nameBytes + metadata.count + tags.count + payload.count
    var bytes = [UInt8]()
    bytes.reserveCapacity(total)
    for name in names.dropLast() { bytes.append(UInt8(name.utf8.count)) }
    for count in [metadata.count | group.utf8.count << 24, tags.count, payload.count, 0] {
      withUnsafeBytes(of: UInt32(count).littleEndian) { bytes.append(contentsOf: $0) }
    }
    for name in names { bytes.append(contentsOf: name.utf8) }
    bytes.append(contentsOf: metadata)
    bytes.append(contentsOf: tags)
    bytes.append(contentsOf: payload)
    let sum = bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0[headerBytes...])) }
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: sum.littleEndian, toByteOffset: checksumOffset, as: UInt32.self)
    }
    return bytes
  }
}

extension JobBodyLayout {
  /// The body of a job that a schedule makes, its checksum still unsealed: this one, with the schedule's name.
  ///
  /// - Parameter instant: Seconds since 1970.
  package func encoded(
    schedule name: [UInt8], at instant: Int64, checksum: (UnsafeRawBufferPointer) -> UInt32
  ) -> [UInt8] {
    let scheduleBytes = 8 + name.count
    let names = [queue, type, owner, traceparent, group]
    var bytes = [UInt8]()
    bytes.reserveCapacity(Self.headerBytes + covered.count + scheduleBytes)
    for name in names.dropLast() { bytes.append(UInt8(name.count)) }
    for count in [metadata.count | group.count << 24, tags.count | scheduleBytes << 24, payload.count, 0] {
      withUnsafeBytes(of: UInt32(count).littleEndian) { bytes.append(contentsOf: $0) }
    }
    for name in names { bytes.append(contentsOf: name) }
    withUnsafeBytes(of: instant.littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: name)
    for part in [metadata, tags, payload] { bytes.append(contentsOf: part) }
    let sum = bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0[Self.headerBytes...])) }
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: sum.littleEndian, toByteOffset: Self.checksumOffset, as: UInt32.self)
    }
    return bytes
  }

  /// The schedule that made the job, and the instant; nil where none did.
  package var madeBy: (name: String, instant: Int64)? {
    var reader = RecordReader(schedule)
    let instant = reader.get(Int64.self)
    return reader.isShort ? nil : (String(decoding: reader.rest, as: UTF8.self), instant)
  }
}

/// What binds a checksum to one job: bytes of another job do not pass for this one's.
package func checksumSeal(_ number: UInt64) -> UInt32 {
  let mixed = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
  return UInt32(truncatingIfNeeded: mixed >> 32)
}
