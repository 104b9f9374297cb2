/// What happened: the contents of the log's records. Fields stand in the order in which they are declared, little
/// endian; `docs/log-format.md` draws each. Events change memory only through `StateMachine.apply`. `Event+….swift` holds
/// those that concern jobs and keys.
///
/// Every event about a job carries its number and its *base*, the position of its `submitted` or last `carried`
/// record, so that a replay of a trimmed log can tell a job that is gone from one that is missing.

/// The first record of every segment: all counters, so that nothing depends on segments before it.
struct GroundEvent {
  var epoch: UInt64
  var nextNumber: UInt64
  var nextLease: UInt64
  var nextOrder: UInt64
  var logTime: Int64
  /// Downtime credited to log time so far; uptime is log time less this.
  var credited: Int64
  var rows: UInt64
  var secret: SipKey
  /// The kernel's boot id at the daemon's last start, hashed; 0 when unknown.
  var bootID: UInt64

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.ground, atMost: 88)
    out.put(epoch)
    out.put(nextNumber)
    out.put(nextLease)
    out.put(nextOrder)
    out.put(logTime)
    out.put(credited)
    out.put(rows)
    out.put(secret.k0)
    out.put(secret.k1)
    out.put(bootID)
    _ = records.close(out)
  }

  init(
    epoch: UInt64, nextNumber: UInt64, nextLease: UInt64, nextOrder: UInt64, logTime: Int64, credited: Int64,
    rows: UInt64, secret: SipKey, bootID: UInt64
  ) {
    self.epoch = epoch
    self.nextNumber = nextNumber
    self.nextLease = nextLease
    self.nextOrder = nextOrder
    self.logTime = logTime
    self.credited = credited
    self.rows = rows
    self.secret = secret
    self.bootID = bootID
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    nextNumber = reader.get()
    nextLease = reader.get()
    nextOrder = reader.get()
    logTime = reader.get()
    credited = reader.get()
    rows = reader.get()
    secret = SipKey(k0: reader.get(), k1: reader.get())
    bootID = reader.get()
  }
}

/// The daemon started: epoch + 1; log time was credited with the downtime; open leases got their grace.
struct BootedEvent {
  var epoch: UInt64
  var logTime: Int64
  /// Nanoseconds of downtime that log time was advanced by.
  var downtime: Int64
  /// The kernel's boot id, hashed; 0 when unknown.
  var bootID: UInt64
  /// Wall time, milliseconds; missing in records of earlier versions.
  var at: Int64?

  func encode(into records: inout RecordBuffer) {
    var (out, _) = records.open(.booted, atMost: 48)
    out.put(epoch)
    out.put(logTime)
    out.put(downtime)
    out.put(bootID)
    if let at { out.put(at) }
    _ = records.close(out)
  }

  init(epoch: UInt64, logTime: Int64, downtime: Int64, bootID: UInt64, at: Int64?) {
    self.epoch = epoch
    self.logTime = logTime
    self.downtime = downtime
    self.bootID = bootID
    self.at = at
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    logTime = reader.get()
    downtime = reader.get()
    bootID = reader.get()
    at = reader.isAtEnd ? nil : reader.get()
  }
}
