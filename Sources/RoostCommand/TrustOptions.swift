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

  /// - Parameter isOwn: The daemon is the one that the settings beside this command describe: its certificate may be made
  ///   for another name, and is not judged at all unless an authority is named.
  /// - Throws: `usage` if a file cannot be used.
  func connection(to url: String, key: String?, isOwn: Bool = false) throws(CommandFailure) -> RoostConnection {
    do throws(RoostError) {
      let files = try files()
      let check: RoostConnection.CertificateCheck = !isOwn ? .full : files.authority == nil ? .none : .withoutName
      return try RoostConnection(url: url, key: key, trust: files, certificateCheck: check)
    } catch {
      throw CommandFailure(.usage, inert(error.message))
    }
  }

  /// The files that flags and environment name.
  func files() throws(RoostError) -> TrustFiles {
    try TrustFiles(authority: caFile, certificate: cert, key: certKey, environment: Variables.all)
  }
}
