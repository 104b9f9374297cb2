import ArgumentParser
import Foundation
import Logging
import RoostAPI
import RoostClient

/// Where the daemon is and with which key to ask it: flags, else a context that is named, else variables, else the
/// context in use, else the daemon of the data directory at hand. The key comes from `ROOST_KEY` or a file, never from
/// a flag: flags stand in the list of processes for everyone to read.
struct DaemonAddress: ParsableArguments {
  @Option(help: "The daemon (default: ROOST_URL, else a context, else the one of ./data).") var url: String?
  @Option(help: "A file whose first line is the key (default: the variable ROOST_KEY).") var keyFile: String?
  @Option(
    help: "A daemon that roost context add has named (default: ROOST_CONTEXT).",
    completion: .custom { _, _, _ in ((try? ContextBook.read())?.contexts.keys.sorted()) ?? [] })
  var context: String?

  @OptionGroup var trust: TrustOptions

  func validate() throws {
    if url != nil, context != nil { throw ValidationError("Give --url or --context, not both.") }
  }

  func connection() throws(CommandFailure) -> RoostConnection {
    let target = try target()
    return try trust.connection(
      to: target.url, key: target.key(), context: target.context, isOwn: target.isOwn ? .reachedWithKey : nil)
  }

  /// The same for the SDK's client, which asks again by itself.
  func client(logger: Logger) throws(CommandFailure) -> Client {
    var configuration = ClientConfiguration()
    configuration.logger = logger
    let target = try target()
    let key = try target.key()
    do throws(RoostError) {
      let files = try trust.files(target.context)
      configuration.trustRoots = files.roots
      configuration.certificate = files.clientCertificate
      configuration.checksCertificateName = !target.isOwn
      return try Client(url: target.url, key: key, configuration: configuration)
    } catch {
      throw CommandFailure(.usage, inert(error.message))
    }
  }

  /// Whom a command asks.
  func target() throws(CommandFailure) -> DaemonTarget {
    if url != nil { return DaemonTarget(url: try DaemonURL(flag: url).text, from: "--url", keyFile: keyFile) }
    if let name = context ?? Variables["ROOST_CONTEXT"] {
      return DaemonTarget(
        try ContextBook.read().context(name), named: name, keyFile: keyFile, goesBeforeVariable: true)
    }
    if Variables["ROOST_URL"] != nil {
      return DaemonTarget(url: try DaemonURL(flag: nil).text, from: "ROOST_URL", keyFile: keyFile)
    }
    // A key in the environment without a URL is one of this machine's daemon.
    if Variables["ROOST_KEY"] == nil {
      let book = try ContextBook.read()
      if let name = book.current {
        return DaemonTarget(try book.context(name), named: name, keyFile: keyFile, goesBeforeVariable: false)
      }
    }
    if let own = OwnDaemon() { return DaemonTarget(own, keyFile: keyFile) }
    return DaemonTarget(
      url: try DaemonURL(flag: nil).text, from: "the default", keyFile: keyFile,
      hint: OwnDaemon.isStopped
        ? ". The daemon of \(inert(OwnDaemon.directory)) does not run: roost serve starts it" : "")
  }
}
