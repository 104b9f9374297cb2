import ArgumentParser
import Foundation
import RoostClient

/// `roost context …`: daemons by name, so that no command needs a URL and a key file.
struct ContextCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "context", abstract: "Name daemons, and choose the one that commands ask.",
    discussion: """
      A context is a URL and the files that open it; it stands in contexts.json below XDG_CONFIG_HOME or ~/.config, \
      without keys. Commands ask, in this order: --url; --context or ROOST_CONTEXT; ROOST_URL; the context in use, if \
      ROOST_KEY is not set; the daemon that runs on WAL_DIR or ./data; http://127.0.0.1:8080.

      Exit codes: 0 done, 64 a wrong flag or name, 73 the file cannot be written, 74 the output was lost.
      """,
    subcommands: [Add.self, List.self, Use.self, Show.self, Remove.self])

  struct Name: ParsableArguments {
    @Argument(
      help: "The context.", completion: .custom { _, _, _ in (try? ContextBook.read())?.contexts.keys.sorted() ?? [] })
    var name: String

    func validate() throws {
      guard ContextBook.isName(name) else {
        throw ValidationError("A context has 1 to 64 characters of A-Z a-z 0-9 . _ -.")
      }
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Name a daemon, or say something else of one; the first one is used from now on.")

    @Option(help: "The daemon, such as https://roost.example.org.") var url: String
    @Option(help: "The file whose first line is the key (default: ROOST_KEY, when a command runs).")
    var keyFile: String?
    @OptionGroup var trust: TrustOptions
    @Flag(help: "Use it from now on.") var use = false
    @OptionGroup var name: Name

    func run() throws {
      var book = try ContextBook.read()
      book.contexts[name.name] = ContextBook.Context(
        url: try DaemonURL(flag: url).text, keyFile: try Self.file(keyFile), caFile: try Self.file(trust.caFile),
        cert: try Self.file(trust.cert), certKey: try Self.file(trust.certKey))
      if use || book.current == nil { book.current = name.name }
      try CommandOutput.check()
      try book.write()
      let isUsed = book.current == name.name ? "in use" : "not in use: roost context use \(name.name)"
      try CommandOutput.write(line: "context \(name.name) is \(isUsed)")
    }

    /// The file's whole path: a context is used from wherever.
    private static func file(_ path: String?) throws(CommandFailure) -> String? {
      guard let path else { return nil }
      guard FileManager.default.isReadableFile(atPath: path) else {
        throw CommandFailure(.usage, "cannot read the file \(inert(path))")
      }
      return URL(fileURLWithPath: path).standardizedFileURL.path
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the contexts; * marks the one in use.")

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let book = try ContextBook.read()
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try CommandOutput.write(line: String(decoding: try encoder.encode(book), as: UTF8.self))
      }
      let rows = book.contexts.sorted { $0.key < $1.key }.map { name, context in
        [name == book.current ? "*" : "", name, context.url, context.keyFile ?? "ROOST_KEY"]
      }
      try CommandOutput.write(TextTable(headings: ["", "NAME", "URL", "KEY"], rows: rows).text())
    }
  }

  struct Use: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Choose the context that commands ask; --none: none.")

    @Flag(help: "Use none.") var none = false
    @Argument(help: "The context.") var name: String?

    func validate() throws {
      if none == (name != nil) { throw ValidationError("Name a context, or give --none.") }
    }

    func run() throws {
      var book = try ContextBook.read()
      if let name { _ = try book.context(name) }
      book.current = name
      try CommandOutput.check()
      try book.write()
      try CommandOutput.write(line: name.map { "context \($0) is in use" } ?? "no context is in use")
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say which daemon a command would ask now, and where its key comes from.")

    @OptionGroup var daemon: DaemonAddress

    func run() throws {
      let target = try daemon.target()
      try CommandOutput.write(
        TextTable(rows: [["URL", target.url], ["FROM", target.source], ["KEY", target.keySourceText]]).text())
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Forget a context; its key file stays.")

    @OptionGroup var name: Name

    func run() throws {
      var book = try ContextBook.read()
      _ = try book.context(name.name)
      book.contexts[name.name] = nil
      if book.current == name.name { book.current = nil }
      try CommandOutput.check()
      try book.write()
      try CommandOutput.write(line: "context \(name.name) is forgotten")
    }
  }
}
