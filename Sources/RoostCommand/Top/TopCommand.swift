import ArgumentParser
import Foundation
import Glibc
import RoostAPI
import RoostClient
import UnixSignals

/// `roost top`: queues, rates, latencies and workers, live.
struct TopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "Watch queues, rates, latencies and workers live; pause and open queues.",
    discussion: """
      Keys: j k or arrows choose a queue, enter opens it, p pauses or resumes it, s sorts, w shows workers, ? helps, \
      q quits. The key must be one that may lease; pausing needs one that may manage queues.

      Exit codes: 0 done, 1 the daemon refused it, 64 a wrong flag or no terminal, 69 no daemon answered.
      """)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "How often to ask, 200ms to 1h.") var interval = GivenDuration(.seconds(2))

  func validate() throws {
    guard (.milliseconds(200)...(.seconds(3_600))).contains(interval.duration) else {
      throw ValidationError("--interval must be 200ms to 1h, got \(interval).")
    }
  }

  func run() async throws {
    let target = try daemon.target()
    let connection = try daemon.connection()
    var screen = TopScreen()
    // A wrong key or URL is told as by any other command, before the screen changes.
    screen.answers = try await Self.ask(connection, screen)
    guard RawTerminal.enter() else {
      throw CommandFailure(.usage, "top needs a terminal; roost stats --watch 2s shows figures elsewhere")
    }
    defer { RawTerminal.restore() }
    await show(screen, connection, "roost top   \(inert(target.url))   \(inert(target.source))")
  }

  private enum Event: Sendable {
    case keys([UInt8])
    case tick, resized
    /// Nobody can press a key any more.
    case closed
  }

  private func show(_ first: TopScreen, _ connection: RoostConnection, _ title: String) async {
    var screen = first
    let (events, report) = AsyncStream.makeStream(of: Event.self)
    Thread.detachNewThread { Self.readKeys { report.yield($0) } }
    let interval = interval.duration
    let ticking = Task {
      while (try? await Task.sleep(for: interval)) != nil { report.yield(.tick) }
    }
    let resizing = Task {
      for await _ in await UnixSignalsSequence(trapping: .sigwinch) { report.yield(.resized) }
    }
    defer {
      ticking.cancel()
      resizing.cancel()
    }
    draw(screen, title)
    for await event in events {
      switch event {
      case .closed: return
      case .resized: break
      case .tick: await refresh(&screen, connection)
      case .keys(let bytes):
        for key in Key.keys(in: bytes[...]) {
          guard let request = screen.press(key) else { continue }
          if request == .quit { return }
          await carryOut(request, &screen, connection)
        }
      }
      draw(screen, title)
    }
  }

  private static func readKeys(_ report: (Event) -> Void) {
    var bytes = [UInt8](repeating: 0, count: 256)
    while true {
      let count = read(STDIN_FILENO, &bytes, bytes.count)
      if count > 0 {
        report(.keys(Array(bytes[..<count])))
      } else if count == 0 || errno != EINTR {
        return report(.closed)
      }
    }
  }

  private func draw(_ screen: TopScreen, _ title: String) {
    let (columns, rows) = Terminal.size() ?? (80, 24)
    let time = Date().formatted(.iso8601.time(includingFractionalSeconds: false))
    let lines = screen.lines(
      columns: columns, rows: rows, hasColour: Terminal.hasColour, title: "\(title)   \(time) UTC")
    StandardStream.output.write(
      "\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  // MARK: Asking

  private func carryOut(
    _ request: TopScreen.Request, _ screen: inout TopScreen, _ connection: RoostConnection
  ) async {
    do throws(CommandFailure) {
      switch request {
      case .quit, .refresh: break
      case .pause(let queue):
        _ = try await connection.answer(
          to: .post, "/queues/\(percentEncoded(queue))/pause", body: JSONWriter(pausing: "roost top", until: nil))
        screen.message = "\(inert(queue)) is paused"
      case .resume(let queue):
        _ = try await connection.answer(to: .post, "/queues/\(percentEncoded(queue))/resume")
        screen.message = "\(inert(queue)) goes on"
      }
    } catch {
      screen.message = error.message
    }
    await refresh(&screen, connection)
  }

  private func refresh(_ screen: inout TopScreen, _ connection: RoostConnection) async {
    do throws(CommandFailure) {
      screen.answers = try await Self.ask(connection, screen)
    } catch {
      screen.answers.failure = error.message
    }
  }

  private static func ask(
    _ connection: RoostConnection, _ screen: TopScreen
  ) async throws(CommandFailure) -> TopScreen.Answers {
    func ask(_ path: String) async throws(CommandFailure) -> JSONValue {
      JSONValue(try await connection.answer(to: .get, path, timeoutMilliseconds: 5_000).body) ?? .null
    }
    var answers = TopScreen.Answers()
    answers.stats = try await ask("/stats")
    answers.queues = try await ask("/queues?sort=\(screen.order.rawValue)&limit=200")
    answers.workers = try await ask("/workers")
    if let queue = screen.openQueue {
      answers.jobs = try await ask("/queues/\(percentEncoded(queue))/jobs?limit=20")
    }
    return answers
  }
}
