import ArgumentParser
import RoostClient

/// Whom to trust behind an `https` URL, and what to show a daemon that asks for certificates of its clients
/// (`TLS_CLIENT_CA`).
struct TrustOptions: ParsableArguments {
  @Option(help: "A file with the authority to trust instead of the system's, PEM (default: ROOST_CA).")
  var caFile: String?
  @Option(help: "A file with the certificate to show, PEM (default: ROOST_CERT).") var cert: String?
  @Option(help: "A file with its private key (default: ROOST_CERT_KEY, else the certificate's file).")
  var certKey: String?

  /// How the daemon was found whose settings or data directory stand beside this command: its certificate may be made for
  /// another name.
  enum Own {
    /// It gets no key: its certificate is not judged at all unless an authority is named.
    case probed
    case reachedWithKey
  }

  /// - Parameter context: Where one was chosen: its files, unless flags name others.
  /// - Throws: `usage` if a file cannot be used.
  func connection(
    to url: String, key: String?, context: ContextBook.Context? = nil, isOwn: Own? = nil
  ) throws(CommandFailure) -> RoostConnection {
    do throws(RoostError) {
      let files = try files(context)
      let check: RoostConnection.CertificateCheck
      switch isOwn {
      case nil: check = .full
      case .probed: check = files.authority == nil ? .none : .withoutName
      case .reachedWithKey: check = .withoutName
      }
      return try RoostConnection(url: url, key: key, trust: files, certificateCheck: check)
    } catch {
      throw CommandFailure(.usage, inert(error.message))
    }
  }

  /// The files that flags, a context and the environment name.
  func files(_ context: ContextBook.Context? = nil) throws(RoostError) -> TrustFiles {
    let certificate = cert ?? context?.cert
    return try TrustFiles(
      authority: caFile ?? context?.caFile, certificate: certificate,
      key: certKey ?? (cert == nil ? context?.certKey : nil), environment: Variables.all)
  }
}
