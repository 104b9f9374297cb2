import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import RoostAPI
import RoostGRPC
import RoostProto
import RoostServer
import Testing

/// What of a call is kept before it is known whose it is, and how long.
@Suite("gRPC gate")
struct CallGateTests {
  /// A call of a method with one message, whose message comes as the test wants.
  private static func call(
    _ method: MethodDescriptor, to port: Int, _ metadata: Metadata,
    _ messages: @Sendable @escaping (RPCWriter<Roost_V1_SubmitRequest>) async throws -> Void
  ) async throws -> Roost_V1_SubmitResponse {
    try await withGRPCClient(
      transport: try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
    ) { client in
      try await client.clientStreaming(
        request: StreamingClientRequest(metadata: metadata, producer: messages), descriptor: method,
        serializer: ProtobufSerializer<Roost_V1_SubmitRequest>(),
        deserializer: ProtobufDeserializer<Roost_V1_SubmitResponse>(), options: .defaults
      ) { try $0.message }
    }
  }

  private static let submit = Roost_V1_Roost.Method.Submit.descriptor

  private static func request(bytes: Int) -> Roost_V1_SubmitRequest {
    var request = Roost_V1_SubmitRequest()
    request.payload = Data("\"\(String(repeating: "x", count: bytes - 2))\"".utf8)
    return request
  }

  @Test("each call without a key is refused before its message has come, with the status and code that it had always")
  func judgedFirst() async throws {
    try await GRPCDaemon.run { daemon in
      for method in Roost_V1_Roost.Method.descriptors {
        let isRefused = Event()
        let refused = await refusal {
          // Nothing is sent until the refusal is there: who waits for the message waits for ever.
          defer { isRefused.happen() }
          return try await Self.call(method, to: daemon.port, [:]) { _ in await isRefused.wait() }
        }
        #expect(refused?.status == .unauthenticated && refused?.code == "missing_key", "\(method.method)")
        #expect((refused?.body["message"] as? String)?.isEmpty == false, "\(method.method)")
        #expect((refused?.body["request_id"] as? String)?.isEmpty == false, "\(method.method)")
      }
      let metrics = try await daemon.metrics()
      #expect(metrics.contains(#"roost_grpc_requests_total{method="Submit",status="UNAUTHENTICATED"} 1"#))
      #expect(metrics.contains(#"roost_grpc_refusals_total{code="missing_key"} 10"#))
    }
  }

  @Test("bytes of a call count until it is answered; those of a refused one are dropped")
  func counted() async throws {
    let budget = ByteBudget(limit: 512 << 20)
    try await GRPCDaemon.run(server: { $0.budget = budget }) { daemon in
      let goOn = Event()
      async let answer = Self.call(Self.submit, to: daemon.port, bearer(daemon.client)) { writer in
        try await writer.write(Self.request(bytes: 1_000_000))
        await goOn.wait()
      }
      try await until("its message is counted") { budget.bytes >= 1_000_000 }
      let before = budget.bytes
      let wrong = await refusal {
        try await Self.call(Self.submit, to: daemon.port, bearer("nonsense")) { writer in
          try await writer.write(Self.request(bytes: 1_000_000))
        }
      }
      #expect(wrong?.code == "invalid_key")
      try await until("nothing of it is kept") { budget.bytes == before }
      goOn.happen()
      #expect(try await answer.state == "READY")
      try await until("it is answered") { budget.bytes == 0 }
    }
  }

  @Test("without room a call is refused by its metadata, and taken when there is some again")
  func noRoom() async throws {
    let budget = ByteBudget(limit: 1 << 20)
    try await GRPCDaemon.run(server: { $0.budget = budget }) { daemon in
      // Its key is known from now on: the store is not asked.
      _ = try await daemon.submit()
      try await until("nothing is under way") { budget.bytes == 0 }
      budget.add(1 << 20)
      let refused = await refusal { try await daemon.submit() }
      #expect(refused?.status == .unavailable && refused?.code == "overloaded")
      budget.remove(1 << 20)
      _ = try await daemon.submit()
      try await until("nothing is under way") { budget.bytes == 0 }
    }
  }

  @Test("fault 35: a message that does not come in time ends its call, and gives its room back")
  func slowMessage() async throws {
    let budget = ByteBudget(limit: 512 << 20)
    try await GRPCDaemon.run(server: {
      $0.budget = budget
      $0.bodyTimeout = .milliseconds(300)
    }) { daemon in
      let isRefused = Event()
      let refused = await refusal {
        defer { isRefused.happen() }
        return try await Self.call(Self.submit, to: daemon.port, bearer(daemon.client)) { writer in
          try await writer.write(Self.request(bytes: 1_000))
          await isRefused.wait()
        }
      }
      #expect(refused?.status == .deadlineExceeded && refused?.code == "request_timeout")
      try await until("nothing of it is kept") { budget.bytes == 0 }
    }
  }

  @Test("a method that there is not, and a message that is too large, end as they did without the gate")
  func ofTheLibrary() async throws {
    try await GRPCDaemon.run { daemon in
      let unknown = MethodDescriptor(fullyQualifiedService: "roost.v1.Roost", method: "Nothing")
      let refused = await refusal {
        try await Self.call(unknown, to: daemon.port, [:]) { try await $0.write(Self.request(bytes: 100)) }
      }
      #expect(refused?.status == .unimplemented && refused?.code == "")
      await #expect(throws: RPCError.self) {
        try await Self.call(Self.submit, to: daemon.port, bearer(daemon.client)) {
          try await $0.write(Self.request(bytes: (4 << 20) + 100))
        }
      }
      // The connection of others goes on.
      _ = try await daemon.submit()
    }
  }
}
