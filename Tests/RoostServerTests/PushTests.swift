import Crypto
import Foundation
import Logging
import NIOCore
import RoostKeys
import RoostPush
import RoostServer
import SecretWatch
import Synchronization
import Testing

/// Jobs that the daemon delivers by HTTP, against targets of the tests' own.
@Suite("Push")
struct PushTests {
  /// A daemon that may reach this machine.
  private static func run(
    allowed: [String] = ["127.0.0.0/8"], resolver: (any PushResolver)? = nil, clock: MovedClock? = nil,
    _ change: @escaping @Sendable (inout PushConfiguration) -> Void = { _ in },
    _ body: @Sendable @escaping (TestDaemon) async throws -> Void
  ) async throws {
    let ranges = try allowed.map { try #require(AddressRange($0)) }
    try await TestDaemon.run(
      clock: clock,
      push: {
        $0.judge = AddressJudge(allowed: ranges, ports: [1...65_535])
        change(&$0)
      }, resolver: resolver, body)
  }

  @Test("a job with callback_url is posted, and the answer's body is its result")
  func delivered() async throws {
    try await PushTargetServer.with({ _ in .init(body: #"{"done":true}"#) }) { target in
      let port = target.port
      try await Self.run { daemon in
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let id = try await daemon.push(
          #"{"payload":{"n":1},"queue":"mail","type":"t","group":"g","metadata":{"k":"v"},"tags":["x"],"traceparent":"\#(trace)","callback_url":"http://127.0.0.1:\#(port)/hook?a=b"}"#
        )
        let job = try await daemon.ended(id)
        #expect(job.string("state") == "ACKED")
        #expect((job.json["result"] as? [String: Any])?["done"] as? Bool == true)
        #expect(job.string("callback_url") == "http://127.0.0.1:\(port)/hook?a=b")
        let got = try #require(target.received.first)
        #expect(target.received.count == 1 && got.method == "POST" && got.path == "/hook?a=b")
        #expect(got.header("roost-job-id") == id && got.header("roost-attempt") == "1")
        #expect(got.header("roost-queue") == "mail" && got.header("traceparent") == trace)
        #expect(got.header("webhook-id") == id && got.header("content-type") == "application/json")
        #expect(got.header("webhook-signature") == nil && got.header("authorization") == nil)
        let body = try #require(try JSONSerialization.jsonObject(with: Data(got.body)) as? [String: Any])
        #expect(body["job_id"] as? String == id && body["attempt"] as? Int == 1 && body["group"] as? String == "g")
        #expect((body["payload"] as? [String: Any])?["n"] as? Int == 1 && body["type"] as? String == "t")
      }
    }
  }

  @Test(
    "the status decides",
    arguments: [
      (200, "ACKED"), (204, "ACKED"), (408, "RETRY"), (425, "RETRY"), (429, "RETRY"), (500, "RETRY"), (503, "RETRY"),
      (302, "DEAD"), (307, "DEAD"), (400, "DEAD"), (404, "DEAD"), (410, "DEAD"), (422, "DEAD"),
    ])
  func statuses(status: Int, state: String) async throws {
    try await PushTargetServer.with({ got in
      // Nobody follows it.
      .init(
        status: status, headers: status < 400 && status >= 300 ? [("location", "/elsewhere")] : [],
        body: status == 204 ? "" : "why")
    }) { target in
      let port = target.port
      try await Self.run { daemon in
        let id = try await daemon.push(
          #"{"payload":1,"retry":{"initial":"1h","max":"1h","jitter":"none"},"callback_url":"http://127.0.0.1:\#(port)/"}"#
        )
        let job = try await daemon.state(id) { $0 == state }
        #expect(target.received.map(\.path) == ["/"])
        if state != "ACKED" { #expect(job.string("result_error")?.hasPrefix("HTTP \(status)") == true, "\(job.text)") }
      }
    }
  }

  @Test("Retry-After goes before the job's own pauses")
  func retryAfter() async throws {
    try await PushTargetServer.with({ _ in .init(status: 429, headers: [("retry-after", "7200")]) }) { target in
      let port = target.port
      try await Self.run { daemon in
        let id = try await daemon.push(#"{"payload":1,"callback_url":"http://127.0.0.1:\#(port)/"}"#)
        let job = try await daemon.state(id) { $0 == "RETRY" }
        let due = try #require(job.string("run_at").flatMap { Self.date($0) })
        #expect(due.timeIntervalSinceNow > 7_000)
      }
    }
  }

  private static func date(_ text: String) -> Date? {
    let format = ISO8601DateFormatter()
    format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    return format.date(from: text)
  }

  @Test("a queue with push delivers all of its jobs, no worker gets one, and 410 pauses it")
  func queuePush() async throws {
    let isGone = Atomic<Bool>(false)
    try await PushTargetServer.with({ _ in
      .init(status: isGone.load(ordering: .sequentiallyConsistent) ? 410 : 200, body: "plain text")
    }) { target in
      let port = target.port
      try await Self.run { daemon in
        let settings =
          #"{"push":{"url":"http://127.0.0.1:\#(port)/all","concurrency":4,"timeout":"5s","body":"payload"}}"#
        let set = try await daemon.send("PATCH", "/queues/bills", daemon.admin, settings)
        #expect(set.status == 200, "\(set.text)")
        let push = (set.json["settings"] as? [String: Any])?["push"] as? [String: Any]
        #expect(push?["url"] as? String == "http://127.0.0.1:\(port)/all" && push?["body"] as? String == "payload")
        let id = try await daemon.push(#"{"payload":"hello","queue":"bills"}"#)
        let job = try await daemon.ended(id)
        #expect(job.string("state") == "ACKED" && job.string("result") == "plain text")
        #expect(target.received.map(\.text) == [#""hello""#])
        isGone.store(true, ordering: .sequentiallyConsistent)
        let gone = try await daemon.push(#"{"payload":2,"queue":"bills"}"#)
        _ = try await daemon.state(gone) { $0 == "DEAD" }
        let queue = try await daemon.send("GET", "/queues/bills", daemon.admin)
        #expect(queue.json["paused"] as? Bool == true)
        #expect((queue.json["pause"] as? [String: Any])?["reason"] as? String == "push.url answered 410 Gone")
        // Held by the pause: no worker gets it either, until the queue is told that it is not delivered any more.
        let held = try await daemon.push(#"{"payload":3,"queue":"bills"}"#)
        #expect(try await daemon.send("POST", "/queues/bills/resume", daemon.admin).status == 200)
        _ = try await daemon.state(held) { $0 == "DEAD" }
        #expect(try await daemon.send("PATCH", "/queues/bills", daemon.admin, #"{"push":null}"#).status == 200)
        #expect(try await daemon.send("POST", "/queues/bills/resume", daemon.admin).status == 200)
        let pulled = try await daemon.push(#"{"payload":4,"queue":"bills"}"#)
        let lease = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["bills"]}"#)
        #expect(lease.string("job_id") == pulled, "\(lease.text)")
      }
    }
  }

  @Test("a full host holds only itself: its deliveries are bounded, and another host's go on")
  func slowHost() async throws {
    let gate = Gate()
    try await PushTargetServer.with({ _ in
      await gate.pass()
      return .init()
    }) { slow in
      try await PushTargetServer.with({ _ in .init() }) { fast in
        let (slowPort, fastPort) = (slow.port, fast.port)
        try await Self.run { daemon in
          defer { gate.openForAll() }
          #expect(
            try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"push":{"concurrency":2}}"#).status == 200)
          var held: [String] = []
          for n in 0..<20 {
            held.append(
              try await daemon.push(#"{"payload":\#(n),"queue":"q","callback_url":"http://127.0.0.1:\#(slowPort)/"}"#))
          }
          try await until("two are under way, not \(gate.waiting)") { gate.waiting == 2 }
          for n in 0..<20 {
            let id = try await daemon.push(
              #"{"payload":\#(n),"queue":"q","callback_url":"http://127.0.0.1:\#(fastPort)/"}"#)
            #expect(try await daemon.ended(id).string("state") == "ACKED")
          }
          #expect(gate.waiting == 2 && slow.received.count == 2 && fast.received.count == 20)
          let lease = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["q"]}"#)
          #expect(lease.code == "no_jobs_available", "a job to deliver is no worker's")
          let targets = try await daemon.send("GET", "/push/targets", daemon.admin)
          let items = targets.json["items"] as? [[String: Any]] ?? []
          let one = items.first { $0["origin"] as? String == "http://127.0.0.1:\(slowPort)" }
          #expect(one?["in_flight"] as? Int == 2 && one?["breaker"] as? String == "closed", "\(targets.text)")
          gate.openForAll()
          for id in held { #expect(try await daemon.ended(id).string("state") == "ACKED") }
        }
      }
    }
  }

  @Test("a host that failed ten times running is left alone")
  func breaker() async throws {
    try await PushTargetServer.with({ _ in .init(status: 500) }) { target in
      let port = target.port
      // Time stands still: no trial follows.
      try await Self.run(clock: MovedClock()) { daemon in
        for n in 0..<40 {
          _ = try await daemon.push(
            #"{"payload":\#(n),"max_retries":0,"callback_url":"http://127.0.0.1:\#(port)/"}"#)
        }
        try await until("the breaker is open, and nothing under way") {
          let targets = try await daemon.send("GET", "/push/targets", daemon.admin)
          let one = (targets.json["items"] as? [[String: Any]])?.first
          return one?["breaker"] as? String == "open" && one?["in_flight"] as? Int == 0
        }
        // Ten, and those that were under way when the tenth failed.
        #expect((10...25).contains(target.received.count), "\(target.received.count)")
        let metrics = try await daemon.send("GET", "/metrics", nil).text
        #expect(metrics.contains("roost_push_broken_targets 1"))
        #expect(try await daemon.send("GET", "/push/targets", daemon.client).status == 403)
      }
    }
  }

  @Test("no answer in time, and no connection, are tried again")
  func failures() async throws {
    let gate = Gate()
    try await PushTargetServer.with({ _ in
      await gate.pass()
      return .init()
    }) { target in
      let port = target.port
      try await Self.run { daemon in
        defer { gate.openForAll() }
        #expect(
          try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"push":{"timeout":"200ms"}}"#).status == 200)
        let slow = try await daemon.push(#"{"payload":1,"queue":"q","callback_url":"http://127.0.0.1:\#(port)/"}"#)
        let late = try await daemon.state(slow) { $0 == "RETRY" }
        #expect(late.string("result_error")?.hasPrefix("push_timeout") == true, "\(late.text)")
        // Port 1 of loopback: nobody listens.
        let absent = try await daemon.push(#"{"payload":1,"callback_url":"http://127.0.0.1:1/"}"#)
        let failed = try await daemon.state(absent) { $0 == "RETRY" }
        #expect(failed.string("result_error")?.hasPrefix("push_failed") == true, "\(failed.text)")
      }
    }
  }

  @Test("an endless answer is cut: the job is acknowledged without a result")
  func endlessAnswer() async throws {
    try await PushTargetServer.with({ _ in .init(isEndless: true) }) { target in
      let port = target.port
      try await Self.run { daemon in
        let job = try await daemon.ended(
          try await daemon.push(#"{"payload":1,"callback_url":"http://127.0.0.1:\#(port)/"}"#))
        #expect(job.string("state") == "ACKED" && job.json["result"] == nil)
      }
    }
  }

  @Test("whoever is stopped hands back what is under way, whatever its target does")
  func stopped() async throws {
    let gate = Gate()
    try await PushTargetServer.with({ _ in
      await gate.pass()
      return .init()
    }) { target in
      let port = target.port
      try await TestDaemon.run { daemon in
        defer { gate.openForAll() }
        var configuration = PushConfiguration()
        configuration.judge = AddressJudge(allowed: [try #require(AddressRange("127.0.0.0/8"))], ports: [1...65_535])
        let pusher = try Pusher(
          configuration, secrets: SigningSecrets(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let run = Task { await pusher.run(daemon.engine) }
        let id = try await daemon.push(#"{"payload":1,"callback_url":"http://127.0.0.1:\#(port)/"}"#)
        try await until("it is under way") { gate.waiting == 1 }
        pusher.stop()
        run.cancel()
        await run.value
        let job = try await daemon.send("GET", "/jobs/\(id)", daemon.client)
        #expect(job.string("state") == "READY" && job.json["attempts"] as? Int == 0, "\(job.text)")
        #expect(job.json["interruptions"] as? Int == 1)
      }
    }
  }

  @Test("a delivery carries its trace, its batch and what its job waited for")
  func context() async throws {
    try await PushTargetServer.with({ got in .init(body: got.text.contains("dependencies") ? "2" : "1") }) { target in
      let port = target.port
      try await Self.run { daemon in
        let opened = try await daemon.send("POST", "/batches", daemon.client, "{}")
        let batch = try #require(opened.string("batch_id"), "\(opened.text)")
        let url = "http://127.0.0.1:\(port)/"
        let first = try await daemon.push(#"{"payload":1,"callback_url":"\#(url)"}"#)
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let second = try await daemon.push(
          #"{"payload":2,"callback_url":"\#(url)","depends_on":["\#(first)"],"batch":"\#(batch)","traceparent":"\#(trace)","tracestate":"a=1,b=2"}"#
        )
        #expect(try await daemon.ended(second).json["result"] as? Int == 2)
        let got = try #require(target.received.last)
        #expect(target.received.count == 2 && got.header("traceparent") == trace)
        #expect(got.header("tracestate") == "a=1,b=2")
        let body = try #require(try JSONSerialization.jsonObject(with: Data(got.body)) as? [String: Any])
        #expect(body["batch"] as? String == batch && body["tracestate"] as? String == "a=1,b=2")
        let outcome = try #require((body["dependencies"] as? [[String: Any]])?.first)
        #expect(outcome["job_id"] as? String == first && outcome["state"] as? String == "ACKED")
        #expect(outcome["result"] as? Int == 1)
      }
    }
  }

  // MARK: Addresses

  /// Names of the test's own, each look-up the next address.
  private final class Names: PushResolver {
    private let answers: [String]
    private let asked = Atomic<Int>(0)

    init(_ answers: [String]) { self.answers = answers }

    var count: Int { asked.load(ordering: .sequentiallyConsistent) }

    func address(of host: String, port: Int) async throws -> SocketAddress {
      let place = asked.add(1, ordering: .sequentiallyConsistent).oldValue
      return try SocketAddress(ipAddress: answers[min(place, answers.count - 1)], port: port)
    }
  }

  @Test("fault 51: a name that is another address the next time is judged each time, and what was judged is dialled")
  func rebinding() async throws {
    try await PushTargetServer.with({ _ in .init(body: "outside") }) { outside in
      let port = outside.port
      try await PushTargetServer.with(host: "127.0.0.2", port: port, { _ in .init(body: "inside") }) { inside in
        let names = Names(["127.0.0.1", "127.0.0.2", "127.0.0.1"])
        try await Self.run(allowed: ["127.0.0.1"], resolver: names) { daemon in
          let body = #"{"payload":1,"callback_url":"http://rebind.example:\#(port)/"}"#
          let first = try await daemon.ended(try await daemon.push(body))
          #expect(first.string("result") == "outside")
          let second = try await daemon.state(try await daemon.push(body)) { $0 == "DEAD" }
          #expect(second.string("result_error")?.hasPrefix("callback_forbidden: 127.0.0.2") == true, "\(second.text)")
          let third = try await daemon.ended(try await daemon.push(body))
          #expect(third.string("result") == "outside")
          #expect(inside.received.isEmpty && outside.received.count == 2 && names.count == 3)
          #expect(outside.received.allSatisfy { $0.header("host") == "rebind.example:\(port)" })
          let metrics = try await daemon.send("GET", "/metrics", nil).text
          #expect(metrics.contains("roost_push_forbidden_total 1"))
        }
      }
    }
  }

  @Test(
    "fault 51: what leads inside is refused, and never dialled",
    arguments: [
      "127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]", "[::ffff:127.0.0.1]",
      "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0", "169.254.169.254", "10.0.0.1",
    ])
  func forbidden(host: String) async throws {
    try await PushTargetServer.with({ _ in .init() }) { target in
      let port = target.port
      try await Self.run(allowed: []) { daemon in
        let id = try await daemon.push(#"{"payload":1,"callback_url":"http://\#(host):\#(port)/"}"#)
        let job = try await daemon.state(id) { $0 == "DEAD" }
        #expect(job.string("result_error")?.hasPrefix("callback_forbidden") == true, "\(job.text)")
        #expect(target.received.isEmpty)
      }
    }
  }

  @Test("fault 51: the daemon's own listener is no target, whatever is allowed")
  func ownListener() async throws {
    try await Self.run(allowed: ["0.0.0.0/0", "::/0"]) { daemon in
      let id = try await daemon.push(#"{"payload":1,"callback_url":"http://127.0.0.1:\#(daemon.port)/jobs"}"#)
      let job = try await daemon.state(id) { $0 == "DEAD" }
      #expect(job.string("result_error") == "callback_forbidden: it is the daemon itself")
    }
  }

  @Test("a certificate is verified, for the name and by PUSH_CA")
  func tls() async throws {
    try await TestCertificates.with { certificates in
      let files = (certificates.path("server.pem"), certificates.path("server.key"))
      try await PushTargetServer.with(tls: files, { _ in .init(body: "safe") }) { target in
        let (port, authority) = (target.port, certificates.authority)
        try await Self.run({ $0.authority = authority }) { daemon in
          let good = try await daemon.ended(
            try await daemon.push(#"{"payload":1,"callback_url":"https://localhost:\#(port)/"}"#))
          #expect(good.string("result") == "safe", "\(good.text)")
          // The same server under a name that its certificate lacks.
          let other = try await daemon.state(
            try await daemon.push(#"{"payload":1,"callback_url":"https://127.0.0.2.example:\#(port)/"}"#)
          ) {
            $0 == "RETRY"
          }
          #expect(other.string("result_error")?.hasPrefix("push_failed") == true, "\(other.text)")
        }
        try await Self.run { daemon in
          let job = try await daemon.state(
            try await daemon.push(#"{"payload":1,"callback_url":"https://localhost:\#(port)/"}"#)
          ) { $0 == "RETRY" }
          #expect(job.string("result_error")?.contains("certificate is not trusted") == true, "\(job.text)")
        }
        #expect(target.received.count == 1)
      }
    }
  }

  // MARK: Signatures

  @Test("deliveries are signed by the queue's secret, else by the owner's, and by two while one is rotated")
  func signatures() async throws {
    try await PushTargetServer.with({ _ in .init() }) { target in
      let port = target.port
      try await Self.run { daemon in
        let body = #"{"payload":1,"queue":"mail","callback_url":"http://127.0.0.1:\#(port)/"}"#
        let first = try await daemon.secret(daemon.client, "{}")
        _ = try await daemon.ended(try await daemon.push(body))
        try Self.verify(try #require(target.received.last), by: [first])
        let second = try await daemon.secret(daemon.client, #"{"keep_old":"1h"}"#)
        _ = try await daemon.ended(try await daemon.push(body))
        try Self.verify(try #require(target.received.last), by: [second, first])
        let own = "whsec_" + Data((0..<32).map { UInt8($0) }).base64EncodedString()
        #expect(try await daemon.secret(daemon.admin, #"{"queue":"mail","secret":"\#(own)","keep_old":"0s"}"#) == own)
        _ = try await daemon.ended(try await daemon.push(body))
        try Self.verify(try #require(target.received.last), by: [own])
        let removed = try await daemon.send("DELETE", "/push/secret?queue=mail", daemon.admin)
        #expect(removed.json["removed"] as? Bool == true)
        _ = try await daemon.ended(try await daemon.push(body))
        try Self.verify(try #require(target.received.last), by: [second, first])
        // None of them is told again, and the file is its owner's alone.
        let shown = try await daemon.send("GET", "/push/secret", daemon.client)
        #expect((shown.json["secrets"] as? [Any])?.count == 2)
        for secret in [first, second, own] { #expect(!shown.text.contains(secret)) }
        let audit = try String(contentsOfFile: daemon.directory + "/audit.log", encoding: .utf8)
        for secret in [first, second, own] { #expect(!audit.contains(secret)) }
        let rights = try FileManager.default.attributesOfItem(atPath: daemon.directory + "/signing.json")
        #expect(rights[.posixPermissions] as? Int == 0o600)
        let kept = try SigningSecrets(directory: daemon.directory)
        #expect(kept.live(queue: "mail", owner: "alice", at: Date()).map { $0.reveal() } == [second, first])
      }
    }
  }

  @Test("only an admin sets the secret of a queue or of another owner")
  func whoMay() async throws {
    try await Self.run { daemon in
      for body in [#"{"queue":"mail"}"#, #"{"owner_id":"bob"}"#] {
        #expect(try await daemon.send("POST", "/push/secret", daemon.client, body).code == "forbidden")
        #expect(try await daemon.send("POST", "/push/secret", daemon.worker, body).code == "forbidden_scope")
      }
      #expect(try await daemon.send("GET", "/push/secret?owner_id=bob", daemon.client).code == "forbidden")
      #expect(try await daemon.send("DELETE", "/push/secret?queue=q", daemon.client).code == "forbidden")
      _ = try await daemon.secret(daemon.client, #"{"owner_id":"alice"}"#)
      let both = try await daemon.send("POST", "/push/secret", daemon.admin, #"{"queue":"q","owner_id":"bob"}"#)
      #expect(both.code == "contradiction")
      let wrong = try await daemon.send("POST", "/push/secret", daemon.client, #"{"secret":"whsec_tooshort"}"#)
      #expect(wrong.code == "out_of_range" && !wrong.text.contains("tooshort"))
    }
  }

  /// As a receiver would, by the specification alone.
  private static func verify(_ got: PushTargetServer.Received, by secrets: [String]) throws {
    let (id, time) = (try #require(got.header("webhook-id")), try #require(got.header("webhook-timestamp")))
    #expect(abs(Double(time)! - Date().timeIntervalSince1970) < 300)
    let expected = try secrets.map { secret in
      let key = SymmetricKey(data: try #require(Data(base64Encoded: String(secret.dropFirst(6)))))
      let signed = Data("\(id).\(time).".utf8) + Data(got.body)
      return "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
    }
    #expect(got.header("webhook-signature") == expected.joined(separator: " "))
  }

  private static func field(_ reply: Reply) -> String? {
    (reply.json["details"] as? [String: Any])?["field"] as? String
  }

  @Test(
    "a URL that cannot be one is refused with its field",
    arguments: ["ftp://a/", "https://u:p@a/", "https://a/#x", "no", "https://a\\\\b/"])
  func refusedURL(url: String) async throws {
    try await Self.run { daemon in
      let reply = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"callback_url":"\#(url)"}"#)
      #expect(reply.status == 422 && Self.field(reply) == "callback_url", "\(reply.text)")
      let setting = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"push":{"url":"\#(url)"}}"#)
      #expect(setting.status == 422 && Self.field(setting) == "push.url", "\(setting.text)")
    }
  }
}

extension TestDaemon {
  /// Submits a job and returns its id.
  fileprivate func push(_ body: String) async throws -> String {
    let reply = try await send("POST", "/jobs", client, body)
    return try #require(reply.string("job_id"), "\(reply.text)")
  }

  /// Waits until a job is in a state, and shows it.
  fileprivate func state(_ id: String, _ isWanted: (String) -> Bool) async throws -> Reply {
    var reply = try await send("GET", "/jobs/\(id)", client)
    try await until("job \(id) is as wanted: \(reply.text)") {
      reply = try await send("GET", "/jobs/\(id)", client)
      return isWanted(reply.string("state") ?? "")
    }
    return reply
  }

  fileprivate func ended(_ id: String) async throws -> Reply {
    try await state(id) { ["ACKED", "DEAD", "CANCELLED"].contains($0) }
  }

  /// Makes a signing secret and returns it.
  fileprivate func secret(_ key: String, _ body: String) async throws -> String {
    let reply = try await send("POST", "/push/secret", key, body)
    #expect(reply.status == 201, "\(reply.text)")
    return try #require(reply.string("secret"))
  }
}
