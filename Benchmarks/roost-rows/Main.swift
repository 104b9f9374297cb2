import Glibc

/// Measures the storage of `RoostCore`: point events at random ids, bytes a row, the worst pause while it grows.
///
///     roost-rows [rows] [events]              everything, at a tenth of the rows and at all (10,000,000 and 4,000,000)
///     roost-rows run <kind> <rows> <events>   one kind of event, nothing printed: for callgrind and allocation counts
///     roost-rows grow <structure> <rows>      one structure grown from nothing: a line of the second table
///     roost-rows kinds                        the kinds of event, one a line
@main
enum Main {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "kinds": for kind in Workload.Kind.allCases { print("\(kind)\t\(kind.rawValue)") }
    case "run": runOnce(Array(arguments.dropFirst()))
    case "grow": grow(Array(arguments.dropFirst()))
    default: runAll(arguments.map(number))
    }
  }

  private static func runOnce(_ arguments: [String]) {
    guard arguments.count == 3, let kind = Workload.Kind.allCases.first(where: { "\($0)" == arguments[0] }) else {
      fail("usage: roost-rows run <kind> <rows> <events>")
    }
    var workload = Workload(rows: number(arguments[1]))
    workload.populate(for: kind)
    workload.run(kind, events: number(arguments[2]))
  }

  private static func runAll(_ numbers: [Int]) {
    let rows = numbers.first ?? 10_000_000
    let events = numbers.dropFirst().first ?? 4_000_000
    printEvents(rows, events)
    printGrowth(rows)
  }

  private static func printEvents(_ rows: Int, _ events: Int) {
    print("point events at random ids, one core, best of three runs of \(events) events")
    print("million events/s (ns each)               at \(rows / 10) jobs     at \(rows) jobs")
    for kind in Workload.Kind.allCases {
      let small = time(kind, rows / 10, events)
      let large = time(kind, rows, events)
      let name = kind.rawValue + String(repeating: " ", count: max(0, 38 - kind.rawValue.count))
      print("\(name)\(rate(small)) \(rate(large))")
      fflush(nil)
    }
  }

  private static func rate(_ nanoseconds: Double) -> String {
    column(1_000 / nanoseconds, 8) + " (" + column(nanoseconds, 7) + ")"
  }

  private static func time(_ kind: Workload.Kind, _ rows: Int, _ events: Int) -> Double {
    var workload = Workload(rows: rows)
    workload.populate(for: kind)
    var best = Double.infinity
    for _ in 0..<3 {
      let begin = nanoseconds()
      workload.run(kind, events: events)
      best = min(best, Double(nanoseconds() - begin) / Double(events))
    }
    return best
  }

  private static func printGrowth(_ rows: Int) {
    print("\ngrowing from 0 to \(rows), every insertion timed, three passes; anonymous memory from a tenth on")
    print("                                        RssAnon B/row  own B/row  mean ns  worst µs  recurring worst µs")
    for structure in Growth.Structure.allCases {
      fflush(nil)
      // A process each: memory that another structure gave back to the allocator would hide this one's growth.
      runAgain(["grow", "\(structure)", "\(rows)"])
    }
  }

  private static func grow(_ arguments: [String]) {
    guard arguments.count == 2, let structure = Growth.Structure.allCases.first(where: { "\($0)" == arguments[0] })
    else {
      fail("usage: roost-rows grow <structure> <rows>")
    }
    let result = Growth(rows: number(arguments[1])).measure(structure)
    let name = structure.rawValue + String(repeating: " ", count: max(0, 40 - structure.rawValue.count))
    print(
      name + column(result.anonymousBytesPerRow, 13) + column(result.residentBytesPerRow, 11)
        + column(result.meanNanoseconds, 9) + column(Double(result.worstNanoseconds) / 1_000, 10)
        + column(Double(result.recurringNanoseconds) / 1_000, 20))
  }

  private static func runAgain(_ arguments: [String]) {
    var process = pid_t()
    var vector: [UnsafeMutablePointer<CChar>?] = (["roost-rows"] + arguments).map { strdup($0) }
    vector.append(nil)
    defer { vector.forEach { free($0) } }
    guard posix_spawn(&process, "/proc/self/exe", nil, nil, vector, nil) == 0 else { fail("cannot start a process") }
    var status: Int32 = 0
    guard waitpid(process, &status, 0) == process, status == 0 else { fail("a measurement failed") }
  }

  private static func number(_ text: String) -> Int {
    guard let value = Int(text), value >= 0 else { fail("not a count: \(text)") }
    return value
  }

  private static func fail(_ message: String) -> Never {
    let line = Array((message + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(64)
  }
}
