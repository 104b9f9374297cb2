import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Submits jobs that come as lines, for as long as they come, and answers each with a line: NDJSON, of any length in
/// constant memory.
///
/// As many lines as have come, at most 1,000 or 4 MiB, are one commit; their results are written before more is read.
actor JobLines: AnswerStream {
  private static let mostBytes = 4 << 20

  private let request: RouteRequest
  private let backend: Backend
  private let body: BodyStream
  private let mostLineBytes: Int
  /// What has come and is no line yet, from `start` on; no line ends before `searched`.
  private var bytes: [UInt8] = []
  private var start = 0
  private var searched = 0
  /// Inside of a line that is too long.
  private var isSkipping = false
  private var end: BodyStream.End?
  private var isOver = false
  /// Lines that were jobs, so far.
  private var count = 0
  /// Ends a stream that waits for lines when its key ends.
  private let watch: KeyWatch?

  init(_ request: RouteRequest, _ backend: Backend, _ body: BodyStream) {
    self.request = request
    self.backend = backend
    self.body = body
    mostLineBytes = Bounds.mostPayloadJSON(backend.maxPayloadBytes) + Bounds.envelopeBytes
    watch = request.watchKey { body.finish(.broken($0)) }
  }

  func next() async -> [UInt8]? {
    while !isOver {
      let jobs = cut()
      if !jobs.isEmpty { return await results(of: jobs) }
      if let end { return last(end) }
      switch await body.next() {
      case .bytes(let more): take(more)
      case .end(let end): self.end = end
      }
    }
    return nil
  }

  // MARK: Lines

  private func take(_ more: [UInt8]) {
    bytes.removeSubrange(..<start)
    searched -= start
    start = 0
    bytes.append(contentsOf: more)
  }

  /// The jobs of the next lines; what is wrong with a line is its result. Blank lines are none.
  private func cut() -> [Result<JobSpec, Rejection>] {
    var jobs: [Result<JobSpec, Rejection>] = []
    let first = start
    while jobs.count < Engine.batchItems, start - first < Self.mostBytes, let line = nextLine() {
      if let job = job(line) { jobs.append(job) }
    }
    return jobs
  }

  private enum Line {
    case whole(ArraySlice<UInt8>)
    case tooLong
  }

  private func nextLine() -> Line? {
    while let feed = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = bytes[start..<feed]
      (start, searched) = (feed + 1, feed + 1)
      guard isSkipping else { return line.count > mostLineBytes ? .tooLong : .whole(line) }
      isSkipping = false
    }
    searched = bytes.count
    if bytes.count - start > mostLineBytes {
      // Answered at once; the rest of it is dropped as it comes.
      defer { isSkipping = true }
      start = bytes.count
      return isSkipping ? nil : .tooLong
    }
    if isSkipping { start = bytes.count }
    guard case .whole? = end, start < bytes.count else { return nil }
    defer { start = bytes.count }
    return .whole(bytes[start...])
  }

  private func job(_ line: Line) -> Result<JobSpec, Rejection>? {
    guard case .whole(let text) = line else {
      let why = "the line is longer than \(mostLineBytes) bytes: send less, or a reference instead"
      return .failure(Rejection(.payloadTooLarge, why))
    }
    guard text.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return nil }
    do throws(Rejection) {
      var spec = try SubmitBody.decode(Array(text), header: nil, maxPayloadBytes: backend.maxPayloadBytes)
      request.trace(&spec)
      try request.requireQueue(spec.queue)
      return .success(spec)
    } catch {
      return .failure(error)
    }
  }

  // MARK: Results

  private func results(of jobs: [Result<JobSpec, Rejection>]) async -> [UInt8] {
    // A stream may be open for hours: a key that was revoked meanwhile submits no more.
    if let refusal = await request.judgeKey() {
      isOver = true
      return line(refusal)
    }
    count += jobs.count
    request.span?.counts(count)
    let results: [Result<Submitted, Rejection>]
    do throws(Rejection) {
      results = try await submitJobs(jobs, request, backend)
    } catch {
      // All of them were refused; those that were not understood keep their own reason.
      results = jobs.map { job in
        if case .failure(let own) = job { .failure(own) } else { .failure(error) }
      }
    }
    var out: [UInt8] = []
    out.reserveCapacity(results.count * 208)
    for result in results {
      switch result {
      case .success(let job):
        var json = JSONWriter(capacity: 208)
        json.submitted(job)
        out += json.bytes
        out.append(UInt8(ascii: "\n"))
      case .failure(let rejection): out += line(rejection)
      }
    }
    return out
  }

  /// Why the stream ended before the body did; nothing if it did not.
  private func last(_ end: BodyStream.End) -> [UInt8]? {
    isOver = true
    if case .broken(let why) = end { return line(why) }
    return nil
  }

  private func line(_ rejection: Rejection) -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.refused(rejection, jobID: "")
    return json.bytes + [UInt8(ascii: "\n")]
  }
}
