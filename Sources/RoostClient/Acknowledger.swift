import RoostAPI
import Synchronization

/// Tells the daemon which attempts are complete: one request at a time, which takes along all that ended while the
/// one before it was under way. A lone acknowledgement waits for nobody; many at once share a request and a sync.
final class Acknowledger: Sendable {
  private typealias Answer = Result<Void, Transport.Failure>

  /// One acknowledgement and who waits for its answer.
  private struct Item: Sendable {
    let job: LeasedJob
    let result: RawJSON?
    let waiter: CheckedContinuation<Answer, Never>
  }

  private struct State {
    var waiting: [Item] = []
    var isSending = false
  }

  private static let maxItems = 1_000
  /// A larger result travels alone, so that no other acknowledgement waits for it.
  private static let maxResultBytes = 64 << 10
  /// Of all results in one request.
  private static let maxRequestBytes = 1 << 20

  private let transport: Transport
  private let state = Mutex(State())

  init(_ transport: Transport) {
    self.transport = transport
  }

  /// Acknowledges one job, in one attempt.
  func acknowledge(_ job: LeasedJob, _ result: RawJSON?) async throws(Transport.Failure) {
    if let result, result.bytes.count > Self.maxResultBytes { return try await send(job, result) }
    let answer = await withCheckedContinuation { waiter in
      let isFirst = state.withLock { state in
        state.waiting.append(Item(job: job, result: result, waiter: waiter))
        defer { state.isSending = true }
        return !state.isSending
      }
      // A task of its own: it serves the others after the one that began it.
      if isFirst { WorkerThread.task { await self.sendAll() } }
    }
    try answer.get()
  }

  private func sendAll() async {
    while let items = take() {
      if items.count == 1 {
        items[0].waiter.resume(returning: await answer(items[0]))
      } else {
        for (item, answer) in zip(items, await answers(items)) { item.waiter.resume(returning: answer) }
      }
    }
  }

  /// What waits, as much as fits into one request; nil if nothing does, and then the next one begins to send again.
  private func take() -> [Item]? {
    state.withLock { state in
      var bytes = 0
      let items = state.waiting.prefix(Self.maxItems).prefix { item in
        bytes += item.result?.bytes.count ?? 0
        return bytes <= Self.maxRequestBytes
      }
      state.waiting.removeFirst(items.count)
      state.isSending = !items.isEmpty
      return items.isEmpty ? nil : Array(items)
    }
  }

  private func answer(_ item: Item) async -> Answer {
    do throws(Transport.Failure) {
      return .success(try await send(item.job, item.result))
    } catch {
      return .failure(error)
    }
  }

  private func send(_ job: LeasedJob, _ result: RawJSON?) async throws(Transport.Failure) {
    var body = JSONWriter(capacity: 64 + (result?.bytes.count ?? 0))
    body.beginObject()
    body.field("lease_id", job.leaseID)
    if let result { body.field("result", raw: result.bytes[...]) }
    body.endObject()
    _ = try await transport.endOnce(.post("/jobs/\(percentEncoded(job.id.rawValue))/ack", body.bytes))
  }

  /// One answer for each item, in order.
  private func answers(_ items: [Item]) async -> [Answer] {
    var body = JSONWriter(capacity: items.count * 128)
    body.beginObject()
    body.key("items")
    body.beginArray()
    for item in items {
      body.beginObject()
      body.field("job_id", item.job.id.rawValue)
      body.field("lease_id", item.job.leaseID)
      if let result = item.result { body.field("result", raw: result.bytes[...]) }
      body.endObject()
    }
    body.endArray()
    body.endObject()
    do throws(Transport.Failure) {
      let answer = try await transport.sendOnce(.post("/jobs/ack", body.bytes))
      return try Self.answers(answer, to: items.count)
    } catch {
      return Array(repeating: .failure(error), count: items.count)
    }
  }

  private static func answers(_ answer: [UInt8], to count: Int) throws(Transport.Failure) -> [Answer] {
    do throws(RoostError) {
      let results = try JSONFields(answer).required("results", JSONFields.elements)
      guard results.count == count else {
        throw RoostError(.unexpectedAnswer, "\(count) acknowledgements were sent and \(results.count) answered")
      }
      var answers: [Answer] = []
      answers.reserveCapacity(count)
      for result in results {
        let refusal = RoostError(item: try JSONFields(result))
        answers.append(refusal.map { .failure(.refused($0)) } ?? .success(()))
      }
      return answers
    } catch {
      throw .refused(error)
    }
  }
}
