import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import RoostAPI
import RoostKeys

/// A request of a stream on its way to a task, and the way back.
struct StreamRequest: Sendable {
  let request: IncomingRequest
  let judged: Result<HTTPFront.Admitted, Rejection>
  let exchange: Exchange
  let channel: any Channel

  func serve(_ front: HTTPFront, from peer: AddressBlock?) async {
    let reply =
      switch judged {
      case .failure(let rejection): front.refusal(rejection, of: request, exchange)
      case .success: await front.reply(to: request, judged, exchange, from: peer)
      }
    let head = Self.response(reply)
    do {
      guard let stream = reply.answer.stream else {
        return try await answer(head, reply.isHead ? nil : ByteBuffer(bytes: reply.answer.body))
      }
      var count = 0
      defer { front.note(reply, request, exchange, bytesOut: count) }
      stream.onDrop { [channel] in channel.close(promise: nil) }
      try await channel.writeAndFlush(HTTPResponsePart.head(head))
      while let part = await stream.next() {
        count += part.count
        // Waits until the client's window has taken it.
        try await channel.writeAndFlush(HTTPResponsePart.body(ByteBuffer(bytes: part)))
      }
      try await channel.writeAndFlush(HTTPResponsePart.end(nil))
    } catch {
      exchange.lost()
    }
  }

  /// Writes the whole answer and waits until the connection has taken it.
  private func answer(_ response: HTTPResponse, _ body: ByteBuffer?) async throws {
    let written = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { [channel] in
      channel.write(HTTPResponsePart.head(response), promise: nil)
      if let body { channel.write(HTTPResponsePart.body(body), promise: nil) }
      channel.writeAndFlush(HTTPResponsePart.end(nil), promise: written)
    }
    try await written.futureResult.get()
  }

  private static func response(_ reply: HTTPFront.Reply) -> HTTPResponse {
    let answer = reply.answer
    return head(
      answer.status, answer.contentType,
      length: answer.stream == nil && answer.status != 304 ? answer.body.count : nil, reply.id,
      answer.headers)
  }

  static func head(
    _ status: Int, _ contentType: String, length: Int?, _ id: RequestID, _ headers: [Rejection.Header]
  ) -> HTTPResponse {
    var fields = HTTPFields()
    fields.reserveCapacity(5 + headers.count)
    fields.append(HTTPField(name: .contentType, value: contentType))
    if let length { fields.append(HTTPField(name: .contentLength, value: String(length))) }
    fields.append(HTTPField(name: .requestID, value: id.description))
    fields.append(HTTPField(name: .date, value: HTTPDate.now))
    for header in headers {
      if let name = HTTPField.Name(header.name) { fields.append(HTTPField(name: name, value: header.value)) }
    }
    return HTTPResponse(status: HTTPResponse.Status(code: status), headerFields: fields)
  }
}
