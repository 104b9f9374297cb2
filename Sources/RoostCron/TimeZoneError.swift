/// Why there is no such time zone.
package enum TimeZoneError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What the tz database cannot have called a zone.
  case invalidName
  /// The database has no file of this name, or it is none of a zone.
  case unknown(String)
  /// The file of the zone is damaged, or of a kind that is not read.
  case malformed(String, MalformedTZif)
  /// The file cannot be read.
  case unreadable(String, errno: Int32)
  /// There is no database.
  case noDatabase(directory: String)

  /// What is wrong and what to do; a directory stands in it as it was given.
  package var description: String {
    switch self {
    case .invalidName:
      "a time zone is named as in Europe/Berlin: at most \(TimeZoneDatabase.maxNameBytes) letters, digits and . _ + - /"
    case .unknown(let name): "there is no time zone \(name): names are written as in Europe/Berlin"
    case .malformed(let name, let fault): "the file of time zone \(name) cannot be used: \(fault)"
    case .unreadable(let name, let errno): "the file of time zone \(name) cannot be read: \(errorText(errno))"
    case .noDatabase(let directory):
      "there are no time zones in \(directory): install tzdata, or name its directory in TZDIR"
    }
  }
}

/// What is wrong with the bytes of a TZif file.
package enum MalformedTZif: Error, Sendable, Equatable, CustomStringConvertible {
  /// It does not begin like a TZif file.
  case notTZif
  /// It ends before what its header announces.
  case truncated
  /// Its header announces more than any zone has, or too little.
  case counts
  /// Its transitions do not ascend, or lie beyond all time.
  case transitions
  /// It has an offset beyond 26 hours, or refers to one that it does not have.
  case offsets
  /// Its last line is no rule.
  case footer
  /// It counts leap seconds, which Roost's clock does not.
  case leapSeconds

  package var description: String {
    switch self {
    case .notTZif: "it is not in TZif"
    case .truncated: "it is truncated"
    case .counts: "its header is damaged"
    case .transitions: "its transitions are out of order"
    case .offsets: "its offsets are damaged"
    case .footer: "its last line is no rule for the years to come"
    case .leapSeconds: "it counts leap seconds: take the zone of the same name without right/"
    }
  }
}
