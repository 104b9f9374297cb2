import Foundation

/// A line of the daemon's audit log: who changed, or tried to change, what.
public struct AuditEntry: Sendable, Hashable {
  public let time: Date?
  /// Such as `key.create`; docs/security.md lists them.
  public let event: String
  /// `done`, or the code of the refusal.
  public let outcome: String
  public let target: String?
  /// All fields as they were written.
  public let fields: [String: String]
}

extension Client {
  /// Lists the audit log, the last entry first, page by page as it is read. The key must be an admin's.
  ///
  /// - Parameter event: Only entries of this kind.
  public func audit(event: String? = nil, pageSize: Int = 100) -> PageSequence<AuditEntry> {
    PageSequence(self, "/audit", [("limit", "\(pageSize)"), ("event", event)]) { (line) throws(RoostError) in
      AuditEntry(
        time: line.date("time"), event: line.text("event") ?? "", outcome: line.text("outcome") ?? "",
        target: line.text("target"), fields: line.allTexts)
    }
  }
}
