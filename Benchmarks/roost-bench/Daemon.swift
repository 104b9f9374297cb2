import Glibc

/// A server process that this one started; it says on standard error where it listens.
final class Daemon {
  private(set) var process = pid_t()
  private let errors: Int32
  private(set) var port: UInt16 = 0
  private var text: [UInt8] = []
  /// Monotonic nanoseconds just before the process was made, and when it said that it listens.
  let startedAt: Int64
  private(set) var listeningAt: Int64 = 0

  init(_ arguments: [String], environment: [String: String] = [:]) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { fail("cannot make a pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    defer { posix_spawn_file_actions_destroy(&actions) }
    var argv = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") }
    var at = environ
    while let variable = at.pointee {
      variables.append(strdup(variable))
      at += 1
    }
    variables.append(nil)
    defer { (argv + variables).forEach { free($0) } }
    startedAt = nanoseconds()
    guard posix_spawn(&process, arguments[0], &actions, nil, &argv, &variables) == 0 else {
      fail("cannot start \(arguments[0])")
    }
    close(ends[1])
    errors = ends[0]
    waitUntilListening()
  }

  /// Roost over a data folder, with development keys.
  static func roost(_ program: String, folder: String) -> Daemon {
    Daemon([program, "serve", "--dev"], environment: ["PORT": "0", "WAL_DIR": folder])
  }

  private func waitUntilListening() {
    let mark = Array("http://127.0.0.1:".utf8)
    var piece = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(errors, &piece, piece.count)
      guard count > 0 else { fail("a server ended: \(String(decoding: text, as: UTF8.self))") }
      text += piece[..<count]
      guard let end = text.lastIndex(of: 0x0A), let at = text[..<end].firstRange(of: mark) else { continue }
      port = UInt16(String(decoding: text[at.upperBound...].prefix { $0 != 0x0A }, as: UTF8.self)) ?? 0
      guard port != 0 else { fail("no port in what a server said") }
      listeningAt = nanoseconds()
      return
    }
  }

  /// Ends the process and waits until it is gone.
  func stop(_ signal: Int32 = SIGTERM) {
    kill(process, signal)
    var status: Int32 = 0
    waitpid(process, &status, 0)
    close(errors)
  }

  /// What all its threads have run so far.
  var cpuSeconds: Double { secondsOfCPU(of: process) }

  /// Milliseconds that the process's busiest thread has run, and has waited for a core that others had.
  func busiestThread() -> (ran: Double, waited: Double) {
    guard let tasks = opendir("/proc/\(process)/task") else { return (0, 0) }
    defer { closedir(tasks) }
    var busiest = (ran: 0.0, waited: 0.0)
    while let entry = readdir(tasks) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let file = fopen("/proc/\(process)/task/\(name)/schedstat", "r") else { continue }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 128)
      guard fgets(&line, Int32(line.count), file) != nil else { continue }
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let fields = text.split(separator: " ").compactMap { Double($0) }
      if fields.count > 1, fields[0] / 1e6 > busiest.ran { busiest = (fields[0] / 1e6, fields[1] / 1e6) }
    }
    return busiest
  }

  /// A development key of a data folder: `client`, `worker` or `admin`.
  static func key(_ type: String, folder: String) -> String {
    guard let file = fopen("\(folder)/dev.keys", "r") else { fail("no dev.keys in \(folder)") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 && $0 != 0x0A }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.hasPrefix("\(type)_key=") { return String(text.dropFirst(type.count + 5)) }
    }
    fail("no \(type) key in \(folder)/dev.keys")
  }
}

/// User and system time of a process, all threads, to a hundredth of a second.
func secondsOfCPU(of process: pid_t) -> Double {
  guard let file = fopen("/proc/\(process)/stat", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 1_024)
  guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
  let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  // The name in parentheses may hold spaces; what follows does not. proc(5): utime and stime are fields 14 and 15.
  let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
  guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
  return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}

/// Milliseconds from exec to listening, and to the first job leased where there is one.
func measureStart(program: String, folder: String, times: Int) {
  // Once for the keys, and so that every measured start finds the same directory.
  Daemon.roost(program, folder: folder).stop()
  let workerKey = Daemon.key("worker", folder: folder)
  var (listening, leased, ran, waited): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
  for _ in 0..<times {
    let daemon = Daemon.roost(program, folder: folder)
    let load = Load(port: daemon.port, connections: 1, kind: .lease, clientKey: "", workerKey: workerKey)
    let isLeased = load.once() == 200
    let now = nanoseconds()
    let busiest = daemon.busiestThread()
    ran.append(busiest.ran)
    waited.append(busiest.waited)
    listening.append(Double(daemon.listeningAt - daemon.startedAt) / 1e6)
    if isLeased { leased.append(Double(now - daemon.startedAt) / 1e6) }
    daemon.stop(SIGKILL)
  }
  print(
    "start, \(times) times after kill -9: listening after \(decimal(median(listening), 1)) ms "
      + "(best \(decimal(listening.min() ?? 0, 1)), worst \(decimal(listening.max() ?? 0, 1)))"
      + (leased.isEmpty
        ? "; no job to lease"
        : "; first lease after \(decimal(median(leased), 1)) ms "
          + "(best \(decimal(leased.min() ?? 0, 1)), worst \(decimal(leased.max() ?? 0, 1)))")
      + "; its busiest thread ran \(decimal(median(ran), 1)) ms and waited \(decimal(median(waited), 1)) ms for a core")
}
