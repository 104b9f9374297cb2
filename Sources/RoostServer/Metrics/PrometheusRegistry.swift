import CoreMetrics
import Synchronization

/// The back end of swift-metrics: keeps every series in memory and writes them down when Prometheus asks.
///
/// A label of swift-metrics is a metric's whole name, its dimensions are the labels. What is described in `Metric`
/// gets help and buckets from there; a library's own metrics are taken too, their names made valid.
package final class PrometheusRegistry: MetricsFactory {
  /// Distinct sets of labels that one metric may have; further ones are counted in
  /// `roost_metrics_dropped_series_total` and go nowhere, so that no caller can fill the memory.
  package static let mostSeries = 2_000

  fileprivate enum Cell {
    case counter(CounterCell)
    case fraction(FractionCell)
    case gauge(GaugeCell)
    case histogram(HistogramCell)
  }

  private struct Family {
    var metric: Metric
    var cells: [[Label]: Cell] = [:]
  }

  private let families = Mutex<[String: Family]>([:])
  private let dropped = CounterCell()

  package init() {}

  // MARK: swift-metrics

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    let cell = cell(label, .counter, dimensions) { _ in .counter(CounterCell()) }
    if case .counter(let counter)? = cell { return counter }
    return CounterCell()
  }

  package func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    let cell = cell(label, .counter, dimensions) { _ in .fraction(FractionCell()) }
    if case .fraction(let counter)? = cell { return counter }
    return FractionCell()
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { gauge(label, dimensions) }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    aggregate ? histogram(label, dimensions, standard: Metric.sizes) : gauge(label, dimensions)
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    histogram(label, dimensions, standard: Metric.seconds)
  }

  package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
  package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

  private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeCell {
    let cell = cell(label, .gauge, dimensions) { _ in .gauge(GaugeCell()) }
    if case .gauge(let gauge)? = cell { return gauge }
    return GaugeCell()
  }

  private func histogram(
    _ label: String, _ dimensions: [(String, String)], standard: [Double]
  ) -> HistogramCell {
    let cell = cell(label, .histogram, dimensions) { metric in
      .histogram(HistogramCell(bounds: metric.bounds.isEmpty ? standard : metric.bounds))
    }
    if case .histogram(let histogram)? = cell { return histogram }
    return HistogramCell(bounds: standard)
  }

  /// The cell of a name and its labels, made if need be; nil if the metric may have no further one, or the name
  /// stands for a metric of another kind.
  private func cell(
    _ label: String, _ kind: Metric.Kind, _ dimensions: [(String, String)], _ make: (Metric) -> Cell
  ) -> Cell? {
    let name = Self.validName(label)
    let labels = dimensions.map { Label(Self.validLabel($0.0), $0.1) }.sorted()
    return families.withLock { families in
      var family = families[name] ?? Family(metric: Metric.all[name] ?? Metric(name, kind, "A library's own metric."))
      if let known = family.cells[labels] { return family.metric.kind == kind ? known : nil }
      guard family.metric.kind == kind, family.cells.count < Self.mostSeries else {
        dropped.increment(by: 1)
        return nil
      }
      let made = make(family.metric)
      family.cells[labels] = made
      families[name] = family
      return made
    }
  }

  private func remove(_ handler: AnyObject) {
    families.withLock { families in
      for (name, family) in families {
        guard let labels = family.cells.first(where: { $0.value.object === handler })?.key else { continue }
        families[name]?.cells[labels] = nil
      }
    }
  }

  // MARK: Writing

  /// What was counted, in Prometheus' text format.
  package var text: String {
    var text = Exposition()
    write(into: &text)
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// Writes every family that has a series, by name.
  func write(into text: inout Exposition) {
    let all = families.withLock { $0.values.sorted { $0.metric.name < $1.metric.name } }
    for family in all {
      let cells = family.cells.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        .filter { !family.metric.hidesUnused || $0.value.isUsed }
      guard !cells.isEmpty else { continue }
      text.begin(family.metric)
      for (labels, cell) in cells { cell.write(family.metric, labels, into: &text) }
    }
    text.family(.metricsDroppedSeries, dropped.value)
  }

  private static func validName(_ label: String) -> String {
    let name = String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
    return name.first.map { $0.isNumber } ?? true ? "_" + name : name
  }

  private static func validLabel(_ name: String) -> String {
    validName(name).replacing(":", with: "_")
  }
}

extension PrometheusRegistry.Cell {
  fileprivate var object: AnyObject {
    switch self {
    case .counter(let cell): cell
    case .fraction(let cell): cell
    case .gauge(let cell): cell
    case .histogram(let cell): cell
    }
  }

  /// Whether anything was ever counted.
  fileprivate var isUsed: Bool {
    switch self {
    case .counter(let cell): cell.value > 0
    case .fraction(let cell): cell.value > 0
    case .gauge: true
    case .histogram(let cell): cell.values.counts.contains { $0 > 0 }
    }
  }

  fileprivate func write(_ metric: Metric, _ labels: [Label], into text: inout Exposition) {
    switch self {
    case .counter(let cell): text.sample(metric, labels, cell.value)
    case .fraction(let cell): text.sample(metric, labels, cell.value)
    case .gauge(let cell): text.sample(metric, labels, cell.value)
    case .histogram(let cell):
      let values = cell.values
      text.histogram(metric, labels, bounds: cell.bounds, counts: values.counts, sum: values.sum)
    }
  }
}
