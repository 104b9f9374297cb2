import RoostCore

/// How long jobs of one queue and type waited and ran, and what became of them, since the daemon started.
package struct JobFigure: Sendable {
  /// Nil: those of the pairs beyond the bound together.
  package var queue: String?
  /// Empty: jobs that say no type.
  package var type: String
  package var wait: FigureImage.Durations
  package var run: FigureImage.Durations
  package var leased: UInt64
  package var acked: UInt64
  package var failed: UInt64
  package var dead: UInt64
}

/// What a worker does.
package struct WorkerView: Sendable {
  /// As it calls itself; empty for one that does not.
  package var name: String
  package var keyID: String
  /// Jobs in its hands.
  package var running = 0
  /// Requests of it that wait for a job.
  package var waiting = 0
  /// Of its jobs, sorted.
  package var queues: Set<String> = []
  /// Wall time; of the job that it has held longest, and of the one that it was given last.
  package var oldestMilliseconds: Int64?
  package var newestMilliseconds: Int64?
  /// The job that it has held longest.
  package var oldestJob: JobID?
  /// Wall time at which the first of its leases ends.
  package var leaseUntilMilliseconds: Int64?
}

extension Engine {
  /// The figures of all queues and types, the busiest first.
  package func jobFigures() async throws(Refusal) -> [JobFigure] {
    let delivery = try await ask([]) { _ in .readFigures(Command.ReadFigures()) }
    let figures = delivery.figures.map { image in
      JobFigure(
        queue: image.isOther ? nil : delivery.text(image.queue), type: delivery.text(image.type), wait: image.wait,
        run: image.run, leased: image.leased, acked: image.acked, failed: image.failed, dead: image.dead)
    }
    return figures.sorted { ($1.leased, $0.queue ?? "~", $0.type) < ($0.leased, $1.queue ?? "~", $1.type) }
  }

  /// Who holds jobs of queues that `isShown`, and who waits for one under a key that does: at most `limit`, those with the
  /// oldest jobs first.
  package func workers(
    limit: Int, isShown: @Sendable (_ queue: String) -> Bool, waits: @Sendable (_ keyID: String) -> Bool
  ) async throws(Refusal) -> [WorkerView] {
    // By bytes: two names may be equal to Unicode.
    var (found, cursor) = ([[UInt8]: WorkerView](), UInt64(0))
    repeat {
      let at = cursor
      let delivery = try await ask([]) { _ in
        var read = Command.ReadWorkers()
        read.cursor = at
        return .readWorkers(read)
      }
      guard case .workers(_, _, let next) = delivery.answer else { preconditionFailure("workers are answered as such") }
      for image in delivery.workers {
        let (queue, keyID) = (delivery.text(image.queue), delivery.text(image.keyID))
        guard image.job == nil ? waits(keyID) : isShown(queue) else { continue }
        let name = delivery.text(image.worker)
        let id = Array("\(keyID) \(name)".utf8)
        found[id, default: WorkerView(name: name, keyID: keyID)].add(image, queue)
      }
      cursor = next
    } while cursor != 0
    let workers = found.values.sorted {
      ($0.oldestMilliseconds ?? .max, $0.name, $0.keyID) < ($1.oldestMilliseconds ?? .max, $1.name, $1.keyID)
    }
    return Array(workers.prefix(limit))
  }
}

extension WorkerView {
  fileprivate init(name: String, keyID: String) {
    self.name = name
    self.keyID = keyID
  }

  fileprivate mutating func add(_ image: WorkerImage, _ queue: String) {
    guard let job = image.job else {
      waiting += 1
      return
    }
    running += 1
    queues.insert(queue)
    if image.leasedAt < oldestMilliseconds ?? .max { (oldestMilliseconds, oldestJob) = (image.leasedAt, job) }
    newestMilliseconds = max(newestMilliseconds ?? .min, image.leasedAt)
    leaseUntilMilliseconds = min(leaseUntilMilliseconds ?? .max, image.until)
  }
}
