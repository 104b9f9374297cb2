/// Which cells of paged storage are free. The lowest page that has memory and a free cell comes first, so that the
/// cells in use gather at the front and pages behind them become free as wholes: those are given back, all but one.
///
/// A free cell holds the slot of the next free one of its page; reading and writing that is the owner's part.
struct FreeCells {
  private struct Page {
    var used: UInt32 = 0
    /// Cells that were handed out since the page has memory; those behind were never touched.
    var fresh: UInt32 = 0
    var firstFree: Slot = .none
    var hasMemory = false
  }

  private let shift: Int
  private var pages: [Page] = []
  /// No page before this one has a free cell.
  private var lowest = 0
  /// Pages with memory of which no cell is in use.
  private var emptyPages = 0
  /// Cells in use.
  private(set) var count = 0

  /// - Parameter shift: Cells of a page, as a power of two.
  init(shift: Int) { self.shift = shift }

  private var pageCells: UInt32 { 1 << UInt32(shift) }

  /// Slots are below this.
  var limit: Slot { Slot(pages.count) << Slot(shift) }

  /// Whether a slot was handed out since its page has memory; it may be free again.
  @inline(__always)
  func wasUsed(_ slot: Slot) -> Bool {
    let page = Int(slot) >> shift
    return page < pages.count && slot & (pageCells &- 1) < pages[page].fresh
  }

  /// Takes a free cell.
  ///
  /// - Parameter next: The slot that a free cell holds.
  /// - Returns: The cell, and the page that needs memory before it is touched.
  @inline(__always)
  mutating func take(next: (Slot) -> Slot) -> (slot: Slot, newPage: Int?) {
    let hasRoom = lowest < pages.count && pages[lowest].hasMemory && pages[lowest].used < pageCells
    let page = hasRoom ? lowest : searchPage()
    var newPage: Int?
    if !pages[page].hasMemory {
      newPage = page
      pages[page].hasMemory = true
      emptyPages += 1
    }
    var slot = pages[page].firstFree
    if slot == .none {
      slot = Slot(page) << Slot(shift) | pages[page].fresh
      pages[page].fresh += 1
    } else {
      pages[page].firstFree = next(slot)
    }
    if pages[page].used == 0 { emptyPages -= 1 }
    pages[page].used += 1
    count += 1
    return (slot, newPage)
  }

  @inline(never)
  private mutating func searchPage() -> Int {
    while lowest < pages.count, pages[lowest].used == pageCells { lowest += 1 }
    for page in lowest..<pages.count where pages[page].hasMemory && pages[page].used < pageCells { return page }
    // None has room: the lowest without memory gets some, else a new one.
    if let page = (lowest..<pages.count).first(where: { !pages[$0].hasMemory }) { return page }
    pages.append(Page())
    return pages.count - 1
  }

  /// Prepares pages for so many cells in all, before they are taken.
  ///
  /// - Returns: The pages that need memory now.
  mutating func reserve(_ cells: Int) -> [Int] {
    var new: [Int] = []
    for page in 0..<(cells + Int(pageCells) - 1) >> shift {
      if page == pages.count { pages.append(Page()) }
      guard !pages[page].hasMemory else { continue }
      pages[page].hasMemory = true
      emptyPages += 1
      new.append(page)
    }
    return new
  }

  /// Gives a cell in use back.
  ///
  /// - Parameter hold: Puts the slot of the next free cell into this one.
  /// - Returns: The page whose memory is to go.
  @inline(__always)
  mutating func give(_ slot: Slot, hold: (Slot) -> Void) -> Int? {
    let page = Int(slot) >> shift
    precondition(
      wasUsed(slot) && slot != pages[page].firstFree && pages[page].used > 0, "a cell that is freed is in use")
    hold(pages[page].firstFree)
    pages[page].firstFree = slot
    pages[page].used -= 1
    count -= 1
    if page < lowest { lowest = page }
    return pages[page].used == 0 ? emptied(page) : nil
  }

  /// One empty page is kept: cells that come and go at a page's edge must not make and drop it each time.
  @inline(never)
  private mutating func emptied(_ page: Int) -> Int? {
    emptyPages += 1
    guard emptyPages > 1 else { return nil }
    pages[page] = Page()
    emptyPages -= 1
    while let last = pages.last, !last.hasMemory { pages.removeLast() }
    lowest = min(lowest, pages.count)
    return page
  }
}
