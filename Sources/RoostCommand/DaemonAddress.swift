import ArgumentParser
import Foundation
import Logging
import RoostAPI
import RoostClient

/// Where the daemon is and with which key to ask it. The key comes from `ROOST_KEY` or a file, never from a flag:
/// flags stand in the list of processes for everyone to read.
struct DaemonAddress: ParsableArguments {
  @Option(help: "The daemon (default: ROOST_URL, else http://127.0.0.1:8080).") var url: String?
  @Option(help: "A file whose first line is the key (default: the variable ROOST_KEY).") var keyFile: String?

  @OptionGroup var trust: TrustOptions

  func connection() throws(CommandFailure) -> RoostConnection {
    try trust.connection(to: DaemonURL(flag: url).text, key: key())
  }

  /// The same for the SDK's client, which asks again by itself.
  func client(logger: Logger) throws(CommandFailure) -> Client {
    var configuration = ClientConfiguration()
    configuration.logger = logger
    let url = try DaemonURL(flag: url).text
    let key = try key()
    do throws(RoostError) {
      let files = try trust.files()
      configuration.trustRoots = files.roots
      configuration.certificate = files.clientCertificate
      return try Client(url: url, key: key, configuration: configuration)
    } catch {
      throw CommandFailure(.usage, inert(error.message))
    }
  }

  private func key() throws(CommandFailure) -> String {
    guard let keyFile else {
      if let key = Variables["ROOST_KEY"] { return try checked(key, from: "ROOST_KEY") }
      throw CommandFailure(.usage, "no key: set ROOST_KEY or name a file with --key-file")
    }
    guard let content = try? String(contentsOfFile: keyFile, encoding: .utf8) else {
      throw CommandFailure(.usage, "cannot read the key file \(inert(keyFile))")
    }
    return try checked(String(content.prefix { !$0.isNewline }), from: inert(keyFile))
  }

  /// A key is plain ASCII without spaces; anything else could break out of the header.
  private func checked(_ key: String, from source: String) throws(CommandFailure) -> String {
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw CommandFailure(.usage, "\(source) does not hold a key")
    }
    return key
  }
}
