import ArgumentParser
import Foundation
import RoostAPI
import RoostClient

/// Where the daemon is and with which key to ask it. The key comes from `ROOST_KEY` or a file, never from a flag:
/// flags stand in the list of processes for everyone to read.
struct DaemonAddress: ParsableArguments {
  @Option(help: "The daemon (default: ROOST_URL, else http://127.0.0.1:8080).") var url: String?
  @Option(help: "A file whose first line is the key (default: the variable ROOST_KEY).") var keyFile: String?

  @OptionGroup var trust: TrustOptions

  func connection() throws(CommandFailure) -> RoostConnection {
    let environment = ProcessInfo.processInfo.environment
    let address = url ?? environment["ROOST_URL"] ?? "http://127.0.0.1:8080"
    return try trust.connection(to: address, key: try key(environment), environment)
  }

  private func key(_ environment: [String: String]) throws(CommandFailure) -> String {
    guard let keyFile else {
      if let key = environment["ROOST_KEY"], !key.isEmpty { return try checked(key, from: "ROOST_KEY") }
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

extension RoostConnection {
  /// Sends a request and prints the answer's JSON on standard output.
  ///
  /// - Throws: `refused` with the daemon's code and message, `unavailable` if no answer came.
  func printAnswer(
    to method: Method, _ path: String, headers: [(String, String)] = [], body: JSONWriter? = nil,
    timeoutMilliseconds: Int64 = 30_000
  ) async throws(CommandFailure) {
    let reply: Reply
    do throws(Unreachable) {
      reply = try await send(
        method, path, headers: headers, body: body?.bytes, timeoutMilliseconds: timeoutMilliseconds)
    } catch {
      throw CommandFailure(.unavailable, inert("\(error). Is `roost serve` running there?"))
    }
    guard reply.isSuccess else { throw CommandFailure(.refused, Self.refusal(reply)) }
    AnswerText(reply.body).write()
  }

  private static func refusal(_ reply: Reply) -> String {
    struct Wire: Decodable {
      let code, message: String
    }
    guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(reply.body)) else {
      return "status \(reply.status): \(inert(String(decoding: reply.body.prefix(200), as: UTF8.self)))"
    }
    return "\(inert(wire.code)): \(inert(wire.message))"
  }
}
