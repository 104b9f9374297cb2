import Glibc
import Logging
import NIOCore
import NIOHTTP2
import NIOSSL
import Synchronization

/// The certificate that the server shows, and the authority whose clients it lets in: read from PEM files, and read
/// again on `reload` without a restart. A connection keeps the certificate it began with.
package final class TLSIdentity: Sendable {
  /// Where the certificate stands.
  package struct Files: Sendable {
    /// The server's own certificate first, then those between it and the root.
    package var certificate: String
    /// The private key, not encrypted.
    package var key: String
    /// Authorities; a client must show a certificate of one of them. nil: clients need none.
    package var clientAuthority: String?

    package init(certificate: String, key: String, clientAuthority: String? = nil) {
      self.certificate = certificate
      self.key = key
      self.clientAuthority = clientAuthority
    }
  }

  private let files: Files
  private let logger: Logger
  private let current: Mutex<Loaded>

  private struct Loaded {
    var context: NIOSSLContext
    /// Of the server's own certificate, seconds since 1970.
    var notValidAfter: Int
  }

  /// Reads and checks the files.
  ///
  /// - Throws: `TLSProblem` if one cannot be read or used, or the key is another certificate's. A certificate that has
  ///   expired, or is not valid yet, is used all the same: the log has a warning.
  package init(_ files: Files, logger: Logger) throws(TLSProblem) {
    self.files = files
    self.logger = logger
    current = Mutex(try Self.load(files, logger))
  }

  /// Reads the files again; from then on new connections get what they hold.
  ///
  /// - Throws: `TLSProblem`, as at the start; what was in use stays in use.
  package func reload() throws(TLSProblem) {
    let loaded = try Self.load(files, logger)
    current.withLock { $0 = loaded }
  }

  /// The end of a new connection.
  package func makeHandler() -> NIOSSLServerHandler {
    NIOSSLServerHandler(context: current.withLock { $0.context })
  }

  /// When the certificate expires that new connections get, seconds since 1970.
  var notValidAfter: Int { current.withLock { $0.notValidAfter } }

  private static func load(_ files: Files, _ logger: Logger) throws(TLSProblem) -> Loaded {
    let chain = try certificates(files.certificate)
    try requireReadable(files.key)
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: files.key, format: .pem)
    } catch {
      throw TLSProblem("\(files.key) does not hold a private key in PEM without a passphrase")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = NIOHTTP2SupportedALPNProtocols
    if let file = files.clientAuthority {
      configuration.trustRoots = .certificates(try certificates(file))
      configuration.certificateVerification = .noHostnameVerification
    }
    warn(chain[0], files.certificate, logger)
    do {
      return Loaded(
        context: try NIOSSLContext(configuration: configuration), notValidAfter: Int(chain[0].notValidAfter))
    } catch {
      throw TLSProblem(
        "the key in \(files.key) does not belong to the first certificate in \(files.certificate): give the pair")
    }
  }

  private static func certificates(_ file: String) throws(TLSProblem) -> [NIOSSLCertificate] {
    try requireReadable(file)
    guard let chain = try? NIOSSLCertificate.fromPEMFile(file), !chain.isEmpty else {
      throw TLSProblem("\(file) does not hold certificates in PEM")
    }
    return chain
  }

  /// When the first certificate of a file begins and ends to be valid, seconds since 1970.
  package static func validity(ofCertificate file: String) throws(TLSProblem) -> (begin: Int, end: Int) {
    let leaf = try certificates(file)[0]
    return (Int(leaf.notValidBefore), Int(leaf.notValidAfter))
  }

  private static func requireReadable(_ file: String) throws(TLSProblem) {
    guard access(file, R_OK) == 0 else {
      throw TLSProblem("\(file) cannot be read: \(String(cString: strerror(errno)))")
    }
  }

  private static func warn(_ leaf: NIOSSLCertificate, _ file: String, _ logger: Logger) {
    let now = time(nil)
    let problem: Logger.Message
    if leaf.notValidAfter < now {
      problem = "the TLS certificate has expired: clients will refuse it"
    } else if leaf.notValidBefore > now {
      problem = "the TLS certificate is not valid yet: clients will refuse it"
    } else if leaf.notValidAfter < now + 14 * 86_400 {
      problem = "the TLS certificate expires within 14 days"
    } else {
      return
    }
    logger.warning(problem, metadata: ["file": "\(file)"])
  }
}

/// A certificate or key that cannot be used.
package struct TLSProblem: Error, CustomStringConvertible {
  /// What is wrong, with the name of the file, never with what is in it.
  package let description: String

  init(_ description: String) { self.description = description }
}
