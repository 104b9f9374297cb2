/// Whole cycles three ways: submit, lease and ack a job at a time; with `lease_next` on the acknowledgement; in batches of
/// 100. Each with the server's CPU time a job, alternating in one run against one daemon.
struct CycleFigures {
  let roost: String
  let folder: String
  let seconds: Int
  let levels: [Int]

  private static let rounds = 3

  func run() {
    print(
      "connections   cycles/s  CPU µs/job   lease_next/s  CPU µs/job   batches: jobs/s  CPU µs/job  generator CPU µs/job"
    )
    for level in levels { measure(level) }
  }

  private func measure(_ level: Int) {
    let data = "\(folder)/cycles-\(level)"
    let daemon = Daemon.roost(roost, folder: data)
    let keys = [Daemon.key("client", folder: data), Daemon.key("worker", folder: data)]
    var results: [[Load.Result]] = [[], [], []]
    for _ in 0..<Self.rounds {
      for (place, kind) in [Load.Kind.cycle, .next, .batch].enumerated() {
        let load = Load(port: daemon.port, connections: level, kind: kind, clientKey: keys[0], workerKey: keys[1])
        results[place].append(load.run(seconds: seconds, against: daemon))
      }
    }
    daemon.stop()
    let rate = { (place: Int) in decimal(median(results[place].map(\.perSecond)), 0) }
    let cost = { (place: Int) in
      decimal(median(results[place].map { $0.serverCPU / Double(max(1, $0.count)) * 1e6 }), 1)
    }
    let own = decimal(median(results[2].map { $0.ownCPU / Double(max(1, $0.count)) * 1e6 }), 1)
    print(
      column("\(level)", 11) + column(rate(0), 11) + column(cost(0), 12) + column(rate(1), 15) + column(cost(1), 12)
        + column(rate(2), 18) + column(cost(2), 12) + column(own, 22))
  }
}
