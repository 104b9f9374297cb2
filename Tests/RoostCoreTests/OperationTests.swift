import RoostCore
import Testing

/// What is done to many jobs: how fast, how much later, and to those that somebody judges.
@Suite("Operations")
struct OperationTests {
  private func selection(
    _ kind: OperationKind, states: [JobState], adjust: (inout JobSelection) -> Void = { _ in }
  ) -> JobSelection {
    var selection = JobSelection(
      kind: kind, states: states.reduce(0) { $0 | $1.bit }, queue: .empty, type: .empty, owner: .empty, before: .max,
      limit: .max)
    adjust(&selection)
    return selection
  }

  private func last(_ machine: Machine) -> OperationImage? {
    machine.run([], .readOperations(Command.ReadOperations(id: 0)))
    return machine.step.operations.last
  }

  private func dead(_ machine: Machine) throws -> JobID {
    let id = try #require(machine.submit()).id
    try die(machine, id)
    return id
  }

  private func die(_ machine: Machine, _ id: JobID) throws {
    let grant = try #require(machine.lease())
    #expect(grant.id == id)
    _ = machine.finish(id, grant.lease, .failed, text: "broken") { $0.isRetryable = false }
  }

  @Test(
    "an operation with a rate changes what would come in a tenth of a second, and waits; a replay knows when it was")
  func pace() throws {
    let machine = Machine()
    for _ in 0..<250 { _ = machine.submit() }
    let slow = selection(.cancel, states: [.ready]) {
      ($0.terms.pace.limit, $0.terms.pace.periodMilliseconds) = (1_000, 1_000)
      $0.terms.matched = 250
    }
    machine.run([], .operate(Command.Operate(slow)))
    #expect(last(machine)?.done == 101 && last(machine)?.phase == .active)
    try machine.expectReplay()
    _ = machine.pass(milliseconds: 100)
    #expect(last(machine)?.done == 101)
    _ = machine.pass(milliseconds: 1)
    #expect(last(machine)?.done == 202 && last(machine)?.terms.matched == 250)
    _ = machine.pass(milliseconds: 200)
    #expect(last(machine)?.done == 250 && last(machine)?.phase == .done)
    try machine.expectReplay()
  }

  @Test("others go on while a slow operation waits")
  func behindSlow() throws {
    let machine = Machine()
    for _ in 0..<3 { _ = machine.submit() }
    for _ in 0..<3 { _ = machine.submit(queue: "other") }
    let slow = selection(.cancel, states: [.ready]) {
      ($0.terms.pace.limit, $0.terms.pace.periodMilliseconds) = (1, 60_000)
      $0.queue = ByteRange(offset: 0, count: 4)
    }
    machine.run(Array("mail".utf8), .operate(Command.Operate(slow)))
    let quick = selection(.cancel, states: [.ready]) { $0.queue = ByteRange(offset: 0, count: 5) }
    machine.run(Array("other".utf8), .operate(Command.Operate(quick)))
    machine.run()
    machine.run([], .readOperations(Command.ReadOperations(id: 0)))
    #expect(Set(machine.step.operations.map(\.done)) == [1, 3])
    try machine.expectReplay()
  }

  @Test("with a delay what is replayed is SCHEDULED, and what is retried waits in RETRY")
  func delay() throws {
    let machine = Machine()
    let letter = try dead(machine)
    let failed = try #require(machine.submit()).id
    let grant = try #require(machine.lease())
    _ = machine.finish(failed, grant.lease, .failed) { $0.delayMilliseconds = 60_000 }
    #expect(machine.image(failed)?.state == .retry)
    for (kind, state) in [(OperationKind.replay, JobState.dead), (.retry, .retry)] {
      let later = selection(kind, states: [state]) { $0.terms.pace.delayMilliseconds = 5_000 }
      machine.run([], .operate(Command.Operate(later)))
    }
    let wall = try #require(machine.image(letter)).deadline
    #expect(machine.image(letter)?.state == .scheduled && machine.image(failed)?.state == .retry)
    #expect(machine.image(failed)?.deadline == wall && machine.image(letter)?.attempts == 0)
    try machine.expectReplay()
    _ = machine.pass(milliseconds: 4_999)
    #expect(machine.image(letter)?.state == .scheduled && machine.image(failed)?.state == .retry)
    _ = machine.pass(milliseconds: 1)
    #expect(machine.image(letter)?.state == .ready && machine.image(failed)?.state == .ready)
    try machine.expectReplay()
  }

  /// Begins to replay dead letters that are judged.
  private func beginJudged(_ machine: Machine, isDry: Bool = false) -> OperationChoice {
    let judged = selection(.replay, states: [.dead]) {
      $0.text = ByteRange(offset: 0, count: 1)
      $0.terms.isDry = isDry
    }
    machine.run([7], .operate(Command.Operate(judged)))
    return machine.state.nextPiece()
  }

  private func choose(_ machine: Machine, _ piece: OperationChoice, _ items: [OperationChoice.Item]) {
    let bytes = OperationChoice.encode(items)
    machine.run(
      bytes,
      .choose(
        Command.Choose(
          id: piece.id, from: piece.from, end: piece.end, items: ByteRange(offset: 0, count: bytes.count),
          examined: UInt32(piece.items.count))))
  }

  @Test("an operation whose jobs are judged changes those that were chosen, and no others")
  func chosen() throws {
    let machine = Machine()
    let letters = try (0..<3).map { _ in try dead(machine) }
    let piece = beginJudged(machine)
    #expect(piece.items.map(\.number) == letters.reversed().map(\.number.rawValue) && machine.state.wantsChoice)
    choose(machine, piece, [piece.items[1]])
    let ended = try #require(last(machine))
    #expect(ended.done == 1 && ended.examined == 3 && ended.phase == .done)
    #expect(letters.map { machine.image($0)?.state } == [.dead, .ready, .dead] && !machine.state.wantsChoice)
    choose(machine, piece, piece.items)
    #expect(machine.image(letters[0])?.state == .dead)
    try machine.expectReplay()
  }

  @Test("a job that died of something else since it was judged is judged again")
  func stale() throws {
    let machine = Machine()
    let letter = try dead(machine)
    let piece = beginJudged(machine)
    machine.run([], .runNow(Command.RunNow(job: machine.reference(letter), viewer: .all, onlyDead: true)))
    try die(machine, letter)
    choose(machine, piece, piece.items)
    #expect(machine.image(letter)?.state == .dead && last(machine)?.done == 0 && last(machine)?.phase == .active)
    let again = machine.state.nextPiece()
    #expect(again.items.map(\.number) == [letter.number.rawValue])
    choose(machine, again, again.items)
    #expect(machine.image(letter)?.state == .ready && last(machine)?.phase == .done)
    try machine.expectReplay()
  }

  @Test("a count of jobs that are judged changes none, and shows the first ten")
  func counted() throws {
    let machine = Machine()
    let letters = try (0..<12).map { _ in try dead(machine) }
    let piece = beginJudged(machine, isDry: true)
    choose(machine, piece, piece.items)
    let counted = try #require(last(machine))
    #expect(counted.done == 12 && counted.phase == .done && counted.shown.count == 160)
    #expect(letters.allSatisfy { machine.image($0)?.state == .dead })
    try machine.expectReplay()
  }
}
