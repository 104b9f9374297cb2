import RoostSimulation

/// Changes samples by a seed: a few bytes, a block, a number at its limits, a piece of another sample.
package struct Mutator {
  private var random: SeededRandom
  private let samples: [[UInt8]]

  /// - Parameter samples: At least one.
  package init(seed: UInt64, _ samples: [[UInt8]]) {
    random = SeededRandom(seed: seed)
    self.samples = samples
  }

  /// The next input.
  package mutating func next() -> [UInt8] {
    var bytes = samples[random.below(samples.count)]
    for _ in 0...random.below(4) { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = random.below(bytes.count + 1)
    let end = min(bytes.count, place + 1 + random.below(8))
    switch random.below(8) {
    case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(random.below(8))
    case 1 where place < bytes.count: bytes[place] = UInt8(random.below(256))
    case 2: bytes.insert(UInt8(random.below(256)), at: place)
    case 3: bytes.removeSubrange(place..<end)
    case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
    case 5:
      // The limits of numbers of one to eight bytes.
      let fill: UInt8 = [0, 0xFF, 0x7F, 0x80][random.below(4)]
      for byte in place..<end { bytes[byte] = fill }
    case 6:
      let other = samples[random.below(samples.count)]
      guard !other.isEmpty else { return }
      let from = random.below(other.count)
      bytes.insert(contentsOf: other[from..<min(other.count, from + 1 + random.below(32))], at: place)
    default: bytes.removeLast(bytes.count - place)
    }
  }
}

extension FuzzTarget {
  /// What the search begins with, beside the corpus.
  package var samples: [[UInt8]] {
    switch self {
    case .segment: SegmentOracle.samples
    case .directory: [Array(repeating: 0, count: DirectoryOracle.changeBytes)]
    case .records: RecordOracle.samples
    case .head: HeadOracle.samples
    case .json, .body, .words, .cron, .zone: []
    }
  }
}
