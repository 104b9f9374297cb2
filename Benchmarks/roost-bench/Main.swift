import Glibc

/// Measures Roost: the engine alone, HTTP beside a bare echo, memory, replay and start.
///
///     roost-bench disk <folder>                                     a write and its sync
///     roost-bench engine <folder> [jobs] [commands per batch] [sync|nosync] [cycles]
///     roost-bench groups <folder> [groups held back] [jobs of the one that is paused]
///     roost-bench compaction <folder> [seconds] [jobs a second]     commits beside compaction; the log against its bound
///     roost-bench memory <folder>                                   bytes a waiting job, from 1 M to 2 M
///     roost-bench grow <folder> <jobs> <payload bytes>              the longest commit on the way, memory, memory used again
///     roost-bench questions <folder> [queues] [jobs] [commits]      what lists and looks cost the writer
///     roost-bench fill <folder> <jobs> <payload bytes>              a log of waiting jobs
///     roost-bench replay <folder> [keep|drop]                       opens a filled log; keep: never drops its cache
///     roost-bench start <roost> <folder> [times]                    from exec to listening and to the first lease
///     roost-bench http <roost> <echo> <folder> [seconds] [connections …]
///     roost-bench cycles <roost> <folder> [seconds] [connections …] cycles, with lease_next, in batches of 100
///     roost-bench sdk <roost> <folder> [seconds] [in flight …]      the SDK beside raw HTTP
///     roost-bench soak <roost> <folder> [minutes] [connections]     memory, descriptors and disk under full load
///     roost-bench load <port> <connections> <seconds> <echo|submit|cycle|keyed|next|batch> [client key] [worker key]
@main
enum Main {
  static func main() {
    do {
      try run()
    } catch {
      fail("\(error)")
    }
  }

  private static func run() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let rest = Array(arguments.dropFirst())
    // An option for a folder would be made as one.
    if let option = rest.first(where: { $0.hasPrefix("-") }) { fail("roost-bench knows no option \(option)") }
    switch (arguments.first, rest.count) {
    case ("engine", 1...5):
      try EngineAlone(
        folder: rest[0], jobs: number(rest, 1) ?? 1_000_000, batch: number(rest, 2) ?? 1_024,
        syncs: rest.count < 4 || rest[3] == "sync", cycles: number(rest, 4) ?? 800_000
      ).run()
    case ("groups", 1...3):
      try GroupFigures(folder: rest[0], groups: number(rest, 1) ?? 99_000, jobs: number(rest, 2) ?? 1_000_000).run()
    case ("disk", 1): try DiskYardstick(folder: rest[0]).measure()
    case ("compaction", 1...3):
      try CompactionLoad(folder: rest[0], seconds: number(rest, 1) ?? 240, rate: number(rest, 2) ?? 4_000).run()
    case ("memory", 1): try FilledLog(folder: rest[0]).measureMemory()
    case ("grow", 3):
      try Growing(folder: rest[0], jobs: number(rest, 1)!, payloadBytes: number(rest, 2)!).run()
    case ("questions", 1...4):
      try Questions(
        folder: rest[0], queues: number(rest, 1) ?? 10_000, jobs: number(rest, 2) ?? 100_000,
        rounds: number(rest, 3) ?? 2_000
      ).run()
    case ("fill", 3): try FilledLog(folder: rest[0]).fill(jobs: number(rest, 1)!, payloadBytes: number(rest, 2)!)
    case ("replay", 1...2): try FilledLog(folder: rest[0]).replay(keepsCache: rest.count < 2 || rest[1] == "keep")
    case ("start", 2...3): measureStart(program: rest[0], folder: rest[1], times: number(rest, 2) ?? 5)
    case ("http", 3...):
      let levels = rest.dropFirst(4).map { number([$0], 0)! }
      try HTTPFigures(
        roost: rest[0], echo: rest[1], folder: rest[2], seconds: number(rest, 3) ?? 2,
        levels: levels.isEmpty ? [1, 16, 64, 256] : levels
      ).run()
    case ("cycles", 2...):
      let levels = rest.dropFirst(3).map { number([$0], 0)! }
      CycleFigures(
        roost: rest[0], folder: rest[1], seconds: number(rest, 2) ?? 2, levels: levels.isEmpty ? [1, 16, 64] : levels
      ).run()
    case ("sdk", 2...):
      let levels = rest.dropFirst(3).map { number([$0], 0)! }
      SDKFigures(
        roost: rest[0], folder: rest[1], seconds: number(rest, 2) ?? 2, levels: levels.isEmpty ? [1, 16, 64] : levels
      ).run()
    case ("soak", 2...4):
      Soak(
        roost: rest[0], folder: rest[1], minutes: number(rest, 2) ?? 60, connections: number(rest, 3) ?? 64
      ).run()
    case ("load", 4...6):
      let keys = Array(rest.dropFirst(4))
      guard let kind = Load.Kind(rawValue: rest[3]) else { fail("not a kind of load: \(rest[3])") }
      let load = Load(
        port: UInt16(number(rest, 0)!), connections: number(rest, 1)!, kind: kind, clientKey: keys.first ?? "",
        workerKey: keys.last ?? "")
      print(load.run(seconds: number(rest, 2)!).line)
    default:
      fail(
        "usage: roost-bench disk|engine|groups|compaction|memory|grow|questions|fill|replay|start|http|cycles|sdk|soak|load …"
      )
    }
  }

  private static func number(_ arguments: [String], _ index: Int) -> Int? {
    guard index < arguments.count else { return nil }
    guard let value = Int(arguments[index]), value >= 0 else { fail("not a count: \(arguments[index])") }
    return value
  }
}

/// Says why on standard error and ends.
func fail(_ message: String) -> Never {
  let line = Array((message + "\n").utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(64)
}
