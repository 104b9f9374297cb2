import Glibc
import RoostCore
import RoostSimulation

/// `roost-sim --seed N | --seeds A-B [--operations N] [--defect name] [--verbose]`: exit 1 at the first failure.
/// `roost-sim --mutations`: the table of which check notices which defect; exit 1 if one goes unnoticed.
@main
enum Main {
  static func main() {
    guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else {
      print("usage: roost-sim --seed N | --seeds A-B [--operations N] [--defect NAME] [--verbose]")
      print("       roost-sim --mutations")
      print("defects: " + Mutation.allCases.map(\.name).joined(separator: ", "))
      exit(64)
    }
    if arguments.wantsMutations {
      let areAllNoticed = MutationGate.table {
        print($0)
        fflush(nil)
      }
      exit(areAllNoticed ? 0 : 1)
    }
    let started = ContinuousClock.now
    var report = SimulationReport()
    for seed in arguments.seeds {
      do throws(SimulationFailure) {
        report.add(
          try Simulation.run(
            seed: seed, operations: arguments.operations, defects: arguments.defects, isVerbose: arguments.isVerbose))
      } catch {
        print(error)
        exit(1)
      }
    }
    let minutes = (ContinuousClock.now - started) / .seconds(60)
    print(report.table)
    print(
      "per minute: \(Int(Double(report.operations) / minutes)) operations, \(Int(Double(report.crashes) / minutes)) "
        + "crashes, \(Int(Double(report.seeds) / minutes)) seeds")
  }
}

/// What the command line asks for.
private struct Arguments {
  var seeds: ClosedRange<UInt64> = 1...1
  var operations = 1_000
  var defects: Set<Mutation> = []
  var isVerbose = false
  var wantsMutations = false

  /// Nil when it cannot be understood.
  init?(_ words: ArraySlice<String>) {
    var words = words
    while let word = words.popFirst() {
      switch word {
      case "--verbose": isVerbose = true
      case "--mutations": wantsMutations = true
      case "--seed":
        guard let seed = words.popFirst().flatMap({ UInt64($0) }) else { return nil }
        seeds = seed...seed
      case "--seeds":
        let bounds = (words.popFirst() ?? "").split(separator: "-").compactMap { UInt64($0) }
        guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
        seeds = bounds[0]...bounds[1]
      case "--operations":
        guard let count = words.popFirst().flatMap({ Int($0) }), count > 0 else { return nil }
        operations = count
      case "--defect":
        guard let defect = words.popFirst().flatMap({ Mutation(name: $0) }) else { return nil }
        defects.insert(defect)
      default: return nil
      }
    }
  }
}
