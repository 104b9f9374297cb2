/// Reads the head of an HTTP/1.1 request in one pass over its bytes, by RFC 9112 and RFC 9110 to the letter: whatever two
/// readers could understand differently is refused.
struct HeadParser {
  /// The longest request line, and all field lines together, bytes.
  var lineBytes = 64 << 10
  var fieldBytes = 32 << 10
  var fieldCount = 100

  /// - Parameter input: From the first byte of the request line on.
  /// - Returns: nil when the head is not complete.
  func parse(_ input: UnsafeRawBufferPointer) throws(HeadError) -> RequestHead? {
    guard let base = input.baseAddress, !input.isEmpty else { return nil }
    var scan = Scan(base: base.assumingMemoryBound(to: UInt8.self), end: input.count)
    var head = RequestHead()
    guard try requestLine(&scan, &head) else { return nil }
    guard try fieldLines(&scan, &head) else { return nil }
    head.bytes = scan.at
    return head
  }

  private struct Scan {
    let base: UnsafePointer<UInt8>
    let end: Int
    var at = 0

    subscript(_ place: Int) -> UInt8 { base[place] }
  }

  // MARK: Request line

  private func requestLine(_ scan: inout Scan, _ head: inout RequestHead) throws(HeadError) -> Bool {
    var at = scan.at
    while at < scan.end, Octet.isToken(scan[at]) { at += 1 }
    if at == scan.end {
      guard at <= 32 else { throw .malformed("the method is too long") }
      return false
    }
    guard at > 0, scan[at] == Octet.space else {
      throw .malformed("a request begins with METHOD SP TARGET SP HTTP/1.1")
    }
    head.methodName = place(0, at)
    head.method = method(scan, at)
    let start = at + 1
    at = start
    while at < scan.end, scan[at] > Octet.space, scan[at] < 0x7F { at += 1 }
    guard at - start <= lineBytes else { throw .targetTooLong }
    if at == scan.end { return false }
    guard at > start, scan[at] == Octet.space else {
      throw .malformed("a target is visible ASCII: percent-encode everything else")
    }
    head.target = try target(scan, start, at, head.method)
    // HTTP/1.1 CR LF
    let version = at + 1
    guard scan.end >= version + 10 else {
      try checkVersion(scan, version)
      return false
    }
    try checkVersion(scan, version)
    head.isOldVersion = scan[version + 7] == UInt8(ascii: "0")
    scan.at = version + 10
    return true
  }

  /// As much of `HTTP/1.x CR LF` as is there.
  private func checkVersion(_ scan: Scan, _ start: Int) throws(HeadError) {
    let expected: StaticString = "HTTP/1."
    for place in 0..<min(10, scan.end - start) {
      let byte = scan[start + place]
      let isRight =
        switch place {
        case 0..<7: byte == expected.utf8Start[place]
        case 7: byte == UInt8(ascii: "1") || byte == UInt8(ascii: "0")
        case 8: byte == Octet.carriageReturn
        default: byte == Octet.lineFeed
        }
      guard isRight else { throw .malformed("a request line ends with HTTP/1.1 or HTTP/1.0 and CR LF") }
    }
  }

  private func method(_ scan: Scan, _ count: Int) -> RequestHead.Method {
    func isNamed(_ name: StaticString) -> Bool {
      guard name.utf8CodeUnitCount == count else { return false }
      for place in 0..<count where scan[place] != name.utf8Start[place] { return false }
      return true
    }
    if isNamed("POST") { return .post }
    if isNamed("GET") { return .get }
    if isNamed("HEAD") { return .head }
    if isNamed("DELETE") { return .delete }
    if isNamed("PUT") { return .put }
    if isNamed("PATCH") { return .patch }
    if isNamed("CONNECT") { return .connect }
    return .other
  }

  /// Path and query; RFC 9112 3.2: origin form, absolute form, and `*` or an authority as they are.
  private func target(
    _ scan: Scan, _ start: Int, _ end: Int, _ method: RequestHead.Method
  ) throws(HeadError) -> RequestHead.Place {
    if scan[start] == UInt8(ascii: "/") || method == .connect { return place(start, end) }
    if end - start == 1, scan[start] == UInt8(ascii: "*") { return place(start, end) }
    // scheme "://" authority path
    var at = start
    while at < end, Octet.isToken(scan[at]) { at += 1 }
    let scheme = UnsafeBufferPointer(start: scan.base + start, count: at - start)
    guard Octet.isSame(scheme, "http") || Octet.isSame(scheme, "https"), end - at > 3, scan[at] == UInt8(ascii: ":"),
      scan[at + 1] == UInt8(ascii: "/"), scan[at + 2] == UInt8(ascii: "/")
    else { throw .malformed("a target begins with /, or is a URL of http or https") }
    at += 3
    while at < end, Octet.isHost(scan[at]) { at += 1 }
    guard at < end, scan[at] == UInt8(ascii: "/") else { throw .malformed("an absolute target has a path") }
    return place(at, end)
  }

  // MARK: Fields

  private func fieldLines(_ scan: inout Scan, _ head: inout RequestHead) throws(HeadError) -> Bool {
    let start = scan.at
    var count = 0
    var hosts = 0
    while true {
      guard scan.at - start <= fieldBytes else { throw .fieldsTooLarge }
      guard scan.at < scan.end else { return false }
      if scan[scan.at] == Octet.carriageReturn {
        guard scan.at + 1 < scan.end else { return false }
        guard scan[scan.at + 1] == Octet.lineFeed else { throw .malformed("a CR stands only before LF") }
        head.fields = place(start, scan.at)
        scan.at += 2
        break
      }
      guard try field(&scan, &head, &hosts) else {
        guard scan.end - start <= fieldBytes else { throw .fieldsTooLarge }
        return false
      }
      count += 1
      guard count <= fieldCount else { throw .tooManyFields }
    }
    try check(&head, hosts)
    return true
  }

  /// One field line; false when it is not complete.
  private func field(_ scan: inout Scan, _ head: inout RequestHead, _ hosts: inout Int) throws(HeadError) -> Bool {
    let start = scan.at
    var at = start
    while at < scan.end, Octet.isToken(scan[at]) { at += 1 }
    if at == scan.end { return false }
    guard at > start else {
      throw scan[at] == Octet.space || scan[at] == Octet.tab
        ? .malformed("a field may not be folded over several lines") : .malformed("a field line begins with its name")
    }
    guard scan[at] == UInt8(ascii: ":") else {
      throw .malformed("a field's name is a token, and a colon follows at once")
    }
    let nameEnd = at
    at += 1
    while at < scan.end, scan[at] == Octet.space || scan[at] == Octet.tab { at += 1 }
    let valueStart = at
    while at < scan.end, Octet.isFieldValue(scan[at]) { at += 1 }
    if at == scan.end { return false }
    guard scan[at] == Octet.carriageReturn else { throw .malformed("a field's value holds no control characters") }
    guard at + 1 < scan.end else { return false }
    guard scan[at + 1] == Octet.lineFeed else { throw .malformed("a CR stands only before LF") }
    var valueEnd = at
    while valueEnd > valueStart, scan[valueEnd - 1] == Octet.space || scan[valueEnd - 1] == Octet.tab { valueEnd -= 1 }
    try note(scan, start, nameEnd, valueStart, valueEnd, &head, &hosts)
    scan.at = at + 2
    return true
  }

  /// Takes what a known field says into the head.
  private func note(
    _ scan: Scan, _ start: Int, _ nameEnd: Int, _ valueStart: Int, _ valueEnd: Int, _ head: inout RequestHead,
    _ hosts: inout Int
  ) throws(HeadError) {
    let name = UnsafeBufferPointer(start: scan.base + start, count: nameEnd - start)
    let value = UnsafeBufferPointer(start: scan.base + valueStart, count: valueEnd - valueStart)
    let found = place(valueStart, valueEnd)
    switch name.count {
    case 4:
      if Octet.isSame(name, "host") {
        hosts += 1
        guard value.allSatisfy(Octet.isHost) else { throw .malformed("Host is a name or an address, and a port") }
      }
    case 6:
      if Octet.isSame(name, "expect") { head.awaitsContinue = Octet.isSame(value, "100-continue") }
    case 7: if Octet.isSame(name, "upgrade") { head.wantsOtherProtocol = true }
    case 9: if Octet.isSame(name, "x-api-key") { try once(&head.apiKey, found, "X-API-Key") }
    case 10:
      if Octet.isSame(name, "connection") { connection(value, &head) }
      if Octet.isSame(name, "tracestate") {
        if head.tracestate.isPresent { head.hasSeveralTracestates = true } else { head.tracestate = found }
      }
    case 11:
      // Two are as good as none, and no reason to refuse a request: nothing of them, which is no context.
      if Octet.isSame(name, "traceparent") {
        head.traceparent = head.traceparent.isPresent ? place(valueStart, valueStart) : found
      }
    case 12:
      if Octet.isSame(name, "content-type") { try once(&head.contentType, found, "Content-Type") }
      if Octet.isSame(name, "x-request-id") { head.requestID = found }
    case 13:
      if Octet.isSame(name, "authorization") { try once(&head.authorization, found, "Authorization") }
      if Octet.isSame(name, "if-none-match") { head.ifNoneMatch = found }
      if Octet.isSame(name, "last-event-id") { head.lastEventID = found }
    case 14: if Octet.isSame(name, "content-length") { try length(value, &head) }
    case 15: if Octet.isSame(name, "idempotency-key") { try once(&head.idempotencyKey, found, "Idempotency-Key") }
    case 16:
      if Octet.isSame(name, "content-encoding"), !Octet.isSame(value, "identity") { head.isEncoded = true }
    case 17:
      if Octet.isSame(name, "transfer-encoding") {
        guard !head.isChunked, Octet.isSame(value, "chunked") else {
          throw .malformed("Transfer-Encoding is chunked, once, or not there")
        }
        head.isChunked = true
      }
    default: break
    }
  }

  /// A field that may not be given twice, since two readers could take another of the two.
  private func once(
    _ field: inout RequestHead.Place, _ found: RequestHead.Place, _ name: StaticString
  ) throws(HeadError) {
    guard !field.isPresent else { throw .givenTwice(name) }
    field = found
  }

  private func length(_ value: UnsafeBufferPointer<UInt8>, _ head: inout RequestHead) throws(HeadError) {
    guard (1...18).contains(value.count), value.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw .malformed("Content-Length is a number")
    }
    // Twice the same would mean one thing to us; some readers refuse it, and so does this one.
    guard head.contentLength == nil else { throw .malformed("Content-Length is given twice") }
    head.contentLength = value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  /// A list of tokens.
  private func connection(_ value: UnsafeBufferPointer<UInt8>, _ head: inout RequestHead) {
    var start = 0
    for at in 0...value.count where at == value.count || value[at] == UInt8(ascii: ",") {
      var (from, to) = (start, at)
      while from < to, value[from] == Octet.space || value[from] == Octet.tab { from += 1 }
      while to > from, value[to - 1] == Octet.space || value[to - 1] == Octet.tab { to -= 1 }
      let token = UnsafeBufferPointer(rebasing: value[from..<to])
      if Octet.isSame(token, "close") { head.closes = true }
      if Octet.isSame(token, "keep-alive") { head.keepsAlive = true }
      if Octet.isSame(token, "upgrade") { head.wantsOtherProtocol = true }
      start = at + 1
    }
  }

  /// What fields say together.
  private func check(_ head: inout RequestHead, _ hosts: Int) throws(HeadError) {
    guard hosts == 1 || hosts == 0 && head.isOldVersion else { throw .malformed("a request has one Host field") }
    if head.isChunked {
      guard head.contentLength == nil else {
        throw .malformed("Transfer-Encoding and Content-Length contradict each other")
      }
      guard !head.isOldVersion else { throw .malformed("HTTP/1.0 knows no Transfer-Encoding") }
    }
    if head.method == .connect { head.wantsOtherProtocol = true }
    if head.isOldVersion { head.awaitsContinue = false }
  }

  private func place(_ start: Int, _ end: Int) -> RequestHead.Place {
    RequestHead.Place(start: UInt32(start), count: UInt32(end - start))
  }
}

/// What a byte may be in a head (RFC 9110 5.6.2, 5.5).
enum Octet {
  static let space = UInt8(ascii: " ")
  static let tab: UInt8 = 0x09
  static let carriageReturn: UInt8 = 0x0D
  static let lineFeed: UInt8 = 0x0A

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    // Letters first: most bytes of a name are. Then a bit for each of !#$%&'*+-.^_`|~ and the digits.
    if (byte | 0x20) &- UInt8(ascii: "a") < 26 { return true }
    if byte < 64 { return 0x03FF_6CFA_0000_0000 as UInt64 >> UInt64(byte) & 1 != 0 }
    return byte < 128 && 0x57FF_FFFF_C7FF_FFFE as UInt64 >> UInt64(byte - 64) & 1 != 0
  }

  /// Visible, a space, a tab, or a byte beyond ASCII.
  @inline(__always)
  static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 ? byte != 0x7F : byte == tab }

  /// What a host may consist of (RFC 3986 3.2.2), and a port.
  static func isHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"),
      UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "^"), UInt8(ascii: "`"),
      UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
      false
    default: byte > space && byte < 0x7F
    }
  }

  /// Whether a text is a name, whatever the case of its letters.
  ///
  /// - Parameter name: In lower case: letters, digits, `-`.
  static func isSame(_ text: UnsafeBufferPointer<UInt8>, _ name: StaticString) -> Bool {
    guard text.count == name.utf8CodeUnitCount else { return false }
    for place in 0..<text.count {
      let byte = text[place]
      let lower = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
      if lower != name.utf8Start[place] { return false }
    }
    return true
  }
}
