import RoostCore
import RoostSimulation

/// What the command line asks for.
struct Arguments {
  static let usage = """
    usage: roost-sim [--seed N | --seeds A-B | --time 1h [--seed FIRST]] [--operations N] [--turns LIST]
                     [--defect NAME] [--verbose]
           roost-sim --damage A-B [--defect NAME]
           roost-sim --mutations [--defect NAME]
      --time        plays one seed after the other for so long (30s, 10m, 1h); without --seed from a random one on
      --operations  of each seed at least so many (1000)
      --damage      damages a small directory of each seed: the ends of its files, one after the other
      --mutations   the table of which check notices which defect: of all, or of those that are named
      --turns       plays these parts of the seed's history alone, as a shrunk failure names them
      defects: \(Mutation.allCases.map(\.name).joined(separator: ", "))
    """

  var seeds: ClosedRange<UInt64> = 1...1
  var time: Duration?
  var operations = 1_000
  var script: Script?
  var defects: Set<Mutation> = []
  var isVerbose = false
  /// Instead of playing histories.
  var wantsMutations = false
  var wantsDamage = false

  /// Nil when it cannot be understood.
  init?(_ words: ArraySlice<String>) {
    var words = words
    var hasSeeds = false
    while let word = words.popFirst() {
      switch word {
      case "--verbose": isVerbose = true
      case "--mutations": wantsMutations = true
      case "--seed":
        guard let seed = words.popFirst().flatMap({ UInt64($0) }) else { return nil }
        seeds = seed...seed
        hasSeeds = true
      case "--seeds", "--damage":
        wantsDamage = word == "--damage"
        let bounds = (words.popFirst() ?? "").split(separator: "-").compactMap { UInt64($0) }
        guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
        seeds = bounds[0]...bounds[1]
        hasSeeds = true
      case "--time":
        guard let wanted = words.popFirst().flatMap(Self.duration) else { return nil }
        time = wanted
      case "--operations":
        guard let count = words.popFirst().flatMap({ Int($0) }), count > 0 else { return nil }
        operations = count
      case "--turns":
        guard let wanted = words.popFirst().flatMap({ Script($0) }) else { return nil }
        script = wanted
      case "--defect":
        guard let defect = words.popFirst().flatMap({ Mutation(name: $0) }) else { return nil }
        defects.insert(defect)
      default: return nil
      }
    }
    guard time != nil else { return }
    let first = hasSeeds ? seeds.lowerBound : UInt64.random(in: 1...(1 << 40))
    seeds = first...(first + (1 << 40))
  }

  /// The command that plays a seed of this run again.
  func command(_ seed: UInt64) -> String {
    var words = ["roost-sim --seed \(seed)"]
    if let script { words.append("--turns \(script)") } else { words.append("--operations \(operations)") }
    words += defects.map { "--defect \($0.name)" }.sorted()
    if isVerbose { words.append("--verbose") }
    return words.joined(separator: " ")
  }

  /// `90s`, `10m`, `1h`.
  private static func duration(_ text: String) -> Duration? {
    guard let count = Int(text.dropLast()), count > 0, count < 1_000_000 else { return nil }
    switch text.last {
    case "s": return .seconds(count)
    case "m": return .seconds(60 * count)
    case "h": return .seconds(3_600 * count)
    default: return nil
    }
  }
}
