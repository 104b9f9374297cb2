import Foundation
import Logging
import RoostServer

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

  /// Not by Foundation's `Process`: it reads beyond its memory when another test holds thousands of descriptors.
  private func openssl(_ arguments: String) async throws {
    let path = directory.path
    let status: Int32 = try await withCheckedThrowingContinuation { ended in
      Thread.detachNewThread { ended.resume(with: Result { try Self.run("openssl " + arguments, in: path) }) }
    }
    guard status == 0 else { throw Failed(arguments: arguments, status: status) }
  }

  /// - Returns: The exit code; 128 and more for a signal.
  private static func run(_ command: String, in directory: String) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    let command = ["sh", "-c", "cd \"$0\" && exec \"$@\"", directory] + command.split(separator: " ").map(String.init)
    var words = command.map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    var process = pid_t()
    let failure = posix_spawnp(&process, "sh", &actions, nil, &words, environ)
    guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 { guard errno == EINTR else { throw POSIXError(.ECHILD) } }
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  struct Failed: Error {
    let arguments: String
    let status: Int32
  }
}
