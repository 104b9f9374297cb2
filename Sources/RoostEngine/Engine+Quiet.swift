import RoostCore
import Synchronization

/// Workers that are asked to take no more jobs: they finish what they hold.
extension Engine {
  /// Asks a worker to take no more, or lets it take them again; kept in the log.
  ///
  /// - Parameter worker: As it calls itself, 1 to 200 bytes; it need not be there.
  /// - Throws: `overloaded` when 1,000 are quiet already, `diskLow`.
  package func quiet(worker: String, _ isQuiet: Bool) async throws(Refusal) {
    var asked = AskedBytes()
    let name = asked.add(worker)
    _ = try await ask(asked.bytes) { base in
      .quietWorker(Command.QuietWorker(worker: name.from(base), isQuiet: isQuiet))
    }
  }

  /// Whether a worker that calls itself so is to take no more jobs.
  package func isQuiet(worker: String) -> Bool { writer.quiet.contains(worker) }

  /// Who is, since when (wall milliseconds), the one asked first first.
  package var quietWorkers: [(worker: String, since: Int64)] { writer.quiet.all }
}

/// A copy of who is quiet, which the writer leaves whenever that has changed.
final class QuietBoard: Sendable {
  private let state = Mutex<(names: Set<[UInt8]>, all: [(worker: String, since: Int64)])>(([], []))
  private let isUsed = Atomic<Bool>(false)
  private let version = Atomic<UInt64>(0)

  func contains(_ worker: String) -> Bool {
    guard isUsed.load(ordering: .relaxed) else { return false }
    // By bytes: two names may be equal to Unicode.
    return state.withLock { $0.names.contains(Array(worker.utf8)) }
  }

  var all: [(worker: String, since: Int64)] { state.withLock { $0.all } }

  /// Takes over what changed.
  func update(_ machine: borrowing StateMachine) {
    let now = machine.quietVersion
    guard version.load(ordering: .relaxed) != now else { return }
    version.store(now, ordering: .relaxed)
    let all = machine.quietNames.map { (worker: $0.worker, since: $0.at) }
    state.withLock { $0 = (Set(all.map { Array($0.worker.utf8) }), all) }
    isUsed.store(!all.isEmpty, ordering: .relaxed)
  }
}
