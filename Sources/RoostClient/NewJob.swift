/// A payload that knows what kind of job it is for: client and worker agree on it by its type.
///
/// ```swift
/// struct SendEmail: JobPayload {
///   static let jobType = "email.send"
///   var to: String
/// }
/// ```
public protocol JobPayload: Codable, Sendable {
  /// The job's `type` on the wire; keep it when you rename the Swift type.
  static var jobType: String { get }

  /// What jobs of this type are unless a submit says otherwise: their queue, retries, timeout and so on. What a submit
  /// says goes before each of them; tags and metadata of both are joined.
  static var jobDefaults: JobOptions { get }
}

extension JobPayload {
  /// The queue and the daemon decide.
  public static var jobDefaults: JobOptions { JobOptions() }
}

/// A job to submit: its payload, encoded, and its options.
public struct NewJob: Sendable {
  public var payload: RawJSON
  public var options: JobOptions

  /// - Throws: ``RoostError`` with code `encoding_failed`.
  public init<Payload: JobPayload>(_ payload: Payload, _ options: JobOptions = JobOptions()) throws(RoostError) {
    self.init(try RawJSON(encoding: payload), options.joined(with: Payload.jobDefaults))
    if self.options.type == nil { self.options.type = Payload.jobType }
  }

  /// - Throws: ``RoostError`` with code `encoding_failed`.
  public init(_ payload: some Encodable, _ options: JobOptions = JobOptions()) throws(RoostError) {
    self.init(try RawJSON(encoding: payload), options)
  }

  /// - Parameter payload: Sent as it is.
  public init(_ payload: RawJSON, _ options: JobOptions = JobOptions()) {
    self.payload = payload
    self.options = options
  }
}
