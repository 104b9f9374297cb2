import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP2
import RoostAPI

/// The value of a field that may be given once, as text; nil if it is not given.
///
/// A value is bytes, and the HTTP libraries make text of it: what is no UTF-8 becomes U+FFFD, so that two different
/// values become one. Such a value is refused, and U+FFFD itself with it: most likely it was lost the same way before.
func onlyText(_ name: HTTPField.Name, in fields: HTTPFields) throws(Rejection) -> String? {
  let values = fields[values: name]
  guard let value = values.first else { return nil }
  // Joined by commas they would be another value, which someone else may have given.
  guard values.count == 1 else {
    throw Rejection(.badRequest, field: name.rawName, "the header \(name.rawName) is given twice: give it once")
  }
  guard isText(value) else { throw notText(name.rawName) }
  return value
}

private func isText(_ value: String) -> Bool {
  !value.unicodeScalars.contains("\u{FFFD}") && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
}

/// The same of HTTP/1.1, where a head that gives the field twice is none.
func onlyText(_ name: String, _ value: UnsafeRawBufferPointer) throws(Rejection) -> String {
  guard let text = String(validating: value, as: UTF8.self), isText(text) else { throw notText(name) }
  return text
}

private func notText(_ name: String) -> Rejection {
  Rejection(
    .badRequest, field: name,
    "the header \(name) must be UTF-8 without control characters and U+FFFD: encode other bytes as text")
}

/// Marks control characters in the header fields of an HTTP/2 stream as what could not be read. The library behind it
/// would make spaces of them, and two different values would become one.
final class HeaderFieldBytes: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .headers(var frame) = unwrapInboundIn(data), frame.headers.contains(where: { Self.isAltered($0.value) })
    else { return context.fireChannelRead(data) }
    frame.headers = HPACKHeaders(
      frame.headers.map { name, value, _ in
        let scalars = value.unicodeScalars.map { Self.isAltered($0.value) ? "\u{FFFD}" : $0 }
        return (name, String(String.UnicodeScalarView(scalars)))
      })
    context.fireChannelRead(wrapInboundOut(.headers(frame)))
  }

  private static func isAltered(_ value: String) -> Bool {
    value.utf8.contains { isAltered(UInt32($0)) }
  }

  private static func isAltered(_ scalar: UInt32) -> Bool { (scalar < 0x20 && scalar != 0x09) || scalar == 0x7F }
}

/// What of a request's target stands before the query.
func pathPart(of target: String) -> Substring {
  target[..<(target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex)]
}
