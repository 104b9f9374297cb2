/// The settings of `roost serve`, by their names in the environment. `definition` is the one table from which flags,
/// their help, parsing, `--print-config` and the table in `docs/configuration.md` are made.
package enum Setting: String, CaseIterable, Sendable {
  case port = "PORT"
  case host = "HOST"
  case allowPlaintext = "ALLOW_PLAINTEXT"
  case tlsCertificate = "TLS_CERT"
  case tlsKey = "TLS_KEY"
  case tlsClientCA = "TLS_CLIENT_CA"
  case dataDirectory = "WAL_DIR"
  case redisURL = "REDIS_URL"
  case adminKeyFile = "ADMIN_KEY_FILE"
  case jwtKeySetFile = "JWT_JWKS_FILE"
  case jwtKeySetURL = "JWT_JWKS_URL"
  case jwtIssuer = "JWT_ISSUER"
  case jwtAudience = "JWT_AUDIENCE"
  case authFailuresPerMinute = "AUTH_FAILURES_PER_MINUTE"
  case leaseDuration = "LEASE_DURATION"
  case leaseCheckInterval = "LEASE_CHECK_INTERVAL"
  case requireLeaseID = "REQUIRE_LEASE_ID"
  case retention = "RETENTION"
  case retentionMaxJobs = "RETENTION_MAX_JOBS"
  case deadRetention = "DEAD_RETENTION"
  case defaultMaxRetries = "DEFAULT_MAX_RETRIES"
  case defaultRetry = "DEFAULT_RETRY"
  case defaultTimeout = "DEFAULT_TIMEOUT"
  case idempotencyWindow = "IDEMPOTENCY_WINDOW"
  case maxPayloadBytes = "MAX_PAYLOAD_BYTES"
  case maxQueues = "MAX_QUEUES"
  case queueIdle = "QUEUE_IDLE"
  case maxSchedules = "MAX_SCHEDULES"
  case maxBatches = "MAX_BATCHES"
  case maxWaiters = "MAX_WAITERS"
  case maxConnections = "MAX_CONNECTIONS"
  case loops = "LOOPS"
  case idleTimeout = "IDLE_TIMEOUT"
  case bodyTimeout = "BODY_TIMEOUT"
  case eventsRetention = "EVENTS_RETENTION"
  case eventsRetentionBytes = "EVENTS_RETENTION_BYTES"
  case eventsListeners = "EVENTS_LISTENERS"
  case memoryLimit = "MEMORY_LIMIT"
  case segmentBytes = "SEGMENT_BYTES"
  case pushAllow = "PUSH_ALLOW"
  case pushPorts = "PUSH_PORTS"
  case pushCA = "PUSH_CA"
  case pushConcurrency = "PUSH_CONCURRENCY"
  case pushTimeout = "PUSH_TIMEOUT"
  case metricsPort = "METRICS_PORT"
  case metricsHost = "METRICS_HOST"
  case metricsQueues = "METRICS_QUEUES"
  case grpcPort = "GRPC_PORT"
  case dashboard = "DASHBOARD"
  case accessLog = "ACCESS_LOG"
  case logLevel = "LOG_LEVEL"
  case logFormat = "LOG_FORMAT"
  case shutdownTimeout = "SHUTDOWN_TIMEOUT"

  package var definition: SettingDefinition {
    switch self {
    case .port:
      .init(
        .integer(0...65_535), "8080", sample: "9090",
        "Port to listen on. 0 lets the system choose; the line `listening on …` says which.")
    case .host:
      .init(
        .text("an address"), "127.0.0.1", sample: "127.0.0.2",
        "Address to listen on. Beyond loopback it needs `TLS_CERT` and `TLS_KEY`, or `ALLOW_PLAINTEXT=true`.")
    case .allowPlaintext:
      .init(
        .boolean, "false", sample: "true",
        "Accepts that keys cross the network unencrypted, for a TLS proxy in front.")
    case .tlsCertificate:
      .init(
        .text("a file"), nil, sample: "tls.crt",
        "The server's certificate and those between it and the root, PEM (see [tls.md](tls.md)). Needs `TLS_KEY`.")
    case .tlsKey:
      .init(
        .text("a file"), nil, sample: "tls.key",
        "Its private key, PEM, not encrypted; SIGHUP reads both again. Needs `TLS_CERT`.")
    case .tlsClientCA:
      .init(
        .text("a file"), nil, sample: "clients.crt",
        "Authorities, PEM: only clients with a certificate of one of them may connect. Needs `TLS_CERT` and `TLS_KEY`.")
    case .dataDirectory:
      .init(.text("a directory"), "./data", sample: "elsewhere", "Log, keys and lock. Made if it is missing.")
    case .redisURL:
      .init(
        .address(scheme: "redis"), nil, sample: "redis://:hidden@127.0.0.1:6379/2", isSecret: true,
        "Keys in Redis, shared by several daemons (see [below](#keys-in-redis)); without it they are kept in `WAL_DIR`. "
          + "Has no flag: flags stand in the list of processes.")
    case .adminKeyFile:
      .init(
        .text("a file"), nil, sample: "made-before.key",
        "A file whose first line is an admin key that was made beforehand, with `roost keys mint`: the start puts it into the "
          + "key store (see [security.md](security.md#an-admin-key-made-beforehand)).")
    case .jwtKeySetFile:
      .init(
        .text("a file"), nil, sample: "jwks.json",
        "The keys (JWKS) of an issuer whose JSON Web Tokens count beside API keys (see [security.md](security.md)); it may "
          + "be replaced at any time. Needs `JWT_ISSUER` and `JWT_AUDIENCE`.")
    case .jwtKeySetURL:
      .init(
        .text("an https URL"), nil, sample: "https://issuer.example/jwks.json",
        "The same from a URL, read again every five minutes and when a token names a key that is not known.")
    case .jwtIssuer:
      .init(
        .text("an issuer"), nil, sample: "https://issuer.example/",
        "What `iss` of every token must be. Needs a key set.")
    case .jwtAudience:
      .init(.text("an audience"), nil, sample: "roost", "What must be among `aud` of every token. Needs a key set.")
    case .authFailuresPerMinute:
      .init(
        .integer(0...1_000_000), "60", sample: "100",
        "How many requests with a wrong key an address may make at once, and again in each minute, before it gets 429 "
          + "(see [security.md](security.md)); 0: any number.")
    case .leaseDuration:
      .init(
        .duration(100...43_200_000), "30s", sample: "1m30s",
        "Lease of a job when neither worker nor job names one.")
    case .leaseCheckInterval:
      .init(
        .duration(10...60_000), "1s", sample: "250ms",
        "How often leases are checked, at most `LEASE_DURATION`; one that is over ends half a second after the check that "
          + "finds it so. Delays and retries are released when due.")
    case .requireLeaseID:
      .init(.boolean, "false", sample: "true", "Refuses an acknowledgement without a lease id.")
    case .retention:
      .init(
        .duration(0...315_360_000_000), "1d", sample: "7d",
        "How long ACKED and CANCELLED jobs are kept. Time while the daemon is down does not count.")
    case .retentionMaxJobs:
      .init(
        .integer(0...1_000_000_000), "1000000", sample: "5000",
        "How many of them are kept; the oldest leave first.")
    case .deadRetention:
      .init(
        .duration(0...315_360_000_000), nil, sample: "30d",
        "How long DEAD jobs are kept; without it until someone deletes or replays them. Time while the daemon is down "
          + "does not count.")
    case .defaultMaxRetries:
      .init(
        .integer(0...1_000), "3", sample: "5",
        "Retries of a job that says nothing of them, in a queue that does not either (see [queues.md](queues.md)).")
    case .defaultRetry:
      .init(
        .text("a retry policy"), "2s..1m", sample: "5s..10m,factor=3,jitter=equal",
        "The pauses between them: the first and the longest, then `factor` (2, if it is not said) and `jitter` (full).")
    case .defaultTimeout:
      .init(
        .duration(0...2_592_000_000), "0s", sample: "10m",
        "How long an attempt of a job may run that says nothing of it, in a queue that does not either. 0s: as long as "
          + "its lease is extended.")
    case .idempotencyWindow:
      .init(
        .duration(0...315_360_000_000), "1h", sample: "2h",
        "How long an idempotency key still answers after its job has ended.")
    case .maxPayloadBytes:
      .init(
        .bytes(1_024...(8 << 20)), "1MiB", sample: "2MiB",
        "The largest payload; a text counts without quotes and escapes.")
    case .maxQueues:
      .init(
        .integer(1...1_000_000), "10000", sample: "200",
        "How many queues may exist at once. At this bound one without jobs makes room for a new one.")
    case .queueIdle:
      .init(
        .duration(0...315_360_000_000), "1h", sample: "10m",
        "How long a queue that holds no job, not even an ended one, is kept with its totals.")
    case .maxSchedules:
      .init(
        .integer(0...1_000_000), "10000", sample: "50", "How many schedules may exist at once.")
    case .maxBatches:
      .init(
        .integer(0...1_000_000), "10000", sample: "60",
        "How many batches may exist at once; at this bound one that is complete makes room for a new one.")
    case .maxWaiters:
      .init(
        .integer(1...1_000_000), "100000", sample: "5000",
        "How many requests may wait for a job at once; those beyond get 503.")
    case .maxConnections:
      .init(
        .integer(1...1_000_000), "16384", sample: "512",
        "How many connections are served at once, at most half of the process's descriptors; those beyond wait.")
    case .loops:
      .init(
        .integer(1...64), nil, sample: "2",
        "Threads that read requests and write answers; without it one less than there are cores, and at least one. "
          + "The log has a thread of its own.")
    case .idleTimeout:
      .init(
        .duration(1_000...3_600_000), "2m", sample: "5m",
        "How long a connection may wait for its next request; longer than clients keep one (Go: 90 s).")
    case .bodyTimeout:
      .init(.duration(1_000...600_000), "30s", sample: "10s", "How long the body of a request may take to arrive.")
    case .eventsRetention:
      .init(
        .duration(0...2_592_000_000), "1h", sample: "15m",
        "How far back `/events` can be resumed (see [events.md](events.md)): once somebody listens the log is kept so long, "
          + "whatever the queue itself needs of it, while the disk has room. 0s: no longer than that.")
    case .eventsRetentionBytes:
      .init(
        .bytes(0...(1 << 40)), "256MiB", sample: "64MiB",
        "How large the log becomes for that: beyond it the oldest goes sooner. Each start reads the log once.")
    case .eventsListeners:
      .init(
        .integer(0...100_000), "1000", sample: "50",
        "How many may listen to `/events` at once; those beyond get 503.")
    case .memoryLimit:
      .init(
        .bytes((16 << 20)...(1 << 50)), nil, sample: "1GiB",
        "Above this many bytes that jobs, keys, names and long polls take submits are refused (503 `memory_low`).")
    case .segmentBytes:
      .init(
        .bytes((64 << 10)...(1 << 30)), "64MiB", sample: "1MiB",
        "Largest size of a segment of the log; the first ones have 4 MiB at most (see "
          + "[deployment.md](deployment.md#small-volumes)).")
    case .pushAllow:
      .init(
        .text("a list of addresses and ranges"), nil, sample: "10.1.0.0/16,fd00::/8",
        "Addresses to which jobs may be delivered although they are not public (see [push.md](push.md#which-addresses)), "
          + "apart by commas. The daemon's own listeners never are.")
    case .pushPorts:
      .init(
        .text("a list of ports and ranges"), "80,443,1024-65535", sample: "443",
        "Ports to which jobs may be delivered, apart by commas.")
    case .pushCA:
      .init(
        .text("a file"), nil, sample: "targets.crt",
        "Authorities, PEM, that deliveries over TLS trust besides the system's.")
    case .pushConcurrency:
      .init(
        .integer(1...10_000), "16", sample: "4",
        "How many jobs are delivered to one host at once, where the queue does not say.")
    case .pushTimeout:
      .init(
        .duration(100...1_800_000), "30s", sample: "10s",
        "How long a delivery may take, where the queue does not say.")
    case .metricsPort:
      .init(
        .integer(0...65_535), nil, sample: "9464",
        "Port of a listener of its own for `/metrics`, open and without TLS; else `/metrics` is served on `PORT`.")
    case .metricsHost:
      .init(.text("an address"), "127.0.0.1", sample: "127.0.0.3", "Address of that listener. Needs `METRICS_PORT`.")
    case .metricsQueues:
      .init(
        .integer(0...10_000), "200", sample: "20",
        "How many queues have metrics of their own; the others share `(other)` (see [metrics.md](metrics.md)).")
    case .grpcPort:
      .init(
        .integer(0...65_535), nil, sample: "50051",
        "Port for gRPC on `HOST`, with the certificate of `TLS_CERT` (see [grpc.md](grpc.md)); without it there is none."
      )
    case .dashboard:
      .init(
        .choice(["on", "off", "readonly"], also: ["true": "on", "false": "off"]), "on", sample: "readonly",
        "The page at `/` (see [dashboard.md](dashboard.md)). `readonly`: it shows, and offers to change nothing; what a "
          + "key may do over the API stays the same.")
    case .accessLog:
      .init(
        .boolean, "false", sample: "true",
        "One line a request on standard error, without query, payload and key. Needs `LOG_LEVEL` `info` or below.")
    case .logLevel:
      .init(
        .choice(LogLevelName.all, also: ["warn": "warning"]), "info", sample: "debug",
        "The least grave of what is logged; `warn` is `warning`.")
    case .logFormat:
      .init(
        .choice(LogFormat.allCases.map(\.rawValue), also: ["console": "text"]), "text", sample: "json",
        "How it is logged, on standard error: a line of text or a JSON object an event; `console` is `text`.")
    case .shutdownTimeout:
      .init(
        .duration(100...600_000), "30s", sample: "5s", "What requests in flight get after SIGTERM or SIGINT.")
    }
  }

  /// The same name as a flag, without its hyphens: `wal-dir`.
  package var flagName: String { rawValue.lowercased().replacing("_", with: "-") }
  /// The flag, or nil where a value must not stand in the list of processes.
  package var flag: String? { definition.isSecret ? nil : "--" + flagName }
  /// The same name as a key of the settings file: `wal_dir`.
  package var key: String { rawValue.lowercased() }
}

/// One row of the table: what a setting may be, what it is when nobody says, and what it does.
package struct SettingDefinition: Sendable {
  package let kind: SettingKind
  /// As one would write it; nil: none.
  package let standard: String?
  /// A value other than the default, for tests and examples.
  package let sample: String
  /// What it does, in Markdown.
  package let summary: String
  /// Never shown, and without a flag.
  package let isSecret: Bool

  init(
    _ kind: SettingKind, _ standard: String?, sample: String, isSecret: Bool = false, _ summary: String
  ) {
    self.kind = kind
    self.standard = standard
    self.sample = sample
    self.isSecret = isSecret
    self.summary = summary
  }
}
