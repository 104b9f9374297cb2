import Foundation
import Testing

/// docs/tls.md, its blocks run as they stand, against the real daemon.
@Suite("TLS document")
struct TLSDocumentTests {
  @Test("a certificate is made, served, replaced by SIGHUP, and clients' certificates are asked for")
  func blocks() async throws {
    let blocks = try Self.blocks()
    #expect(blocks.keys.sorted() == ["ask", "certificate", "client", "reload"])
    try await withDirectory { directory in
      func run(_ name: String, _ daemon: DaemonProcess? = nil) throws -> CommandOutcome {
        try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"),
          ["bash", "-c", "set -euo pipefail\n" + Self.script(try #require(blocks[name]), daemon)], in: directory)
      }
      let made = try run("certificate")
      #expect(made.status == 0, "\(made.errors)")
      let pair = ["--tls-cert", "server.pem", "--tls-key", "server.key"]
      let daemon = try DaemonProcess(in: directory, ["--dev"] + pair)
      defer { daemon.kill() }
      #expect(daemon.said.contains("listening on https://127.0.0.1:"))
      let asked = try run("ask", daemon)
      #expect(asked.status == 0 && asked.output.contains(#""state":"READY""#), "\(asked.output)\(asked.errors)")
      let untrusted = try CommandOutcome(
        roost: ["submit", "--url", "https://localhost:\(daemon.port)", "1"], in: directory,
        environment: ["ROOST_KEY": "client_x"])
      #expect(untrusted.status == 69 && untrusted.errors.contains("ROOST_CA"), "\(untrusted.errors)")

      #expect(try run("reload", daemon).status == 0)
      try waitUntil("the certificate was read again") { daemon.said.contains("the certificate as it now is") }
      #expect(try run("ask", daemon).status == 0)
      try Data("no key".utf8).write(to: directory.appendingPathComponent("server.key"))
      Foundation.kill(daemon.processID, SIGHUP)
      try waitUntil("the bad pair was refused") { daemon.said.contains("the certificate was not replaced") }
      #expect(try run("ask", daemon).status == 0)
      #expect(daemon.stop() == 0)
      let refused = try CommandOutcome(roost: ["serve", "--port", "0"] + pair, in: directory)
      #expect(refused.status == 64 && refused.errors.contains("server.key does not hold"), "\(refused.errors)")

      #expect(try run("certificate").status == 0)
      let strict = try DaemonProcess(in: directory, ["--dev", "--tls-client-ca", "ca.pem"] + pair)
      defer { strict.kill() }
      #expect(try run("ask", strict).status != 0, "it shows no certificate")
      let shown = try run("client", strict)
      #expect(shown.status == 0 && shown.output.hasPrefix("OK"), "\(shown.output)\(shown.errors)")
      #expect(shown.output.contains(#""status":"ok""#) && shown.output.contains(#""state":"READY""#), "\(shown.output)")
      try Self.refusals(strict, in: directory)
      #expect(strict.stop() == 0)
    }
  }

  /// What is said to a client that shows none, and of files that cannot be used.
  private static func refusals(_ daemon: DaemonProcess, in directory: URL) throws {
    let url = ["--url", "https://localhost:\(daemon.port)", "--ca-file", "ca.pem"]
    func health(_ arguments: [String]) throws -> CommandOutcome {
      try CommandOutcome(roost: ["health"] + url + arguments, in: directory)
    }
    let without = try health([])
    #expect(without.status == 69 && without.errors.contains("ROOST_CERT"), "\(without.errors)")
    let missing = try health(["--cert", "missing.pem"])
    #expect(missing.status == 64 && missing.errors.contains("missing.pem"), "\(missing.errors)")
    let foreign = try health(["--cert", "worker.pem", "--cert-key", "ca.key"])
    #expect(foreign.status == 64 && foreign.errors.contains("is the key the certificate's"), "\(foreign.errors)")
    let alone = try health(["--cert-key", "worker.key"])
    #expect(alone.status == 64 && alone.errors.contains("--cert"), "\(alone.errors)")
    #expect(try health(["--cert", "worker.pem", "--cert-key", "worker.key"]).status == 0)
    let both = try ["worker.pem", "worker.key"].map { name in
      try Data(contentsOf: directory.appendingPathComponent(name))
    }
    try (both[0] + both[1]).write(to: directory.appendingPathComponent("both.pem"))
    #expect(try health(["--cert", "both.pem"]).status == 0, "one file may hold both")
    // The SDK, which reads the same variables.
    let program = DaemonProcess.binary.deletingLastPathComponent().appendingPathComponent("example-04-batch-submit")
    let key = daemon.printed.split(separator: "\n").first { $0.hasPrefix("client_key=") }?.dropFirst(11) ?? ""
    var environment = [
      "ROOST_URL": "https://localhost:\(daemon.port)", "ROOST_KEY": String(key), "ROOST_CA": "ca.pem",
      "ROOST_CERT": "worker.pem", "ROOST_CERT_KEY": "worker.key",
    ]
    let submitted = try CommandOutcome(program, ["1"], in: directory, environment: environment)
    #expect(submitted.output.contains("1 submitted, 0 refused"), "\(submitted.output)\(submitted.errors)")
    environment["ROOST_CERT"] = "missing.pem"
    let refused = try CommandOutcome(program, ["1"], in: directory, environment: environment)
    #expect(refused.status == 1 && refused.errors.contains("missing.pem"), "\(refused.errors)")
  }

  /// The block with this daemon's port, process, key and binary.
  private static func script(_ block: String, _ daemon: DaemonProcess?) -> String {
    let here = block.replacingOccurrences(of: "localhost:8443", with: "localhost:\(daemon?.port ?? 0)")
      .replacingOccurrences(of: " roost submit", with: " '\(DaemonProcess.binary.path)' submit")
      .replacingOccurrences(of: "\nroost health", with: "\n'\(DaemonProcess.binary.path)' health")
    let key = daemon?.printed.split(separator: "\n").first { $0.hasPrefix("client_key=") } ?? ""
    return "\(key)\npid=\(daemon?.processID ?? 0)\n\(here)"
  }

  /// Every `<!-- tls: name -->` with the bash block behind it.
  private static func blocks() throws -> [String: String] {
    let document = try String(contentsOf: ReadmeTests.root.appendingPathComponent("docs/tls.md"), encoding: .utf8)
    var blocks: [String: String] = [:]
    for part in document.components(separatedBy: "<!-- tls: ").dropFirst() {
      guard let name = part.components(separatedBy: " -->").first, let begin = part.range(of: "```bash\n"),
        let end = part.range(of: "```", range: begin.upperBound..<part.endIndex)
      else { continue }
      blocks[name] = String(part[begin.upperBound..<end.lowerBound])
    }
    return blocks
  }
}
