import Foundation
import Testing

/// Which daemon a command asks, and with which key.
@Suite("Contexts")
struct ContextCommandTests {
  @Test("flags go before a named context, that before variables, those before the context in use, then ./data")
  func order() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let home = scene.directory.appendingPathComponent("home")
      func shown(_ arguments: [String] = [], _ variables: [String: String] = [:]) throws -> String {
        let outcome = try scene.roost(
          ["context", "show"] + arguments,
          environment: variables.merging(["XDG_CONFIG_HOME": home.path]) { own, _ in own })
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
      }
      let own = try shown()
      #expect(own.contains("http://127.0.0.1:\(daemon.port)") && own.contains("dev.keys"), "\(own)")
      let file = scene.directory.appendingPathComponent("some.key")
      try Data("client_some\n".utf8).write(to: file)
      for (name, url) in [("near", "http://near:1"), ("far", "https://far")] {
        let added = try scene.roost(
          ["context", "add", name, "--url", url, "--key-file", "some.key"],
          environment: ["XDG_CONFIG_HOME": home.path])
        #expect(added.status == 0, "\(added.errors)")
      }
      #expect(try shown().contains("http://near:1"))
      #expect(try shown().contains(file.lastPathComponent))
      #expect(try shown([], ["ROOST_KEY": "client_x"]).contains("the daemon of ./data"))
      #expect(try shown([], ["ROOST_URL": "http://variable"]).contains("nowhere"), "its key goes to its own URL alone")
      #expect(try shown([], ["ROOST_URL": "http://variable", "ROOST_CONTEXT": "far"]).contains("https://far"))
      #expect(try shown(["--context", "near"], ["ROOST_CONTEXT": "far"]).contains("http://near:1"))
      let flag = try shown(["--url", "http://flag"], ["ROOST_CONTEXT": "far", "ROOST_KEY": "client_x"])
      #expect(flag.contains("http://flag") && flag.contains("ROOST_KEY"), "\(flag)")
      let mode = try FileManager.default.attributesOfItem(
        atPath: home.appendingPathComponent("roost/contexts.json").path)[.posixPermissions]
      #expect(mode as? Int == 0o600)
      let both = try scene.roost(["list", "--url", "http://a", "--context", "far"])
      #expect(both.status == 64 && both.errors.contains("not both"))
      let unknown = try scene.roost(
        ["list", "--context", "fat"], environment: ["XDG_CONFIG_HOME": home.path])
      #expect(unknown.status == 64 && unknown.errors.contains("did you mean far?"), "\(unknown.errors)")
      daemon.end(SIGKILL)
    }
  }

  @Test("the address that a daemon left behind counts no more once it is gone")
  func stale() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      #expect(try scene.roost(["submit", "1"]).status == 0)
      daemon.end(SIGKILL)
      #expect(FileManager.default.fileExists(atPath: scene.data.appendingPathComponent("daemon.url").path))
      let gone = try scene.roost(["submit", "1"])
      #expect(gone.status == 64 && gone.errors.contains("no key"), "\(gone.errors)")
      #expect(gone.errors.contains("The daemon of ./data does not run: roost serve starts it"), "\(gone.errors)")
    }
  }

  @Test("beside a daemon with TLS a command trusts what ROOST_CA names, under whatever name it was made for")
  func secure() async throws {
    try await Scene.run { scene in
      let made = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
          "k.pem", "-out", "c.pem", "-subj", "/CN=elsewhere.example", "-addext", "subjectAltName=DNS:elsewhere.example",
        ], in: scene.directory)
      #expect(made.status == 0, "\(made.errors)")
      let files = ["c.pem", "k.pem"].map { scene.directory.appendingPathComponent($0).path }
      let daemon = try scene.start(Scene.quick + ["--tls-cert", files[0], "--tls-key", files[1]])
      defer { daemon.end(SIGKILL) }
      for command in [["submit", "1"], ["wait", "--timeout", "100ms"]] {
        let id = try scene.roost(["submit", "1"], environment: ["ROOST_CA": files[0]])
        #expect(id.status == 0, "\(id.errors)")
        let job = String(id.output.split(separator: "\"job_id\":\"")[1].prefix { $0 != "\"" })
        let arguments = command[0] == "wait" ? command + [job] : command
        let trusted = try scene.roost(arguments, environment: ["ROOST_CA": files[0]])
        #expect(trusted.status == (command[0] == "wait" ? 75 : 0), "\(trusted.errors)")
        let not = try scene.roost(arguments)
        #expect(not.status == 69 && not.errors.contains("not trusted"), "\(not.errors)")
      }
    }
  }
}
