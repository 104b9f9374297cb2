/// The files that decide whom a client trusts and what it shows, as flags or the environment name them:
/// `ROOST_CA`, `ROOST_CERT`, `ROOST_CERT_KEY`. A variable that is set but empty counts as not set.
package struct TrustFiles: Sendable {
  /// The authority to trust instead of the system's, PEM.
  package var authority: String?
  /// The client's own certificate, PEM.
  package var certificate: String?
  /// The certificate's private key, PEM; nil: it stands in the certificate's file.
  package var key: String?

  /// - Parameters:
  ///   - authority, certificate, key: What flags say; they go before the environment.
  /// - Throws: ``RoostError`` with code `invalid_configuration` for a key without a certificate.
  package init(
    authority: String? = nil, certificate: String? = nil, key: String? = nil, environment: [String: String]
  ) throws(RoostError) {
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    self.authority = authority ?? variable("ROOST_CA")
    self.certificate = certificate ?? variable("ROOST_CERT")
    // The environment's key belongs to the environment's certificate.
    self.key = key ?? (certificate == nil ? variable("ROOST_CERT_KEY") : nil)
    guard self.key == nil || self.certificate != nil else {
      throw RoostError(
        .invalidConfiguration, "ROOST_CERT_KEY (--cert-key) needs a certificate beside it: set ROOST_CERT (--cert)")
    }
  }

  /// As the client takes them.
  package var roots: ClientConfiguration.TrustRoots { authority.map { .file($0) } ?? .system }
  package var clientCertificate: ClientConfiguration.Certificate? {
    certificate.map { .files(certificate: $0, key: key ?? $0) }
  }
}
