import RoostCore

/// A metric by its name in Prometheus, with what it means; `docs/metrics.md` has them all in one table.
struct Metric: Sendable {
  enum Kind: String, Sendable { case counter, gauge, histogram }

  let name: String
  let kind: Kind
  let help: String
  /// Of a histogram's buckets, rising; empty for the standard ones.
  let bounds: [Double]
  /// A series appears with its first event: for metrics whose every possible series would be hundreds of zeros.
  let hidesUnused: Bool

  init(_ name: String, _ kind: Kind, _ help: String, bounds: [Double] = [], hidesUnused: Bool = false) {
    self.name = name
    self.kind = kind
    self.help = help
    self.bounds = bounds
    self.hidesUnused = hidesUnused
  }

  /// Half a millisecond to a minute: a long poll is a request, too.
  static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
  /// Powers of four.
  static let sizes = (0..<16).map { Double(1 << (2 * $0)) }
}

/// Queues. Their totals stand in the log and survive a restart; what does not says so.
extension Metric {
  static let submitted = Metric("roost_jobs_submitted_total", .counter, "Jobs submitted, since the queue began.")
  static let leased = Metric("roost_jobs_leased_total", .counter, "Leases granted, since the queue began.")
  static let acked = Metric("roost_jobs_acked_total", .counter, "Jobs acknowledged, since the queue began.")
  static let failed = Metric(
    "roost_jobs_failed_total", .counter, "Attempts failed, expired leases included, since the queue began.")
  static let dead = Metric("roost_jobs_dead_total", .counter, "Jobs that died, since the queue began.")
  static let expired = Metric("roost_jobs_expired_total", .counter, "Leases that expired, since the start.")
  static let timedOut = Metric(
    "roost_jobs_timed_out_total", .counter, "Attempts that ran longer than their timeout, since the start.")
  static let cancelled = Metric("roost_jobs_cancelled_total", .counter, "Jobs cancelled, since the start.")
  static let idempotent = Metric(
    "roost_jobs_idempotent_hits_total", .counter,
    "Submits answered with an earlier job by their idempotency key, since the start.")
  static let throttled = Metric(
    "roost_queue_throttled_total", .counter,
    "Leases that found READY jobs held back, and submits that found the queue full, by reason, since the start.",
    hidesUnused: true)
  static let depth = Metric("roost_queue_jobs", .gauge, "Jobs in a queue, by state.")
  static let oldestReady = Metric(
    "roost_queue_oldest_ready_age_seconds", .gauge, "Age of the job that has been READY longest; 0 when none is.")
  static let jobWait = Metric(
    "roost_job_wait_seconds", .histogram, "Time from READY to the lease, since the start.", bounds: jobBounds)
  static let jobRun = Metric(
    "roost_job_run_seconds", .histogram, "Time from the lease to the end of an attempt, since the start.",
    bounds: jobBounds)
  /// Powers of four of milliseconds, less one: 3 ms to 4.7 h.
  static let jobBounds = FigureImage.powers.map { Double(1 << $0 - 1) / 1_000 }
  static let queueWaiters = Metric("roost_queue_waiters", .gauge, "Long polls that wait for a job of a queue.")
  static let utilization = Metric(
    "roost_worker_utilization", .gauge,
    "Jobs in workers' hands, over those and the long polls that wait: 1 where every worker is busy; 0 without any.")
  static let longestRunning = Metric(
    "roost_job_longest_running_seconds", .gauge,
    "For how long the job has run that has run longest, looked up every ten seconds; 0 when none runs.")
  static let queues = Metric("roost_queues", .gauge, "Queues that exist.")
  static let queueScrape = Metric(
    "roost_queue_scrape_success", .gauge,
    "1 if the writer left its figures within the last five seconds; 0: it hangs, and they are as old as that.")
}

/// The engine: log, memory, writer.
extension Metric {
  static let commits = Metric(
    "roost_commit_duration_seconds", .histogram, "Time of a commit: deciding what is due, write and sync.")
  static let batches = Metric(
    "roost_commit_batch_size", .histogram, "Commands that share a commit; 0 where only due work or compaction wrote.")
  static let frames = Metric("roost_log_frames_total", .counter, "Frames written and synced.")
  static let written = Metric("roost_log_written_bytes_total", .counter, "Bytes of the frames written.")
  static let live = Metric("roost_log_live_bytes", .gauge, "Bytes of the log that jobs, keys and queues still need.")
  static let garbage = Metric("roost_log_dead_bytes", .gauge, "Bytes of the log that compaction may drop.")
  static let segments = Metric("roost_log_segments", .gauge, "Segments of the log.")
  static let spare = Metric("roost_disk_spare_bytes", .gauge, "Bytes held in zero-filled spare segments.")
  static let reserve = Metric("roost_disk_reserve_bytes", .gauge, "Bytes that the spare segments should hold.")
  static let diskLevel = Metric(
    "roost_disk_level", .gauge, "0: room enough; 1: submits refused; 2: leases, too; 3: large results, too.")
  static let copies = Metric("roost_compaction_copied_records_total", .counter, "Records that compaction copied.")
  static let copiedBytes = Metric("roost_compaction_copied_bytes_total", .counter, "Bytes that compaction copied.")
  static let trims = Metric("roost_compaction_trims_total", .counter, "Segments that compaction removed.")
  static let replayJobs = Metric("roost_replay_jobs", .gauge, "Jobs in memory after the last start.")
  static let replayBytes = Metric("roost_replay_bytes", .gauge, "Bytes of frames that the last start read.")
  static let replaySeconds = Metric("roost_replay_duration_seconds", .gauge, "Time that the last start's replay took.")
  static let jobs = Metric("roost_jobs", .gauge, "Jobs in memory, finished ones that are still kept included.")
  static let jobMemory = Metric(
    "roost_jobs_memory_bytes", .gauge, "Memory that jobs, keys, names and long polls take; MEMORY_LIMIT bounds it.")
  static let allocatedJobMemory = Metric(
    "roost_jobs_memory_allocated_bytes", .gauge, "Memory allocated for them, free places for further ones included.")
  static let memoryLow = Metric("roost_memory_low", .gauge, "1 while submits are refused for lack of memory.")
  static let waiters = Metric("roost_waiters", .gauge, "Long polls that wait for a job.")
  static let eventListeners = Metric("roost_event_listeners", .gauge, "Streams of events that are open.")
  static let eventListenersDropped = Metric(
    "roost_event_listeners_dropped_total", .counter, "Streams of events ended because they were read too slowly.")
  static let spansDropped = Metric(
    "roost_spans_dropped_total", .counter, "Spans dropped because the collector was too slow or away.")
  static let mailbox = Metric("roost_mailbox_commands", .gauge, "Commands that wait for the writer.")
  static let mailboxLimit = Metric(
    "roost_mailbox_commands_limit", .gauge, "Commands waiting from which on requests are refused as overloaded.")
  static let mailboxBytes = Metric("roost_mailbox_bytes", .gauge, "Bytes of the commands that wait for the writer.")
  static let writable = Metric("roost_log_writable", .gauge, "1 while the log takes writes.")
  static let corrupt = Metric("roost_payload_corrupt", .gauge, "1 once stored bytes did not match their checksum.")
  static let clockSuspect = Metric(
    "roost_clock_suspect", .gauge, "1 while a jump of the wall clock holds run_at back.")
}

/// Schedules. Their counts begin with the daemon.
extension Metric {
  static let schedules = Metric("roost_schedules", .gauge, "Schedules that exist.")
  static let scheduleFires = Metric("roost_schedule_fires_total", .counter, "Jobs made at instants of schedules.")
  static let scheduleMisses = Metric(
    "roost_schedule_misses_total", .counter, "Instants of schedules that made no job, by reason.")
  static let scheduleLag = Metric(
    "roost_schedule_lag_seconds", .histogram, "Time from an instant of a schedule to its job.")
}

/// HTTP and keys.
extension Metric {
  static let requests = Metric(
    "roost_http_requests_total", .counter, "Requests answered, by method, route and status.", hidesUnused: true)
  static let requestSeconds = Metric(
    "roost_http_request_duration_seconds", .histogram, "Time to an answer, waiting for jobs included, by route.",
    bounds: seconds, hidesUnused: true)
  static let refusals = Metric(
    "roost_http_refusals_total", .counter, "Requests refused, by the code in their answer.", hidesUnused: true)
  static let connections = Metric("roost_http_connections", .gauge, "Connections open.")
  static let bytesInFlight = Metric(
    "roost_http_bytes_in_flight", .gauge, "Bytes of requests and answers in memory, over all connections.")
  static let bytesInFlightLimit = Metric(
    "roost_http_bytes_in_flight_limit", .gauge, "Beyond so many no more is read until some have gone.")
  static let authFailures = Metric(
    "roost_auth_failures_total", .counter, "Requests whose key was missing, wrong, revoked or could not be checked.",
    hidesUnused: true)
  static let cacheHits = Metric("roost_key_cache_hits_total", .counter, "Keys known from the cache.")
  static let cacheMisses = Metric("roost_key_cache_misses_total", .counter, "Keys that had to be looked at anew.")
  static let cacheSize = Metric("roost_key_cache_keys", .gauge, "Keys in the cache.")
  static let certificateEnd = Metric(
    "roost_tls_certificate_not_after_seconds", .gauge,
    "When the TLS certificate expires, seconds since 1970; 0 without TLS.")
  static let keyStoreUp = Metric(
    "roost_key_store_up", .gauge, "1 if the key store answered in time what requests ask of it.")
  static let keyStoreEmpty = Metric(
    "roost_key_store_empty", .gauge, "1 if the key store holds no key: every request with one is refused.")
}

/// Deliveries by HTTP.
extension Metric {
  static let pushes = Metric(
    "roost_push_deliveries_total", .counter,
    "Deliveries that ended, by outcome: acknowledged, retried, dead, handed_back; since the start.")
  static let pushForbidden = Metric(
    "roost_push_forbidden_total", .counter, "Deliveries whose address may not be dialled, since the start.")
  static let pushInFlight = Metric("roost_push_in_flight", .gauge, "Deliveries under way.")
  static let pushTargets = Metric("roost_push_targets", .gauge, "Hosts that jobs were delivered to, 10,000 at most.")
  static let pushBroken = Metric(
    "roost_push_broken_targets", .gauge, "Those that failed ten times running: one delivery at a time is tried.")
}

/// JSON Web Tokens, where an issuer is set.
extension Metric {
  static let tokensVerified = Metric(
    "roost_jwt_verified_total", .counter,
    "Tokens whose signature and claims were found good, repeated ones not counted.")
  static let tokenRefusals = Metric(
    "roost_jwt_refusals_total", .counter, "Tokens refused, by what was wrong with them.", hidesUnused: true)
  static let tokenKeys = Metric("roost_jwt_keys", .gauge, "Keys of the issuer that tokens may be signed with.")
}

/// gRPC, where it is on.
extension Metric {
  static let grpcRequests = Metric(
    "roost_grpc_requests_total", .counter, "Calls ended, by method and gRPC status; a stream of work is one.",
    hidesUnused: true)
  static let grpcSeconds = Metric(
    "roost_grpc_request_duration_seconds", .histogram, "Time to the end of a call, streams not counted, by method.",
    bounds: seconds, hidesUnused: true)
  static let grpcRefusals = Metric(
    "roost_grpc_refusals_total", .counter, "Calls, and items of streams, refused, by the code they were told.",
    hidesUnused: true)
  static let grpcConnections = Metric("roost_grpc_connections", .gauge, "Connections of gRPC open.")
  static let grpcStreams = Metric("roost_grpc_work_streams", .gauge, "Streams of work open.")
  static let grpcJobs = Metric("roost_grpc_jobs_sent_total", .counter, "Jobs sent on streams of work.")
  static let grpcReturned = Metric(
    "roost_grpc_jobs_returned_total", .counter, "Jobs that were leased for a stream and handed back unsent.")
}

/// The process.
extension Metric {
  static let build = Metric("roost_build_info", .gauge, "1, with the version and the format of the log as labels.")
  static let uptime = Metric("roost_uptime_seconds", .gauge, "Time since the daemon started to serve.")
  static let processStart = Metric(
    "process_start_time_seconds", .gauge, "Start of the process, seconds since 1970.")
  static let residentMemory = Metric("process_resident_memory_bytes", .gauge, "Resident memory of the process.")
  static let virtualMemory = Metric("process_virtual_memory_bytes", .gauge, "Virtual memory of the process.")
  static let cpu = Metric("process_cpu_seconds_total", .counter, "CPU time of the process, user and system.")
  static let openDescriptors = Metric("process_open_fds", .gauge, "File descriptors open.")
  static let mostDescriptors = Metric("process_max_fds", .gauge, "File descriptors that may be open.")
  static let metricsDroppedSeries = Metric(
    "roost_metrics_dropped_series_total", .counter, "Series not kept because a metric has too many.")
}

extension Metric {
  /// The metrics that go through swift-metrics, by name.
  static let all: [String: Metric] = {
    let described = [
      requests, requestSeconds, refusals, connections, authFailures, cacheHits, cacheMisses, cacheSize,
      tokensVerified, tokenRefusals, tokenKeys, grpcRequests, grpcSeconds, grpcRefusals, grpcConnections, grpcStreams,
      grpcJobs, grpcReturned,
    ]
    return Dictionary(uniqueKeysWithValues: described.map { ($0.name, $0) })
  }()
}
