import CSupervise
import Foundation
import Glibc
import Logging
import RoostClient
import Synchronization

/// Runs a job as a command: its payload on standard input, its facts in variables, its exit status the outcome.
struct CommandHandler: Sendable {
  let command: [String]
  /// How long a job waits whose command ends with 75.
  let snooze: Duration
  /// What a command gets between SIGTERM and SIGKILL.
  let grace: Duration
  let logger: Logger
  /// Why the command cannot be started; nil while it can.
  let obstacle = Obstacle()

  /// As many as a job's result may have.
  private static let outputBytes = 4 << 20
  private static let errorBytes = 4 << 10
  /// Before a job comes back for which this machine had no process, file or memory left.
  private static let scarcityDelay = Duration.seconds(10)

  final class Obstacle: Sendable {
    private let text = Mutex<String?>(nil)
    var found: String? { text.withLock { $0 } }
    fileprivate func note(_ what: String) { text.withLock { $0 = $0 ?? what } }
  }

  /// - Throws: Why it ended, where it was told to.
  func run(_ payload: RawJSON, _ context: JobContext) async throws -> Outcome {
    let outcome = obstacle.found == nil ? try await attempt(payload, context) : .snooze(.zero)
    return obstacle.found == nil ? outcome : outcome.stoppingWorker()
  }

  private func attempt(_ payload: RawJSON, _ context: JobContext) async throws -> Outcome {
    try Task.checkCancellation()
    let child: SupervisedChild
    do throws(SupervisedChild.StartFailure) {
      child = try SupervisedChild(command, environment: JobVariables(context).environment)
    } catch {
      return notStarted(error.number)
    }
    let ending = await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        // A command takes as long as it takes: Swift's own threads are not to wait for it.
        Thread.detachNewThread {
          waiter.resume(
            returning: child.run(
              input: payload.bytes, outputBytes: Self.outputBytes, errorBytes: Self.errorBytes))
        }
      }
    } onCancel: {
      child.terminate(grace: grace)
    }
    return try outcome(of: ending)
  }

  // MARK: What became of it

  private func outcome(of ending: SupervisedChild.Ending) throws -> Outcome {
    switch ending.reason {
    case .exited(0): return completed(ending.output)
    case .exited(65): return .fail(Self.error("exit status 65", ending))
    case .exited(75): return .snooze(snooze)
    case .exited(126) where !Task.isCancelled, .exited(127) where !Task.isCancelled:
      let why = ending.reason == .exited(126) ? "cannot be executed" : "was not found"
      return cannotStart("its status says that it, or a command in it, \(why)\(Self.tail(ending))")
    case .exited(let status): return try failed(Self.error("exit status \(status)", ending))
    case .signalled(let signal):
      let name = roost_signal_name(signal).map { "SIG" + String(cString: $0) } ?? "signal \(signal)"
      return try failed(Self.error("killed by \(name)", ending))
    case .notStarted(let number): return notStarted(number)
    case .unsupervised: return try failed(Self.error("killed together with its supervisor", ending))
    }
  }

  private func completed(_ output: [UInt8]?) -> Outcome {
    guard let output else {
      return .fail("standard output is larger than \(Self.outputBytes) bytes, the most a result may have")
    }
    if let json = try? RawJSON(bytes: output) { return .complete(json) }
    // As a shell's $(…): without the ends of the last lines.
    let text = output.prefix((output.lastIndex { $0 != UInt8(ascii: "\n") }).map { $0 + 1 } ?? 0)
    return text.isEmpty ? .complete : .complete(String(decoding: text, as: UTF8.self))
  }

  /// One that was told to stop is no failure of its own: the worker knows why.
  private func failed(_ error: String) throws -> Outcome {
    guard !Task.isCancelled else { throw Stopped(description: error) }
    return .retry(error)
  }

  private struct Stopped: Error, CustomStringConvertible {
    let description: String
  }

  private func notStarted(_ number: Int32) -> Outcome {
    let reason = String(cString: strerror(number))
    switch number {
    case E2BIG: return .fail("the job's tags and metadata are larger than environment variables may be")
    case EAGAIN, ENOMEM, EMFILE, ENFILE:
      logger.warning("a command could not be started now, the job comes back", metadata: ["error": "\(reason)"])
      return .snooze(Self.scarcityDelay)
    default: return cannotStart(reason.prefix(1).lowercased() + reason.dropFirst())
    }
  }

  /// The job goes back as it came, and the worker stops: it would do the same with every other one.
  private func cannotStart(_ reason: String) -> Outcome {
    obstacle.note("cannot run \(inert(command[0])): \(inert(reason))")
    return .snooze(.zero)
  }

  private static func error(_ what: String, _ ending: SupervisedChild.Ending) -> String { what + tail(ending) }

  private static func tail(_ ending: SupervisedChild.Ending) -> String {
    // Behind a cut stands, perhaps, the rest of a character.
    let bytes = ending.errors.drop { $0 & 0xC0 == 0x80 }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    return text.isEmpty ? "" : ": \(text)"
  }
}
