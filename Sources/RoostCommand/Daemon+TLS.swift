import Logging
import RoostServer

/// The daemon's certificate: read before anything else is touched, and again on SIGHUP.
extension Daemon {
  func openTLS() throws(CommandFailure) -> TLSIdentity? {
    guard let certificate = configuration.tlsCertificateFile, let key = configuration.tlsKeyFile else { return nil }
    do throws(TLSProblem) {
      return try TLSIdentity(
        TLSIdentity.Files(
          certificate: certificate, key: key, clientAuthority: configuration.tlsClientCAFile), logger: logger)
    } catch {
      throw CommandFailure(.usage, "TLS cannot be used: \(inert("\(error)"))")
    }
  }

  /// What SIGHUP asks for: the certificate, read again. What cannot be used changes nothing.
  func reload(_ tls: TLSIdentity?) {
    guard let tls else { return logger.info("SIGHUP: there is nothing to read again without TLS") }
    do throws(TLSProblem) {
      try tls.reload()
      logger.notice("SIGHUP: new connections get the certificate as it now is")
    } catch {
      logger.error("SIGHUP: the certificate was not replaced", metadata: ["reason": "\(error)"])
    }
  }
}
