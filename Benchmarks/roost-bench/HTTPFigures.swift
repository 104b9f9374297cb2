import Glibc
import RoostLog

/// Submits and whole cycles over HTTP beside a bare Hummingbird echo, at several numbers of connections, in one run.
/// The load generator is this process: one thread beside the servers' processes.
struct HTTPFigures {
  let roost: String
  let echo: String
  /// For data directories; emptied by whoever made it.
  let folder: String
  let seconds: Int
  let levels: [Int]

  private static let rounds = 3

  func run() throws {
    print("connections    echo/s  submit/s  of echo  answers/sync  p50 µs  p99 µs   cycles/s  answers/sync")
    for level in levels { try measure(level) }
  }

  private func measure(_ level: Int) throws {
    let data = "\(folder)/http-\(level)"
    let echoServer = Daemon([echo])
    let daemon = Daemon.roost(roost, folder: data)
    let keys = [Daemon.key("client", folder: data), Daemon.key("worker", folder: data)]
    var (echoes, submits, cycles): ([Load.Result], [Load.Result], [Load.Result]) = ([], [], [])
    for _ in 0..<HTTPFigures.rounds {
      echoes.append(load(echoServer.port, level, .echo, ["", ""]))
      cycles.append(load(daemon.port, level, .cycle, keys))
      submits.append(load(daemon.port, level, .submit, keys))
    }
    echoServer.stop()
    daemon.stop()
    let stamps = try frameTimes(data)
    let (echo, submit) = (median(echoes.map(\.perSecond)), median(submits.map(\.perSecond)))
    print(
      column("\(level)", 11) + column(decimal(echo, 0), 10) + column(decimal(submit, 0), 10)
        + column("\(decimal(submit / echo * 100, 0)) %", 9) + column(decimal(answersPerSync(submits, stamps), 1), 14)
        + column(decimal(median(submits.map { $0.microseconds(at: 0.5) }), 0), 8)
        + column(decimal(median(submits.map { $0.microseconds(at: 0.99) }), 0), 8)
        + column(decimal(median(cycles.map(\.perSecond)), 0), 11)
        + column(decimal(answersPerSync(cycles, stamps), 1), 14)
        + "   best: \(best(echoes)) \(best(submits)) \(best(cycles))")
  }

  private func best(_ results: [Load.Result]) -> String { decimal(results.map(\.perSecond).max() ?? 0, 0) }

  private func load(_ port: UInt16, _ connections: Int, _ kind: Load.Kind, _ keys: [String]) -> Load.Result {
    let load = Load(port: port, connections: connections, kind: kind, clientKey: keys[0], workerKey: keys[1])
    return load.run(seconds: seconds)
  }

  private func answersPerSync(_ results: [Load.Result], _ stamps: [Int64]) -> Double {
    let syncs = results.reduce(0) { sum, result in
      sum + stamps.count { $0 >= result.from && $0 < result.until }
    }
    return Double(results.reduce(0) { $0 + $1.answers }) / Double(max(1, syncs))
  }

  /// Each frame is one sync; its header says when.
  private func frameTimes(_ data: String) throws -> [Int64] {
    var times: [Int64] = []
    _ = try LogInspector(disk: LinuxDisk(inspecting: data)).inspect(frame: { times.append($0.header.stamp.bootTime) })
    return times
  }
}
