import Glibc
import RoostCore
import RoostSimulation

/// `roost-sim`: random histories of the store under every fault, by seed or for a time; exit 1 at the first failure,
/// shrunk, with the command that repeats it. `--mutations`: which check notices which defect; exit 1 if one goes
/// unnoticed.
@main
enum Main {
  static func main() {
    guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else {
      print(Arguments.usage)
      exit(64)
    }
    if arguments.wantsMutations {
      let areAllNoticed = MutationGate.table(of: arguments.defects) { say($0) }
      exit(areAllNoticed ? 0 : 1)
    }
    if arguments.wantsDamage {
      exit(DamageSweep.play(arguments.seeds, defects: arguments.defects) { say($0) } ? 0 : 1)
    }
    say(
      "roost-sim of \(Commit.name), seeds from \(arguments.seeds.lowerBound), \(arguments.operations) operations each")
    let started = ContinuousClock.now
    var report = SimulationReport()
    var nextLine = Duration.seconds(60)
    for seed in arguments.seeds {
      let elapsed = ContinuousClock.now - started
      if let time = arguments.time, elapsed >= time { break }
      if arguments.time != nil, elapsed >= nextLine {
        say(pace(report, elapsed) + ", next seed \(seed)")
        nextLine += .seconds(60)
      }
      LastWords.prepare("roost-sim died in seed \(seed). Repeat it: \(arguments.command(seed))\n")
      do throws(SimulationFailure) {
        report.add(
          try Simulation.run(
            seed: seed, operations: arguments.operations, defects: arguments.defects, script: arguments.script,
            isVerbose: arguments.isVerbose))
      } catch {
        tell(error, arguments)
        exit(1)
      }
    }
    print(report.table)
    if !report.missing.isEmpty { print("never occurred: " + report.missing.joined(separator: ", ")) }
    print(pace(report, ContinuousClock.now - started))
  }

  /// Prints at once, whoever reads.
  private static func say(_ line: String) {
    print(line)
    fflush(nil)
  }

  private static func pace(_ report: SimulationReport, _ elapsed: Duration) -> String {
    let minutes = elapsed / .seconds(60)
    func perMinute(_ count: Int) -> Int { Int(Double(count) / minutes) }
    return "\(elapsed.components.seconds) s: \(report.seeds) seeds, \(report.operations) operations, "
      + "\(report.crashes) crashes; per minute: \(perMinute(report.operations)) operations, "
      + "\(perMinute(report.crashes)) crashes, \(perMinute(report.seeds)) seeds"
  }

  private static func tell(_ failure: SimulationFailure, _ arguments: Arguments) {
    say("FAILED on \(Commit.name)\n\(failure)\nrepeat it: \(arguments.command(failure.seed))")
    guard arguments.script == nil else { return }
    print("shrinking …")
    let (script, shrunk) = Simulation.shrink(failure, defects: arguments.defects)
    var replay = arguments
    replay.script = script
    replay.isVerbose = true
    do throws(SimulationFailure) {
      _ = try Simulation.run(
        seed: failure.seed, defects: arguments.defects, script: script, isVerbose: true)
      print("the shortest history found did not fail again: \(shrunk)")
    } catch {
      print("the shortest history found:\n\(error)\nreplay it: \(replay.command(failure.seed))")
    }
  }
}

/// What a dying process still says: a trap in the code under test must not hide its seed.
private enum LastWords {
  /// `nonisolated(unsafe)`: written by the only thread, read by its signal handler, which can take no lock.
  nonisolated(unsafe) private static var bytes: UnsafeMutableRawBufferPointer = .allocate(byteCount: 512, alignment: 1)
  nonisolated(unsafe) private static var count = 0

  static func prepare(_ words: String) {
    if count == 0 { for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT] { Glibc.signal(signal, speak) } }
    let text = Array(words.utf8.prefix(bytes.count))
    bytes.copyBytes(from: text)
    count = text.count
  }

  private static let speak: @convention(c) (Int32) -> Void = { number in
    _ = write(STDERR_FILENO, bytes.baseAddress, count)
    signal(number, SIG_DFL)
    raise(number)
  }
}
