import RoostPush
import Testing

@Suite("Look-ups of names")
struct LookUpLanesTests {
  @Test("an owner whose names are slow keeps the own deliveries waiting, and nobody else's")
  func owners() async {
    let lanes = LookUpLanes(mostOfOwner: 2, most: 4)
    for owner in ["a", "a", "b"] { #expect(await lanes.enter(owner, within: .seconds(3_600))) }
    #expect(await !lanes.enter("a", within: .zero), "the owner has as many as it may have")
    async let third = lanes.enter("a", within: .seconds(3_600))
    #expect(await lanes.enter("b", within: .seconds(3_600)))
    await lanes.leave("a")
    #expect(await third)
  }

  @Test("so many run in all; who waits goes on by turns, and who is cancelled waits no longer")
  func all() async {
    let lanes = LookUpLanes(mostOfOwner: 2, most: 2)
    for owner in ["a", "b"] { #expect(await lanes.enter(owner, within: .seconds(3_600))) }
    let cancelled = Task { await lanes.enter("c", within: .seconds(3_600)) }
    cancelled.cancel()
    #expect(await !cancelled.value)
    async let next = lanes.enter("d", within: .seconds(3_600))
    await lanes.leave("a")
    #expect(await next)
    #expect(await !lanes.enter("e", within: .zero))
  }
}
