import CHiredis
import NIOCore

/// Bytes into replies, by hiredis' parser. For one thread at a time.
///
/// It trusts no length that Redis sends: arrays are bounded before memory is taken for them, and so are the bytes
/// that may gather before a reply is complete.
final class RedisReplyReader {
  /// The bytes are not Redis' protocol, or too many of them make one reply.
  struct Malformed: Error {}

  private static let maximumElements: Int32 = 1 << 20
  private static let maximumReplyBytes = 64 << 20

  private let reader: UnsafeMutablePointer<redisReader>
  private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>
  private var bytesOfReply = 0

  init() {
    guard let reader = redisReaderCreate() else { preconditionFailure("memory for a reply reader") }
    self.reader = reader
    // hiredis allocates an array as long as its header says. The bound stands in a copy of its functions; the
    // originals are handed to the bound one as the reader's private data.
    let standard: UnsafeMutablePointer<redisReplyObjectFunctions> = reader.pointee.fn
    functions = .allocate(capacity: 1)
    functions.initialize(to: standard.pointee)
    functions.pointee.createArray = { task, elements in
      guard elements <= RedisReplyReader.maximumElements, let task, let standard = task.pointee.privdata else {
        return nil
      }
      return standard.assumingMemoryBound(to: redisReplyObjectFunctions.self).pointee.createArray(task, elements)
    }
    reader.pointee.privdata = UnsafeMutableRawPointer(standard)
    reader.pointee.fn = functions
  }

  deinit {
    redisReaderFree(reader)
    functions.deallocate()
  }

  /// Takes bytes as they came.
  func feed(_ buffer: ByteBuffer) throws(Malformed) {
    bytesOfReply += buffer.readableBytes
    guard bytesOfReply <= Self.maximumReplyBytes else { throw Malformed() }
    let status = buffer.withUnsafeReadableBytes { bytes in
      redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    guard status == REDIS_OK else { throw Malformed() }
  }

  /// The next whole reply; nil until more bytes come.
  func next() throws(Malformed) -> RedisReply? {
    var object: UnsafeMutableRawPointer?
    guard redisReaderGetReply(reader, &object) == REDIS_OK else { throw Malformed() }
    guard let object else { return nil }
    defer { freeReplyObject(object) }
    bytesOfReply = 0
    return try Self.reply(object.assumingMemoryBound(to: redisReply.self).pointee)
  }

  private static func reply(_ object: redisReply) throws(Malformed) -> RedisReply {
    switch object.type {
    case REDIS_REPLY_STRING: return .bytes(bytes(object))
    case REDIS_REPLY_STATUS: return .status(String(decoding: bytes(object), as: UTF8.self))
    case REDIS_REPLY_ERROR: return .error(code: errorCode(bytes(object)))
    case REDIS_REPLY_INTEGER: return .integer(object.integer)
    case REDIS_REPLY_NIL: return .null
    case REDIS_REPLY_ARRAY:
      var elements: [RedisReply] = []
      elements.reserveCapacity(object.elements)
      for index in 0..<object.elements {
        guard let element = object.element[index] else { throw Malformed() }
        elements.append(try reply(element.pointee))
      }
      return .array(elements)
    default: throw Malformed()
    }
  }

  private static func bytes(_ object: redisReply) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: object.str, count: object.len))
  }

  private static func errorCode(_ text: [UInt8]) -> String {
    let word = text.prefix { $0 != UInt8(ascii: " ") }
    let letters = UInt8(ascii: "A")...UInt8(ascii: "Z")
    let isCode = (2...32).contains(word.count) && word.allSatisfy(letters.contains)
    return isCode ? String(decoding: word, as: UTF8.self) : "ERR"
  }
}
