import RoostCore
import Testing

@Suite struct JobOptionsTests {
  private func body(_ options: [UInt8], change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
    var bytes = JobBodyLayout.encode(
      queue: "mail", type: "welcome", owner: "ann", traceparent: "", group: "g", metadata: [], tags: [],
      payload: [UInt8]("{}".utf8)[...], options: options, checksum: { UInt32($0.count) })
    change(&bytes)
    return bytes
  }

  @Test("options stand in a job's body, and a job without them has no bytes for them")
  func roundTrip() throws {
    let plain = body([])
    let told = body(JobOptions.encode([.callback: [7, 8], .expires: []]))
    #expect(told.count == plain.count + 4 + 3 + 3 + 2)
    try told.withUnsafeBytes { bytes in
      let layout = try #require(JobBodyLayout(bytes))
      #expect(layout.options[.callback].map { Array($0) } == [7, 8])
      #expect(layout.options[.expires]?.isEmpty == true)
      #expect(layout.options[.unique] == nil)
      #expect(String(decoding: layout.queue, as: UTF8.self) == "mail")
      #expect(Array(layout.payload) == Array("{}".utf8))
      #expect(layout.checksum == UInt32(layout.covered.count))
    }
    plain.withUnsafeBytes { #expect(JobBodyLayout($0)?.options.isEmpty == true) }
  }

  @Test("a schedule's job keeps them")
  func ofASchedule() throws {
    let told = body(JobOptions.encode([.unique: [1]]))
    let made = try told.withUnsafeBytes { bytes in
      try #require(JobBodyLayout(bytes)).encoded(schedule: [UInt8]("nightly".utf8), at: 60, checksum: { _ in 0 })
    }
    made.withUnsafeBytes { bytes in
      let layout = JobBodyLayout(bytes)
      #expect(layout?.options[.unique].map { Array($0) } == [1])
      #expect(layout?.madeBy?.name == "nightly")
    }
  }

  @Test(
    "what is no list of options makes the body none",
    arguments: [
      [3, 0, 0, 1, 0, 0],  // out of order
      [1, 0, 0, 1, 0, 0],  // twice
      [99, 0, 0],  // unknown
      [1, 5, 0, 1],  // cut
      [1, 0],
    ] as [[UInt8]])
  func malformed(_ options: [UInt8]) {
    body(options).withUnsafeBytes { #expect(JobBodyLayout($0) == nil) }
  }
}
