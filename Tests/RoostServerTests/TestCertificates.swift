import Foundation
import Logging
import RoostServer
import Spawning

/// An authority of a test's own, made with the `openssl` command, and what it certifies.
///
/// `SecretWatch` has nothing to search here: no key of Roost reaches the command, and its output goes nowhere.
struct TestCertificates: Sendable {
  let directory: URL

  /// Runs the body with a fresh authority and removes its files afterwards.
  static func with<Result: Sendable>(
    _ body: @Sendable (TestCertificates) async throws -> Result
  ) async throws -> Result {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let certificates = TestCertificates(directory: directory)
    try await certificates.makeAuthority("ca")
    try await certificates.issue("server")
    return try await body(certificates)
  }

  /// A server that shows the certificate of that name.
  func identity(_ name: String = "server", clientAuthority: String? = nil) throws -> TLSIdentity {
    try TLSIdentity(
      TLSIdentity.Files(
        certificate: path("\(name).pem"), key: path("\(name).key"),
        clientAuthority: clientAuthority.map { path("\($0).pem") }),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  var authority: String { path("ca.pem") }
  func path(_ file: String) -> String { directory.appendingPathComponent(file).path }

  func makeAuthority(_ name: String) async throws {
    try await openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=\(name) "
        + "-keyout \(name).key -out \(name).pem")
  }

  /// Makes `<name>.pem` and `<name>.key` for localhost, or replaces them.
  func issue(_ name: String, by authority: String = "ca") async throws {
    try await openssl(
      "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout \(name).key "
        + "-out \(name).csr")
    try "subjectAltName=DNS:localhost,IP:127.0.0.1\n".write(
      toFile: path("\(name).cnf"), atomically: true, encoding: .utf8)
    try await openssl(
      "x509 -req -in \(name).csr -CA \(authority).pem -CAkey \(authority).key -set_serial \(UInt32.random(in: 1...(.max)))"
        + " -days 2 -extfile \(name).cnf -out \(name).pem")
  }

  private func openssl(_ arguments: String) async throws {
    let nowhere = URL(fileURLWithPath: "/dev/null")
    let process = try SpawnedProcess.start(
      ["openssl"] + arguments.split(separator: " ").map(String.init), in: directory, environment: [:], output: nowhere,
      errors: nowhere)
    let status: Int32 = await withCheckedContinuation { ended in
      Thread.detachNewThread { ended.resume(returning: SpawnedProcess.wait(process)) }
    }
    guard status == 0 else { throw Failed(arguments: arguments, status: status) }
  }

  struct Failed: Error {
    let arguments: String
    let status: Int32
  }
}
