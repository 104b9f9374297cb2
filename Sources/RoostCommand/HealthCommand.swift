import ArgumentParser
import RoostClient

/// `roost health`: asks a daemon how it is; the probe of containers and supervisors, without curl and without a key.
struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Ask a daemon whether it lives, or whether it is ready.",
    discussion: """
      Without --url and ROOST_URL it asks the daemon that the settings beside it describe: HOST, PORT and TLS_CERT, from \
      the environment or the file that ROOST_CONFIG names. Of that one the certificate is not judged: it may be made for \
      another name, and a probe sends no key.

      Exit codes: 0 it is, 1 it is not, 64 a wrong flag, 69 no daemon answered, 74 the output was lost.
      """)

  @Flag(help: "Whether it can take jobs: log writable, disk not full, key store there.") var ready = false
  @Option(help: "The daemon (default: ROOST_URL, else as its settings say).") var url: String?
  @OptionGroup var trust: TrustOptions
  @Option(help: "How long to wait for the answer, seconds, 1 to 300.") var timeout: Int64 = 4

  func validate() throws {
    guard (1...300).contains(timeout) else { throw ValidationError("--timeout must lie between 1 and 300 seconds") }
  }

  func run() async throws {
    try CommandOutput.check()
    try DescriptorLimit.ofClient()
    let reply: RoostConnection.Reply
    let connection = try connection()
    do throws(RoostConnection.Unreachable) {
      reply = try await connection.send(.get, ready ? "/readyz" : "/healthz", timeoutMilliseconds: timeout * 1_000)
    } catch {
      throw CommandFailure(.unavailable, inert("\(error)"))
    }
    try AnswerText(reply.body).write()
    guard reply.isSuccess else {
      throw CommandFailure(.refused, "the daemon is not \(ready ? "ready" : "well"): status \(reply.status)")
    }
  }

  private func connection() throws(CommandFailure) -> RoostConnection {
    guard url == nil, Variables["ROOST_URL"] == nil else {
      return try trust.connection(to: DaemonURL(flag: url).text, key: nil)
    }
    return try trust.connection(to: OwnAddress().url, key: nil, isOwn: .probed)
  }
}

/// Where the daemon listens that the same settings start.
private struct OwnAddress {
  private let reader = SettingReader(
    flags: [:], environment: Variables.all, file: Variables["ROOST_CONFIG"].map(SettingsFile.init))

  var url: String {
    let scheme = value(.tlsCertificate) == nil ? "http" : "https"
    return DaemonURL.own(scheme, host: value(.host) ?? "127.0.0.1", port: value(.port) ?? "8080")
  }

  private func value(_ setting: Setting) -> String? { reader.read(setting)?.text ?? setting.definition.standard }
}
