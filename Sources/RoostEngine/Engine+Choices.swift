import RoostCore

/// Operations whose filters only the records of jobs can be held against: their jobs are read and judged here, beside
/// the writer, a piece at a time, and the machine changes those that were chosen. After a crash that goes on where the
/// log says that the operation was.
extension Engine {
  /// What an operation's text says of a job; nil for a text that cannot be read.
  package typealias Judge = @Sendable (_ text: [UInt8]) -> (@Sendable (JobView) -> Bool)?

  /// From here on operations with a text go on.
  package func judgeJobs(by judge: @escaping Judge) {
    writer.choices.answer { [weak self] in
      guard let self else { return }
      Task { await self.choose(by: judge) }
    }
    mailbox.nudge()
  }

  /// Judges piece after piece until no operation waits for one.
  private func choose(by judge: Judge) async {
    while writer.choices.mayGoOn() {
      do throws(Refusal) {
        while try await chooseNext(by: judge) {}
      } catch {
        if error == .stopping { return }
        // The disk gives no record now, or has no room for how far the operation is.
        try? await Task.sleep(for: .seconds(1))
        writer.choices.ring()
      }
    }
  }

  /// - Returns: False where no operation waits.
  private func chooseNext(by judge: Judge) async throws(Refusal) -> Bool {
    let delivery = try await ask { _ in .readPiece(Command.ReadPiece()) }
    guard case .piece(let piece) = delivery.answer else { return false }
    let text = delivery.text[Int(piece.text.offset)..<Int(piece.text.offset) + Int(piece.text.count)]
    guard let matches = judge(Array(text)) else {
      _ = try await stopOperation(piece.operation)
      return true
    }
    var items: [OperationChoice.Item] = []
    for image in delivery.jobs {
      guard let job = try await judged(image, delivery), matches(job) else { continue }
      items.append(
        OperationChoice.Item(number: image.id.number.rawValue, base: image.base, history: image.history))
    }
    let bytes = OperationChoice.encode(items)
    _ = try await ask(bytes) { base in
      .choose(
        Command.Choose(
          id: piece.operation, from: piece.from, end: piece.end,
          items: ByteRange(offset: base, count: bytes.count), examined: UInt32(delivery.jobs.count)))
    }
    return true
  }

  /// Nil where the job's record is damaged: nobody can say what it matches.
  private func judged(_ image: JobImage, _ delivery: Delivery) async throws(Refusal) -> JobView? {
    do throws(Refusal) {
      return try await listed(image, delivery)
    } catch {
      guard error == .payloadCorrupt else { throw error }
      return nil
    }
  }
}
