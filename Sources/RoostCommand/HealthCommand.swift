import ArgumentParser
import Foundation
import RoostClient

/// `roost health`: asks a daemon how it is; the probe of containers and supervisors, without curl and without a key.
struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Ask a daemon whether it lives, or whether it is ready.",
    discussion: "Exit codes: 0 it is, 1 it is not, 64 a wrong flag, 69 no daemon answered.")

  @Flag(help: "Whether it can take jobs: log writable, disk not full, key store there.") var ready = false
  @Option(help: "The daemon (default: ROOST_URL, else http://127.0.0.1: and PORT, 8080).") var url: String?
  @OptionGroup var trust: TrustOptions
  @Option(help: "How long to wait for the answer, seconds, 1 to 300.") var timeout: Int64 = 4

  func validate() throws {
    guard (1...300).contains(timeout) else { throw ValidationError("--timeout must lie between 1 and 300 seconds") }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let connection = try trust.connection(to: address(environment), key: nil, environment)
    let reply: RoostConnection.Reply
    do throws(RoostConnection.Unreachable) {
      reply = try await connection.send(
        .get, ready ? "/readyz" : "/healthz", timeoutMilliseconds: timeout * 1_000)
    } catch {
      throw CommandFailure(.unavailable, inert("\(error)"))
    }
    AnswerText(reply.body).write()
    guard reply.isSuccess else {
      throw CommandFailure(.refused, "the daemon is not \(ready ? "ready" : "well"): status \(reply.status)")
    }
  }

  /// In a container the daemon's own settings say where it is.
  private func address(_ environment: [String: String]) -> String {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    return url ?? value("ROOST_URL") ?? "http://127.0.0.1:\(value("PORT") ?? "8080")"
  }
}
