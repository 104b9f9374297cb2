import Glibc

/// A load generator: one thread, `poll`, keep-alive connections with one request each in flight.
final class Load {
  enum Kind: String {
    case echo, submit
    /// Submit, lease, acknowledge, again and again; counts whole cycles.
    case cycle
    /// The same, each job with an idempotency key of its own.
    case keyedCycle = "keyed"
    /// The same with `lease_next` on the acknowledgement: two requests a cycle.
    case next
    /// The same with `batchJobs` jobs a request; counts jobs.
    case batch
    case lease
  }

  private static let batchJobs = 100

  /// What a run came to.
  struct Result {
    var count = 0
    /// Answers, of every request.
    var answers = 0
    var seconds = 0.0
    /// Nanoseconds of each request.
    var latencies: [UInt32] = []
    /// `CLOCK_BOOTTIME` around the run.
    var from: Int64 = 0
    var until: Int64 = 0
    /// Seconds of CPU, all threads, within the run.
    var serverCPU = 0.0
    var ownCPU = 0.0

    var perSecond: Double { Double(count) / seconds }

    func microseconds(at quantile: Double) -> Double {
      guard !latencies.isEmpty else { return 0 }
      return Double(latencies.sorted()[min(latencies.count - 1, Int(Double(latencies.count) * quantile))]) / 1_000
    }

    var line: String {
      "\(decimal(perSecond, 0))/s, \(answers) answers, p50 \(decimal(microseconds(at: 0.5), 0)) µs, "
        + "p99 \(decimal(microseconds(at: 0.99), 0)) µs"
    }
  }

  private struct Connection {
    var socket: Int32
    var step = 0
    var sentAt: Int64 = 0
    var input: [UInt8] = []
    var output: [UInt8] = []
    /// The acknowledgement of the job in hand.
    var held: [UInt8] = []
  }

  private let kind: Kind
  private var submit: [UInt8]
  /// Where in `submit` the digits of the idempotency key stand.
  private var keyDigits: Range<Int>?
  private var keyNumber: UInt64
  private let lease: [UInt8]
  private let workerHeader: String
  private var connections: [Connection] = []
  private var polled: [pollfd] = []
  private var isMeasuring = false
  private var result = Result()
  private var lastStatus = 0

  init(port: UInt16, connections count: Int, kind: Kind, clientKey: String, workerKey: String) {
    self.kind = kind
    // 267 bytes of body, as the figures of the peers were taken.
    let filler = String(repeating: "x", count: 267 - #"{"payload":"","max_retries":5}"#.utf8.count)
    let key = kind == .keyedCycle ? #","idempotency_key":"00000000000000000000""# : ""
    let body = #"{"payload":"\#(filler)","max_retries":5\#(key)}"#
    // The clock's start, so that no two runs use the same keys.
    keyNumber = UInt64(nanoseconds(CLOCK_REALTIME))
    workerHeader = "Host: localhost\r\nAuthorization: Bearer \(workerKey)\r\n"
    let several = Array(repeating: body, count: Load.batchJobs).joined(separator: ",")
    let (path, sent) = kind == .batch ? ("/jobs/batch", "{\"jobs\":[\(several)]}") : ("/jobs", body)
    submit = Array(
      ("POST \(path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(clientKey)\r\n"
        + "Content-Type: application/json\r\nContent-Length: \(sent.utf8.count)\r\n\r\n\(sent)").utf8)
    let wish = kind == .batch ? "{\"max_jobs\":\(Load.batchJobs)}" : ""
    lease = Array(
      "POST /jobs/lease HTTP/1.1\r\n\(workerHeader)Content-Length: \(wish.utf8.count)\r\n\r\n\(wish)".utf8)
    if kind == .keyedCycle, let at = submit[...].bench(find: #""idempotency_key":""#) { keyDigits = at..<(at + 20) }
    for _ in 0..<count { open(port) }
  }

  deinit {
    for connection in connections { close(connection.socket) }
  }

  /// Runs for so long, after a third of a second to warm up.
  ///
  /// - Parameter server: Whose CPU time is taken.
  func run(seconds: Int, against server: Daemon? = nil) -> Result {
    for index in connections.indices { send(first, on: index) }
    drive(until: nanoseconds() + 300_000_000)
    result.from = nanoseconds(CLOCK_BOOTTIME)
    let begin = nanoseconds()
    let (serverBefore, ownBefore) = (server?.cpuSeconds ?? 0, secondsOfCPU(of: getpid()))
    isMeasuring = true
    drive(until: begin + Int64(seconds) * 1_000_000_000)
    result.seconds = Double(nanoseconds() - begin) / 1e9
    result.until = nanoseconds(CLOCK_BOOTTIME)
    result.serverCPU = (server?.cpuSeconds ?? 0) - serverBefore
    result.ownCPU = secondsOfCPU(of: getpid()) - ownBefore
    return result
  }

  /// One request on the first connection. Returns the status of its answer.
  func once() -> Int {
    send(first, on: 0)
    isMeasuring = true
    while result.answers == 0 { drive(until: nanoseconds() + 1) }
    return lastStatus
  }

  private var first: [UInt8] { kind == .lease ? lease : nextSubmit() }

  private func nextSubmit() -> [UInt8] {
    guard let keyDigits else { return submit }
    keyNumber += 1
    var rest = keyNumber
    for at in keyDigits.reversed() {
      submit[at] = 0x30 + UInt8(rest % 10)
      rest /= 10
    }
    return submit
  }

  private func open(_ port: UInt16) {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { fail("cannot connect to port \(port)") }
    var on: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    polled.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0))
    connections.append(Connection(socket: socket))
  }

  private func send(_ request: [UInt8], on index: Int) {
    connections[index].sentAt = nanoseconds()
    // Requests are smaller than any socket's buffer.
    guard Glibc.send(connections[index].socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
    else { fail("a request could not be sent") }
  }

  private func drive(until end: Int64) {
    var piece = [UInt8](repeating: 0, count: 16_384)
    repeat {
      guard poll(&polled, nfds_t(polled.count), 100) > 0 else { continue }
      for index in polled.indices where polled[index].revents != 0 {
        let read = recv(connections[index].socket, &piece, piece.count, Int32(MSG_DONTWAIT))
        guard read > 0 else { fail("the server closed a connection") }
        if connections[index].input.isEmpty, let body = wholeBody(piece[..<read]) {
          answered(index, piece[body])
        } else {
          connections[index].input += piece[..<read]
          guard let body = wholeBody(connections[index].input[...]) else { continue }
          let answer = connections[index].input[body]
          connections[index].input.removeAll(keepingCapacity: true)
          answered(index, answer)
        }
      }
    } while nanoseconds() < end
  }

  /// Where the body of a whole answer lies; nil while it is not whole.
  private func wholeBody(_ bytes: ArraySlice<UInt8>) -> Range<Int>? {
    guard let end = bytes.bench(find: "\r\n\r\n") else { return nil }
    let head = bytes[..<end]
    guard let at = head.bench(find: "ength: ") else { return nil }
    let length = head[at...].prefix { $0 != 0x0D }.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    let status = head.dropFirst(9).prefix(3).reduce(0) { $0 * 10 + Int($1 - 0x30) }
    lastStatus = status
    return bytes.endIndex - end >= length ? end..<(end + length) : nil
  }

  private func answered(_ index: Int, _ body: ArraySlice<UInt8>) {
    let now = nanoseconds()
    if isMeasuring {
      result.answers += 1
      result.latencies.append(UInt32(clamping: now - connections[index].sentAt))
    }
    guard lastStatus < 300 || kind == .lease else {
      fail("answer \(lastStatus): \(String(decoding: body, as: UTF8.self))")
    }
    switch (kind, connections[index].step) {
    case (.echo, _), (.submit, _):
      if isMeasuring { result.count += 1 }
      send(submit, on: index)
    case (.lease, _): if isMeasuring { result.count += 1 }
    case (.cycle, 0), (.keyedCycle, 0), (.next, 0), (.batch, 0):
      connections[index].step = 1
      send(lease, on: index)
    case (.cycle, 1), (.keyedCycle, 1):
      connections[index].step = 2
      send(acknowledgement(of: body), on: index)
    case (.cycle, _), (.keyedCycle, _):
      connections[index].step = 0
      if isMeasuring { result.count += 1 }
      send(nextSubmit(), on: index)
    case (.next, 2):
      connections[index].step = 3
      send(connections[index].held, on: index)
    case (.next, let step):
      // After the first lease, and after each acknowledgement with its next job.
      if step == 3, isMeasuring { result.count += 1 }
      guard let at = step == 3 ? body.bench(find: #""next":"#) : body.startIndex else { fail("no next job") }
      connections[index].held = acknowledgement(of: body[at...], also: #", "lease_next": {}"#)
      connections[index].step = 2
      send(submit, on: index)
    case (.batch, 1):
      connections[index].step = 2
      send(batchAcknowledgement(of: body), on: index)
    case (.batch, _):
      connections[index].step = 0
      if isMeasuring { result.count += Load.batchJobs }
      send(submit, on: index)
    }
  }

  private func batchAcknowledgement(of jobs: ArraySlice<UInt8>) -> [UInt8] {
    var items = Array(#"{"items":["#.utf8)
    var rest = jobs
    var count = 0
    while let id = rest.bench(find: #""job_id":""#), let lease = rest[id...].bench(find: #""lease_id":""#) {
      items += (count == 0 ? #"{"job_id":""# : #",{"job_id":""#).utf8
      items += rest[id..<(id + 36)]
      items += #"","lease_id":""#.utf8
      items += rest[lease...].prefix { $0 != 0x22 }
      items += "\"}".utf8
      rest = rest[lease...]
      count += 1
    }
    guard count == Load.batchJobs else { fail("a lease of \(Load.batchJobs) jobs brought \(count)") }
    items += "]}".utf8
    return Array("POST /jobs/ack HTTP/1.1\r\n\(workerHeader)Content-Length: \(items.count)\r\n\r\n".utf8) + items
  }

  private func acknowledgement(of job: ArraySlice<UInt8>, also more: String = "") -> [UInt8] {
    guard let id = job.bench(find: #""job_id":""#), let lease = job.bench(find: #""lease_id":""#) else {
      fail("no job in an answer: \(String(decoding: job, as: UTF8.self))")
    }
    let leaseID = job[lease...].prefix { $0 != 0x22 }
    var request = Array("POST /jobs/".utf8)
    request += job[id..<(id + 36)]
    let length = leaseID.count + 15 + more.utf8.count
    request += "/ack HTTP/1.1\r\n\(workerHeader)Content-Length: \(length)\r\n\r\n{\"lease_id\":\"".utf8
    request += leaseID
    request += "\"\(more)}".utf8
    return request
  }
}

extension ArraySlice<UInt8> {
  /// The index behind the first occurrence of a text.
  fileprivate func bench(find text: StaticString) -> Int? {
    var at = startIndex
    while at + text.utf8CodeUnitCount <= endIndex {
      if self[at] == text.utf8Start.pointee, self[at...].starts(with: UnsafeBufferPointer(text)) {
        return at + text.utf8CodeUnitCount
      }
      at += 1
    }
    return nil
  }
}

extension UnsafeBufferPointer<UInt8> {
  fileprivate init(_ text: StaticString) {
    self.init(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }
}
