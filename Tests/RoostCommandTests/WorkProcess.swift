import Foundation
import SecretWatch
import Spawning

/// A `roost work` beside a daemon, in the scene's directory; what it says goes to a file.
final class WorkProcess {
  let process: Int32
  private let errors: URL
  private var status: Int32?

  /// - Parameters:
  ///   - arguments: Behind `work`: flags, `--` and the command.
  ///   - through: A program that starts it, such as a shell that lowers a limit first.
  init(
    _ scene: Scene, port: Int, key: String, _ arguments: [String], environment: [String: String] = [:],
    through prefix: [String] = []
  ) throws {
    errors = scene.directory.appendingPathComponent(".\(UUID().uuidString).err")
    SecretWatch.shared.register(keysIn: key)
    process = try SpawnedProcess.start(
      prefix + [DaemonProcess.binary.path, "work"] + arguments, in: scene.directory,
      environment: ["ROOST_URL": "http://127.0.0.1:\(port)", "ROOST_KEY": key].merging(environment) { _, own in own },
      output: scene.directory.appendingPathComponent(".out"), errors: errors)
  }

  deinit { if status == nil { end(SIGKILL) } }

  var said: String { String(decoding: (try? Data(contentsOf: errors)) ?? Data(), as: UTF8.self) }

  func signal(_ number: Int32) { if status == nil { kill(process, number) } }

  @discardableResult
  func end(_ number: Int32) -> Int32 {
    signal(number)
    return wait()
  }

  /// Waits until it has ended.
  ///
  /// - Returns: Its exit code, or 128 and the number of a signal.
  @discardableResult
  func wait() -> Int32 {
    let ended = status ?? SpawnedProcess.wait(process)
    status = ended
    expectNoSecret(in: Array(said.utf8), from: "roost work")
    return ExitReason(ended).code
  }
}

extension Scene {
  /// `roost work` with a worker's key, whose command is a script in `sh`.
  func work(on daemon: LiveDaemon, _ flags: [String] = [], sh script: String, environment: [String: String] = [:])
    throws -> WorkProcess
  {
    try WorkProcess(
      self, port: daemon.port, key: daemon.worker, flags + ["--", "sh", "-c", script], environment: environment)
  }

  /// What a command has written into a file of the scene's directory; empty where there is none.
  func text(_ name: String) -> String {
    String(decoding: (try? Data(contentsOf: directory.appendingPathComponent(name))) ?? Data(), as: UTF8.self)
  }

  /// The processes that work in the scene's directory, zombies not counted.
  func processesWithin() -> [Int32] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    let here = directory.resolvingSymlinksInPath().path
    return entries.compactMap { Int32($0) }.filter { process in
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")) == here && isRunning(process)
    }
  }

  /// The process numbers that commands have written, one a line.
  func processes(_ name: String) -> [Int32] { text(name).split(separator: "\n").compactMap { Int32($0) } }
}

/// Whether a process is there, a zombie not counted: nobody here can wait for it.
func isRunning(_ process: Int32) -> Bool {
  guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let end = text.lastIndex(of: ")")
  else { return false }
  return text[end...].dropFirst(2).first != "Z"
}
