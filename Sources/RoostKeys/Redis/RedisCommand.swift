import NIOCore

/// A command and its arguments, to be sent as an array of bulk strings.
struct RedisCommand: Sendable {
  let words: [String]

  init(_ words: String...) {
    self.words = words
  }

  init(_ words: [String]) {
    self.words = words
  }

  /// The command's name, for messages: arguments may be secret.
  var name: String { words[0] }

  func write(into buffer: inout ByteBuffer) {
    buffer.writeString("*\(words.count)\r\n")
    for word in words {
      buffer.writeString("$\(word.utf8.count)\r\n")
      buffer.writeString(word)
      buffer.writeString("\r\n")
    }
  }
}
