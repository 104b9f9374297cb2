import ArgumentParser

/// Which data directory is meant, by the same rules as for `roost serve`: the flag, else `WAL_DIR`, else `./data`.
struct DataDirectory: ParsableArguments {
  @Option(help: "The data directory (default: WAL_DIR, else ./data).") var walDir: String?
  /// What the flag was called before; still taken.
  @Option(name: .customLong("data"), help: .private) var formerName: String?

  func validate() throws {
    if walDir != nil, formerName != nil {
      throw ValidationError("--data is a former name of --wal-dir: give one of them.")
    }
  }

  var path: String { walDir ?? formerName ?? Variables["WAL_DIR"] ?? "./data" }
}

/// The same where the directory is what the command is about: it may also stand without a flag.
struct DataDirectoryArgument: ParsableArguments {
  @OptionGroup var option: DataDirectory
  @Argument(help: "The data directory; --wal-dir says the same.") var directory: String?

  func validate() throws {
    if directory != nil, option.walDir != nil || option.formerName != nil {
      throw ValidationError("Name the data directory once: with --wal-dir or without.")
    }
  }

  var path: String { directory ?? option.path }
}
