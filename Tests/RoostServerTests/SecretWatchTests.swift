import Foundation
import RoostKeys
import SecretWatch
import Testing

/// The search for secrets can fail: it finds what it should.
@Suite struct SecretWatchTests {
  private let watch = SecretWatch()
  private let key = APIKey.mint(.client)

  @Test("a secret is found whole, in part, in the midst of other text, and as the hash that is stored of it")
  func found() {
    let secret = key.secret.reveal()
    #expect(watch.keysShown(in: Array(secret.utf8)).isEmpty, "unknown before it is registered")
    watch.register(keysIn: "Authorization: Bearer \(key.whole.reveal())\r\n")
    let hash = SecretHash(of: key.secret).hex
    let shown = [
      key.whole.reveal(), secret, "x\(secret)y", String(secret.prefix(12)), String(secret.suffix(12)),
      "{\"a\":\"\(secret.dropFirst(5).prefix(14))\"}", hash, String(hash.prefix(20)),
    ]
    for text in shown { #expect(watch.keysShown(in: Array(text.utf8)) == [key.id]) }
    let complaint = watch.complaint(about: Array(secret.utf8), from: "a log")
    #expect(complaint == "a log shows the secrets of the keys \(key.id)")
  }

  @Test("a public id, a masked key, a short part and other keys are no secrets")
  func notFound() {
    watch.register(keysIn: key.whole.reveal())
    let secret = key.secret.reveal()
    let harmless = [key.id, "\(key)", String(secret.prefix(11)), APIKey.mint(.client).whole.reveal(), ""]
    for text in harmless { #expect(watch.complaint(about: Array(text.utf8), from: "x") == nil) }
  }

  @Test("logs of a directory are searched, with the keys of its key files, and the key files are not")
  func directory() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-watch-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    let data = directory.appendingPathComponent("data")
    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
    try Data("client_key=\(key.whole.reveal())\n".utf8).write(to: data.appendingPathComponent("dev.keys"))
    #expect(watch.complaints(aboutLogsIn: directory).isEmpty)
    try Data("{\"key\":\"\(key.secret.reveal())\"}\n".utf8).write(to: data.appendingPathComponent("audit.log.1"))
    #expect(watch.complaints(aboutLogsIn: directory).count == 1)
  }

  @Test("whoever starts a daemon or a command in a test has its words searched")
  func everyone() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let names = FileManager.default.enumerator(atPath: tests.path)?.compactMap { $0 as? String } ?? []
    var starters = 0
    for name in names where name.hasSuffix(".swift") && name != "RoostServerTests/SecretWatchTests.swift" {
      let text = try String(contentsOf: tests.appendingPathComponent(name), encoding: .utf8)
      guard
        ["SpawnedProcess.start(", "SpawnedProcess(command", "makeRoostServer("].contains(where: text.contains)
      else { continue }
      starters += 1
      #expect(text.contains("SecretWatch"), "\(name) starts a process or a server: register its keys, search its words")
    }
    #expect(starters >= 3)
  }
}
