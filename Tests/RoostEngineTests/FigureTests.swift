import RoostEngine
import RoostSimulation
import Testing

/// What the engine publishes for metrics.
@Suite struct FigureTests {
  @Test("figures answer while a sync hangs, and hold its commit before its answer leaves")
  func hangingSync() async throws {
    let (fixture, disk) = try Fixture.withHeldDisk()
    let before = await fixture.engine.figures().store
    disk.hold()
    let first = Task { try await fixture.submit("1") }
    await disk.waitForSync(1)
    let posted = fixture.engine.postedCommands
    let waiting = (0..<4).map { _ in Task { try await fixture.submit("2") } }
    while fixture.engine.postedCommands < posted + 4 { await Task.yield() }
    let hanging = await fixture.engine.figures()
    #expect(hanging.mailboxCommands == 4 && hanging.mailboxBytes > 0 && hanging.health.isWritable)
    #expect(hanging.store.frames == before.frames, "what is not durable is not counted")
    disk.letAllGo()
    _ = try await first.value
    for task in waiting { _ = try await task.value }
    let after = await fixture.engine.figures()
    #expect(after.store.frames == before.frames + 2 && after.store.jobs == 5 && after.mailboxCommands == 0)
    #expect(after.store.batches.sum == before.batches.sum + 5, "one by itself, four together")
    #expect(after.store.batches.counts[0] == before.batches.counts[0] + 1)
    #expect(after.store.batches.counts[2] == before.batches.counts[2] + 1)
    #expect(after.store.writtenBytes > before.writtenBytes)
    await fixture.engine.stop()
  }
}
