import Foundation
import NIOSSL
import RoostServer
import Testing

/// Certificates, the versions they are shown with, and their replacement.
@Suite("TLS") struct TLSTests {
  @Test("with TLS a client gets HTTP/2 or HTTP/1.1, whichever it asks for, and without it nothing")
  func versions() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let second = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { second.close() }
      #expect(second.secure.negotiated == "h2")
      #expect(try await second.ask(1, "GET", "/health").text == "OK")
      let first = try await SecureConnection(
        port: daemon.port, authority: certificates.authority, protocols: ["http/1.1"])
      defer { first.close() }
      #expect(first.negotiated == "http/1.1")
      first.send(Connection.request("GET", "/health", nil, nil))
      #expect(String(decoding: try await first.take(15), as: UTF8.self) == "HTTP/1.1 200 OK")
      let plain = try Connection(port: daemon.port)
      defer { plain.close() }
      plain.send(Connection.request("GET", "/health", nil, nil))
      #expect(!String(decoding: try await plain.rest(), as: UTF8.self).contains("HTTP"))
    }
  }

  @Test("a version before TLS 1.2 is refused")
  func oldVersion() async throws {
    try await TestDaemon.secure { daemon, certificates in
      await #expect(throws: SecureConnection.Closed.self) {
        try await SecureConnection(port: daemon.port, authority: certificates.authority) {
          $0.minimumTLSVersion = .tlsv1
          $0.maximumTLSVersion = .tlsv11
        }
      }
      let current = try await SecureConnection(port: daemon.port, authority: certificates.authority) {
        $0.maximumTLSVersion = .tlsv12
      }
      current.close()
    }
  }

  @Test("a replaced certificate is shown to new connections after a reload, and the old ones go on")
  func reload() async throws {
    try await TestCertificates.with { certificates in
      let identity = try certificates.identity()
      try await TestDaemon.run({ $0.tls = identity }) { daemon in
        let before = try await FrameConnection(port: daemon.port, authority: certificates.authority)
        defer { before.close() }
        try await certificates.issue("server")
        try identity.reload()
        let after = try await FrameConnection(port: daemon.port, authority: certificates.authority)
        defer { after.close() }
        #expect(!after.secure.serialNumber.isEmpty && after.secure.serialNumber != before.secure.serialNumber)
        #expect(try await before.ask(1, "GET", "/health").text == "OK")
        #expect(try await after.ask(1, "GET", "/health").text == "OK")
      }
    }
  }

  @Test("a pair that cannot be used keeps the one in use, and the error names the file")
  func badPair() async throws {
    try await TestCertificates.with { certificates in
      let identity = try certificates.identity()
      try await TestDaemon.run({ $0.tls = identity }) { daemon in
        func serial() async throws -> [UInt8] {
          let connection = try await SecureConnection(port: daemon.port, authority: certificates.authority)
          connection.close()
          return connection.serialNumber
        }
        let first = try await serial()
        try await certificates.issue("other")
        let key = try Data(contentsOf: URL(fileURLWithPath: certificates.path("server.key")))
        let other = try Data(contentsOf: URL(fileURLWithPath: certificates.path("other.key")))
        func expectRefused(_ words: String) async throws {
          let problem = #expect(throws: TLSProblem.self) { try identity.reload() }
          #expect(problem?.description.contains(words) == true, "\(problem?.description ?? "")")
          #expect(try await serial() == first)
        }
        let file = URL(fileURLWithPath: certificates.path("server.key"))
        try other.write(to: file)
        try await expectRefused("does not belong to the first certificate")
        try Data("no key".utf8).write(to: file)
        try await expectRefused("server.key does not hold a private key")
        try FileManager.default.removeItem(at: file)
        try await expectRefused("server.key cannot be read: No such file")
        try key.write(to: file)
        try Data().write(to: URL(fileURLWithPath: certificates.path("server.pem")))
        try await expectRefused("server.pem does not hold certificates")
      }
    }
  }

  @Test("with an authority for clients, only who shows a certificate of it is served")
  func clientCertificates() async throws {
    try await TestCertificates.with { certificates in
      try await certificates.makeAuthority("clients")
      try await certificates.issue("friend", by: "clients")
      try await certificates.issue("stranger")
      let identity = try certificates.identity(clientAuthority: "clients")
      try await TestDaemon.run({ $0.tls = identity }) { daemon in
        func ask(_ name: String?) async throws -> String {
          let connection = try await SecureConnection(
            port: daemon.port, authority: certificates.authority, protocols: ["http/1.1"]
          ) { tls in
            guard let name else { return }
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificates.path("\(name).pem")).map {
              .certificate($0)
            }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: certificates.path("\(name).key"), format: .pem))
          }
          defer { connection.close() }
          connection.send(Connection.request("GET", "/health", nil, nil))
          return String(decoding: try await connection.take(15), as: UTF8.self)
        }
        let first = try await ask("friend")
        await #expect(throws: SecureConnection.Closed.self) { try await ask(nil) }
        await #expect(throws: SecureConnection.Closed.self) { try await ask("stranger") }
        let second = try await ask("friend")
        #expect([first, second] == ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"])
      }
    }
  }

  @Test("fault 35: a handshake that does not come, or does not end, is closed")
  func slowHandshake() async throws {
    try await TestDaemon.secure({ $0.headerTimeout = .milliseconds(50) }) { daemon, _ in
      let silent = try Connection(port: daemon.port)
      defer { silent.close() }
      #expect(try await silent.isClosedByServer())
      let halfway = try Connection(port: daemon.port)
      defer { halfway.close() }
      // The beginning of a ClientHello.
      halfway.send([22, 3, 1, 2, 0, 1, 0, 1, 252])
      #expect(try await halfway.isClosedByServer())
    }
  }

  @Test("fault 31: a worker cut off below TLS in a long poll is noticed", arguments: ["h2", "http/1.1"])
  func cutOff(version: String) async throws {
    try await TestDaemon.secure { daemon, certificates in
      let lease = Connection.request("POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      let gone: SecureConnection
      if version == "h2" {
        let frames = try await FrameConnection(port: daemon.port, authority: certificates.authority)
        frames.request(1, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
        gone = frames.secure
      } else {
        gone = try await SecureConnection(port: daemon.port, authority: certificates.authority, protocols: [version])
        gone.send(lease)
      }
      try await daemon.untilWaiting(1)
      try await gone.cut()
      try await daemon.untilWaiting(0)
    }
  }
}
