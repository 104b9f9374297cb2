import Foundation
import SecretWatch
import Spawning
import Testing

/// docs/workers.md: its workers as they stand, in each language, until SIGTERM.
@Suite("Workers document")
struct WorkersDocumentTests {
  @Test(
    "each recipe does its jobs, fails the one it cannot do for good, and drains on SIGTERM",
    arguments: [("work", "bash"), ("python", "python3"), ("node", "node"), ("curl", "bash")])
  func recipe(name: String, interpreter: String) async throws {
    let blocks = try Self.blocks()
    #expect(blocks.keys.sorted() == ["count-words", "curl", "node", "python", "work"])
    let recipe = try #require(blocks[name])
    let command = try #require(blocks["count-words"])
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      defer { daemon.end(SIGKILL) }
      func file(_ name: String, _ text: String) throws -> String {
        let path = scene.directory.appendingPathComponent(name)
        try Data(text.utf8).write(to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path.path)
        return path.path
      }
      _ = try file("count-words", command)
      // As a service manager starts it: the signal reaches the worker itself.
      let program = try file(
        interpreter == "node" ? "worker.mjs" : "worker", name == "work" ? "exec " + recipe : recipe)
      let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
      let worker = try SpawnedProcess.start(
        ["env", "PATH=\(DaemonProcess.binary.deletingLastPathComponent().path):\(path)", interpreter, program],
        in: scene.directory,
        environment: [
          "ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.worker,
          "PYTHONPATH": ReadmeTests.root.appendingPathComponent("clients/python").path, "PYTHONDONTWRITEBYTECODE": "1",
        ], output: scene.directory.appendingPathComponent("out"), errors: scene.directory.appendingPathComponent("err"))
      var isRunning = true
      defer { if isRunning { kill(worker, SIGKILL); _ = SpawnedProcess.wait(worker) } }
      let texts = [("a b  c", 3), ("", 0), ("one 'two' \\\"three\\\"", 3), ("é $HOME `ls`", 3)]
      let ids = try texts.map { try daemon.submit(#"{"payload":{"text":"\#($0.0)"},"queue":"words"}"#) }
      let wrong = try daemon.submit(#"{"payload":{"n":1},"queue":"words"}"#)
      for (id, text) in zip(ids, texts) {
        try waitUntil("job \(text) is done: \(scene.text("err"))") { try daemon.get(id).state == "ACKED" }
        let result = try daemon.get(id).text.replacing(" ", with: "")
        #expect(result.contains(#""words":\#(text.1)"#) && result.contains(#""attempt":1"#), "\(result)")
      }
      try waitUntil("the wrong job has failed: \(scene.text("err"))") { try daemon.get(wrong).state == "DEAD" }
      #expect(try daemon.get(wrong).text.contains("there is no text"))
      kill(worker, SIGTERM)
      let status = ExitReason(SpawnedProcess.wait(worker)).code
      isRunning = false
      #expect(status == 0, "\(scene.text("err"))")
      expectNoSecret(saidBy: scene.text("out") + scene.text("err"), withLogsIn: scene.data)
    }
  }

  /// Every `<!-- workers: name -->` with the block behind it.
  private static func blocks() throws -> [String: String] {
    let document = try String(
      contentsOf: ReadmeTests.root.appendingPathComponent("docs/workers.md"), encoding: .utf8)
    var blocks: [String: String] = [:]
    for part in document.components(separatedBy: "<!-- workers: ").dropFirst() {
      guard let name = part.components(separatedBy: " -->").first, let fence = part.range(of: "```"),
        let begin = part.range(of: "\n", range: fence.upperBound..<part.endIndex),
        let end = part.range(of: "```\n", range: begin.upperBound..<part.endIndex)
      else { continue }
      blocks[name] = String(part[begin.upperBound..<end.lowerBound])
    }
    return blocks
  }
}
