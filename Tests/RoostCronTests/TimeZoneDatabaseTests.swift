import Foundation
import RoostCron
import Testing

/// Zones by their names, from directories as they may be.
@Suite("Time zone database")
struct TimeZoneDatabaseTests {
  private func withDirectory(_ body: (URL) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-zones-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory)
  }

  private func error(_ name: String, in directory: String = TimeZoneDatabase.standardDirectory) -> TimeZoneError? {
    do throws(TimeZoneError) { _ = try TimeZoneDatabase(directory: directory).zone(name) } catch { return error }
    return nil
  }

  @Test("every zone of the system that the database lists can be read, and says its release")
  func all() throws {
    let database = TimeZoneDatabase()
    let table = try String(contentsOfFile: "\(database.directory)/zone1970.tab", encoding: .utf8)
    let names = table.split(separator: "\n").filter { !$0.hasPrefix("#") }
      .map { String($0.split(separator: "\t")[2]) }
    #expect(names.count > 300)
    for name in names { #expect(throws: Never.self, "\(name)") { try database.zone(name) } }
    #expect(try #require(database.version).hasPrefix("20"))
  }

  @Test(
    "a name that the database cannot have is refused without a look at the disk",
    arguments: [
      "", "/etc/passwd", "../../etc/passwd", "Europe/../../../etc/passwd", "Europe//Berlin", "Europe/", "./UTC", "..",
      ".hidden", "Europe/.Berlin", "Europe/Berlin\u{0}", "Europe/Berl in", "Europe/Bérlin", "Europe\\Berlin",
      String(repeating: "a", count: 65),
    ])
  func invalid(name: String) {
    #expect(error(name) == .invalidName)
    #expect(error(name)?.description.contains("Europe/Berlin") == true)
  }

  @Test(
    "a name without a zone is unknown: nothing, a directory, a table for people, a wrong case",
    arguments: ["Europe/Atlantis", "Europe", "zone.tab", "europe/berlin", "UTC/0", String(repeating: "a", count: 64)])
  func unknown(name: String) {
    #expect(error(name) == .unknown(name))
    #expect(error(name)?.description == "there is no time zone \(name): names are written as in Europe/Berlin")
  }

  @Test("without a database there is UTC, and the error says what to install")
  func noDatabase() throws {
    #expect(error("Europe/Berlin", in: "/nowhere") == .noDatabase(directory: "/nowhere"))
    #expect(error("UTC", in: "/nowhere") == nil)
    #expect(TimeZoneDatabase(directory: "/nowhere").version == nil)
    #expect(
      error("Europe/Berlin", in: "/nowhere")?.description
        == "there are no time zones in /nowhere: install tzdata, or name its directory in TZDIR")
  }

  @Test("damaged and leap-second files say what is wrong with them; others are not waited for")
  func files() throws {
    try withDirectory { directory in
      try Data("TZif2 and nothing more".utf8).write(to: directory.appendingPathComponent("Short"))
      try Data(TZifFile(leapSeconds: [(78_796_800, 1)]).bytes).write(to: directory.appendingPathComponent("Right"))
      try Data(count: 65_537).write(to: directory.appendingPathComponent("Large"))
      try Data(TZifFile(offsets: [7_200], footer: "AAA-2").bytes).write(to: directory.appendingPathComponent("Good"))
      #expect(mkfifo(directory.appendingPathComponent("Pipe").path, 0o600) == 0)
      #expect(error("Short", in: directory.path) == .malformed("Short", .truncated))
      #expect(error("Right", in: directory.path) == .malformed("Right", .leapSeconds))
      #expect(error("Large", in: directory.path) == .unreadable("Large", errno: EFBIG))
      #expect(error("Pipe", in: directory.path) == .unknown("Pipe"))
      #expect(try TimeZoneDatabase(directory: directory.path).zone("Good").offset(at: 0) == 7_200)
    }
  }

  @Test("the release is read from tzdata.zi or +VERSION, and TZDIR names the directory")
  func version() throws {
    try withDirectory { directory in
      let database = TimeZoneDatabase(environment: ["TZDIR": directory.path])
      #expect(database.directory == directory.path && database.version == nil)
      try Data("2026c\n".utf8).write(to: directory.appendingPathComponent("+VERSION"))
      #expect(database.version == "2026c")
      try Data("# version 2026f\n# redo\n".utf8).write(to: directory.appendingPathComponent("tzdata.zi"))
      #expect(database.version == "2026f")
      try Data("# something else".utf8).write(to: directory.appendingPathComponent("tzdata.zi"))
      #expect(database.version == "2026c")
    }
    for environment in [[:], ["TZDIR": ""]] {
      #expect(TimeZoneDatabase(environment: environment).directory == TimeZoneDatabase.standardDirectory)
    }
  }
}
