import Foundation
import SecretWatch
import Spawning
import Testing

/// docs/push.md: its receivers as they stand, against a daemon; and what a crash in the middle of a delivery does.
@Suite("Push document")
struct PushDocumentTests {
  private static let options = Scene.quick + ["--push-allow", "127.0.0.0/8", "--push-ports", "1-65535"]

  @Test(
    "each receiver verifies what is signed, by the PyPI package and by Node's own means, and refuses what is not",
    arguments: [("python", "receiver.py"), ("node", "receiver.mjs")])
  func receiver(name: String, file: String) async throws {
    let program = try #require(try Self.blocks()[name])
    try await Scene.run { scene in
      let daemon = try scene.start(Self.options)
      defer { daemon.end(SIGKILL) }
      let url = "http://127.0.0.1:\(daemon.port)"
      let made = try scene.roost(
        ["push", "secret", "set"], environment: ["ROOST_URL": url, "ROOST_KEY": daemon.client])
      #expect(made.status == 0, "\(made.errors)")
      let secret = try #require(made.output.firstMatch(of: /whsec_[A-Za-z0-9+\/=]+/).map { String($0.0) })
      let interpreter = name == "python" ? try Self.python(in: scene.directory) : "node"
      let (port, process) = try Self.start(program, as: file, by: interpreter, secret, in: scene)
      defer { Self.end(process) }
      let job = #"{"payload":{"numbers":[1,2,3]},"queue":"sums","callback_url":"http://127.0.0.1:\#(port)/"}"#
      let id = try daemon.submit(job)
      try waitUntil("the job is done: \(scene.text("err"))") { try daemon.get(id).state == "ACKED" }
      #expect(try daemon.get(id).text.replacing(" ", with: "").contains(#""sum":6"#))
      // Another secret, and the old one at once of no use: the receiver refuses.
      let other = try scene.roost(
        ["push", "secret", "set", "--keep-old", "0s"], environment: ["ROOST_URL": url, "ROOST_KEY": daemon.client])
      #expect(other.status == 0, "\(other.errors)")
      let refused = try daemon.submit(job)
      try waitUntil("the job is refused") { try daemon.get(refused).state == "DEAD" }
      #expect(try daemon.get(refused).text.contains("HTTP 401"))
      expectNoSecret(saidBy: scene.text("out") + scene.text("err"), withLogsIn: scene.data)
      #expect(!daemon.said.contains(secret))
    }
  }

  @Test("a daemon that is killed in the middle of a delivery makes it again at once, and the history tells of both")
  func killed() async throws {
    let program = """
      import os, time
      from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
      seen = []
      class Receiver(BaseHTTPRequestHandler):
          def do_POST(self):
              self.rfile.read(int(self.headers["Content-Length"]))
              seen.append(self.headers["Webhook-Id"])
              open("seen", "w").write("\\n".join(seen))
              while len(seen) < 2: time.sleep(0.01)
              self.send_response(204)
              self.end_headers()
          def log_message(self, *_): pass
      server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
      print(server.server_port, flush=True)
      server.serve_forever()
      """
    try await Scene.run { scene in
      var daemon = try scene.start(Self.options)
      defer { daemon.end(SIGKILL) }
      let (port, process) = try Self.start(program, as: "receiver.py", by: "python3", "", in: scene)
      defer { Self.end(process) }
      let id = try daemon.submit(#"{"payload":1,"max_retries":0,"callback_url":"http://127.0.0.1:\#(port)/"}"#)
      try waitUntil("the target has it") { scene.text("seen") == id }
      daemon.end(SIGKILL)
      daemon = try scene.start(Self.options)
      try waitUntil("it is delivered again: \(scene.text("seen"))") { try daemon.get(id).state == "ACKED" }
      #expect(scene.text("seen") == "\(id)\n\(id)")
      let history = try daemon.connect().send("GET", "/jobs/\(id)/history", daemon.client).text
      #expect(history.contains("released") && history.contains("acked"), "\(history)")
    }
  }

  private static func end(_ process: Int32) {
    kill(process, SIGKILL)
    _ = SpawnedProcess.wait(process)
  }

  /// Starts a receiver.
  ///
  /// - Returns: The port that it says, and its process, to be ended.
  private static func start(
    _ program: String, as file: String, by interpreter: String, _ secret: String, in scene: Scene
  ) throws -> (port: Int, process: Int32) {
    try Data(program.utf8).write(to: scene.directory.appendingPathComponent(file))
    let process = try SpawnedProcess.start(
      ["env", interpreter, file], in: scene.directory,
      environment: ["SECRET": secret, "PORT": "0", "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"],
      output: scene.directory.appendingPathComponent("out"), errors: scene.directory.appendingPathComponent("err"))
    try waitUntil("the receiver listens: \(scene.text("err"))") { scene.text("out").hasSuffix("\n") }
    return (try #require(Int(scene.text("out").trimmingCharacters(in: .whitespacesAndNewlines))), process)
  }

  /// A Python that has `standardwebhooks`.
  private static func python(in directory: URL) throws -> String {
    let scripts = ReadmeTests.root.appendingPathComponent("scripts")
    let outcome = try CommandOutcome(
      URL(fileURLWithPath: "/usr/bin/env"),
      [
        "bash", scripts.appendingPathComponent("python-tools.sh").path, "push",
        scripts.appendingPathComponent("push-requirements.txt").path, DaemonProcess.binary.path,
      ], in: directory, environment: ProcessInfo.processInfo.environment)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines) + "/venv/bin/python"
  }

  /// Every `<!-- push: name -->` with the block behind it.
  private static func blocks() throws -> [String: String] {
    let document = try String(
      contentsOf: ReadmeTests.root.appendingPathComponent("docs/push.md"), encoding: .utf8)
    var blocks: [String: String] = [:]
    for part in document.components(separatedBy: "<!-- push: ").dropFirst() {
      guard let name = part.components(separatedBy: " -->").first, let fence = part.range(of: "```"),
        let begin = part.range(of: "\n", range: fence.upperBound..<part.endIndex),
        let end = part.range(of: "```", range: begin.upperBound..<part.endIndex)
      else { continue }
      blocks[name] = String(part[begin.upperBound..<end.lowerBound])
    }
    return blocks
  }
}
