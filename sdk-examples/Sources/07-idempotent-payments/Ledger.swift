import CSQLite
import Synchronization

/// A ledger in SQLite: what a worker does once, however often its job runs.
final class Ledger: Sendable {
  private let database: Mutex<OpaquePointer?>

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  init(_ path: String) throws {
    var database: OpaquePointer?
    guard sqlite3_open(path, &database) == SQLITE_OK else { throw Failure(description: "cannot open \(path)") }
    self.database = Mutex(database)
    try execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    // The job's id is the key: a second payment of the same job cannot be written.
    try execute(
      "CREATE TABLE IF NOT EXISTS payments (job_id TEXT PRIMARY KEY, lease_id TEXT NOT NULL, cents INTEGER NOT NULL)")
  }

  deinit { database.withLock { _ = sqlite3_close($0) } }

  /// Books a payment with the job and the lease that it was booked under, in one transaction.
  ///
  /// - Returns: Whether it was booked now; false: an attempt before had done it.
  func book(cents: Int, job: String, lease: String) throws -> Bool {
    try database.withLock { database in
      var statement: OpaquePointer?
      let insert = "INSERT INTO payments VALUES (?1, ?2, ?3) ON CONFLICT (job_id) DO NOTHING"
      guard sqlite3_prepare_v2(database, insert, -1, &statement, nil) == SQLITE_OK else {
        throw Failure(description: String(cString: sqlite3_errmsg(database)))
      }
      defer { sqlite3_finalize(statement) }
      // SQLITE_TRANSIENT: SQLite copies the text.
      let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      sqlite3_bind_text(statement, 1, job, -1, copied)
      sqlite3_bind_text(statement, 2, lease, -1, copied)
      sqlite3_bind_int64(statement, 3, Int64(cents))
      guard sqlite3_step(statement) == SQLITE_DONE else {
        throw Failure(description: String(cString: sqlite3_errmsg(database)))
      }
      return sqlite3_changes(database) == 1
    }
  }

  /// How many payments there are, and what they come to.
  func sum() throws -> (count: Int, cents: Int) {
    try database.withLock { database in
      var statement: OpaquePointer?
      guard
        sqlite3_prepare_v2(database, "SELECT count(*), total(cents) FROM payments", -1, &statement, nil) == SQLITE_OK,
        sqlite3_step(statement) == SQLITE_ROW
      else { throw Failure(description: String(cString: sqlite3_errmsg(database))) }
      defer { sqlite3_finalize(statement) }
      return (Int(sqlite3_column_int64(statement, 0)), Int(sqlite3_column_int64(statement, 1)))
    }
  }

  private func execute(_ text: String) throws {
    try database.withLock { database in
      guard sqlite3_exec(database, text, nil, nil, nil) == SQLITE_OK else {
        throw Failure(description: String(cString: sqlite3_errmsg(database)))
      }
    }
  }
}
