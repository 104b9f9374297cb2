import Foundation
import Fuzzing
import Testing

/// The kept inputs of the fuzzer, and mutations of them by a seed. `make fuzz` looks for more.
@Suite("Fuzzing")
struct FuzzTests {
  /// `Corpora/<target>`: small inputs, those that were findings among them.
  private static func corpus(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fuzzing/Corpora/\(target.rawValue)")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      (name, [UInt8](try Data(contentsOf: folder.appendingPathComponent(name))))
    }
  }

  @Test("what was kept of the fuzzer's inputs is read rightly or refused", arguments: FuzzTarget.allCases)
  func corpora(target: FuzzTarget) throws {
    let corpus = try Self.corpus(of: target)
    #expect(!corpus.isEmpty || !target.samples.isEmpty)
    for (name, bytes) in corpus {
      let problem = target.problem(with: bytes)
      #expect(problem == nil, "\(target.rawValue)/\(name): \(problem ?? "")")
    }
    for bytes in target.samples {
      let problem = target.problem(with: bytes)
      #expect(problem == nil, "\(target.rawValue): \(problem ?? "")")
    }
  }

  @Test("what a seed makes of them is read rightly or refused", arguments: FuzzTarget.allCases)
  func mutations(target: FuzzTarget) throws {
    let rounds =
      switch target {
      case .json, .body, .words, .head, .cron: 20_000
      case .zone: 5_000
      case .segment, .directory: 1_500
      case .records: 1_000
      }
    let seed: UInt64 = 20_261_121
    var mutator = Mutator(seed: seed, try Self.corpus(of: target).map(\.bytes) + target.samples)
    for round in 0..<rounds {
      let bytes = mutator.next()
      guard let problem = target.problem(with: bytes) else { continue }
      Issue.record("\(target.rawValue), seed \(seed), round \(round): \(problem)\n\(Data(bytes).base64EncodedString())")
      return
    }
  }
}
