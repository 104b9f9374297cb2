import NIOSSL

/// Whom a client trusts and what it shows, read and checked before the first connection.
enum TLSSettings {
  /// - Throws: ``RoostError`` with code `invalid_configuration`, which names the file.
  static func make(
    _ roots: ClientConfiguration.TrustRoots, _ certificate: ClientConfiguration.Certificate?
  ) throws(RoostError) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    switch roots {
    case .system: break
    case .file(let path): tls.trustRoots = .certificates(try certificates(path, "the authority's file"))
    case .pem(let text): tls.trustRoots = .certificates(try certificates(in: text, "the authority's PEM text"))
    }
    switch certificate {
    case nil: return tls
    case .files(let chain, let key):
      tls.certificateChain = try certificates(chain, "the client certificate's file").map { .certificate($0) }
      tls.privateKey = .privateKey(
        try read(key, "the client key's file") { try NIOSSLPrivateKey(file: $0, format: .pem) })
    case .pem(let chain, let key):
      tls.certificateChain = try certificates(in: chain, "the client certificate's PEM text").map { .certificate($0) }
      tls.privateKey = .privateKey(
        try read(nil, "the client key's PEM text") { _ in try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem) })
    }
    try check(tls)
    return tls
  }

  /// Why no answer came, with what to do about it where certificates are the reason.
  ///
  /// - Parameter showsNone: Whether the connection is TLS, and this client has no certificate.
  static func reason(_ error: any Error, showsNone: Bool) -> String {
    let text = "\(error)"
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return "its certificate is not trusted; ROOST_CA (--ca-file) names the file of a private authority"
    }
    if text.contains("Connection refused") { return "connection refused: nothing listens there" }
    // The handshake of TLS 1.3 has ended for the client before the server refuses it.
    if text.contains("ALERT_CERTIFICATE_REQUIRED") || showsNone && text.contains("remoteConnectionClosed") {
      return "it closed the connection; if it asks for a client certificate, set ROOST_CERT and ROOST_CERT_KEY"
        + " (--cert, --cert-key)"
    }
    return text
  }

  /// A key that is another certificate's is told now, not by the first handshake.
  private static func check(_ tls: TLSConfiguration) throws(RoostError) {
    do {
      _ = try NIOSSLContext(configuration: tls)
    } catch {
      throw RoostError(
        .invalidConfiguration, "the client certificate cannot be used: is the key the certificate's? (\(error))")
    }
  }

  private static func certificates(_ path: String, _ name: String) throws(RoostError) -> [NIOSSLCertificate] {
    try some(try read(path, name) { try NIOSSLCertificate.fromPEMFile($0) }, "\(name) \(path)")
  }

  private static func certificates(in text: String, _ name: String) throws(RoostError) -> [NIOSSLCertificate] {
    try some(try read(nil, name) { _ in try NIOSSLCertificate.fromPEMBytes(Array(text.utf8)) }, name)
  }

  private static func some(
    _ certificates: [NIOSSLCertificate], _ name: String
  ) throws(RoostError) -> [NIOSSLCertificate] {
    guard !certificates.isEmpty else {
      throw RoostError(.invalidConfiguration, "\(name) holds no certificate in PEM")
    }
    return certificates
  }

  /// - Parameter path: nil where there is no file.
  private static func read<Value>(
    _ path: String?, _ name: String, _ body: (String) throws -> Value
  ) throws(RoostError) -> Value {
    do {
      return try body(path ?? "")
    } catch {
      let place = path.map { "\(name) \($0)" } ?? name
      throw RoostError(.invalidConfiguration, "cannot use \(place): it must be readable and hold PEM (\(error))")
    }
  }
}
