/// Which parts of a seed's history are played: all of them, or those that shrinking a failure has left.
///
/// A turn consists of parts, and each draws from a generator of its own, so that leaving one out changes no other's
/// numbers.
package struct Script: Sendable, Equatable {
  /// What a turn consists of; the first twelve are its groups of requests.
  enum Part: Int {
    case clock = 12
    case faults = 13
    case background = 14
    case ending = 15
    // Never left out.
    case choice = 16
    case crash = 17
  }

  static let groups = 12
  private static let whole: UInt16 = .max

  /// The parts of each turn that is played, as bits.
  private(set) var turns: [Int: UInt16]

  /// The first turns, whole.
  init(turns count: Int) {
    turns = Dictionary(uniqueKeysWithValues: (0..<count).map { ($0 + 1, Self.whole) })
  }

  func plays(_ part: Int, of turn: Int) -> Bool { turns[turn, default: 0] & (1 << UInt16(part)) != 0 }

  /// Every part that is played, in order: turn × 16 + part.
  var parts: [Int] {
    turns.keys.sorted().flatMap { turn in (0..<16).filter { plays($0, of: turn) }.map { turn * 16 + $0 } }
  }

  init(parts: some Sequence<Int>) {
    turns = [:]
    for part in parts { turns[part / 16, default: 0] |= 1 << UInt16(part % 16) }
  }
}

extension Script: CustomStringConvertible {
  /// Turns as `7`, whole ones in a row as `7-9`, parts of one as `7/30c1`: its bits in hexadecimal.
  package var description: String {
    var words: [String] = []
    var run: ClosedRange<Int>?
    func end() {
      if let run { words.append(run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound)") }
      run = nil
    }
    for turn in turns.keys.sorted() {
      if turns[turn] == Self.whole, let before = run, before.upperBound == turn - 1 {
        run = before.lowerBound...turn
      } else {
        end()
        if turns[turn] == Self.whole {
          run = turn...turn
        } else {
          words.append("\(turn)/\(String(turns[turn]!, radix: 16))")
        }
      }
    }
    end()
    return words.joined(separator: ",")
  }

  /// Reads what `description` writes; nil for anything else.
  package init?(_ text: String) {
    turns = [:]
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = word.split(separator: "/", omittingEmptySubsequences: false)
      let bounds = halves[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard halves.count <= 2, bounds.count <= 2, let first = bounds[0], let last = bounds.last!, first > 0,
        first <= last, last < 1 << 40, let bits = halves.count == 1 ? Self.whole : UInt16(halves[1], radix: 16)
      else { return nil }
      for turn in first...last { turns[turn] = bits }
    }
  }
}

extension SeededRandom {
  /// The generator of one part of a turn.
  init(seed: UInt64, turn: Int, part: Int) {
    var mixer = SeededRandom(seed: seed ^ UInt64(turn * 32 + part) &* 0xD1B5_4A32_D192_ED03)
    self = mixer.split()
  }
}
