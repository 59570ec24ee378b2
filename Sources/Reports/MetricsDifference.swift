import Storage
import Training

/// Where the metrics of two runs part: the first step at which a number is another.
///
/// Compared are the steps that both have, and the columns that both have but for those that are another number each time
/// (seconds, images a second, the slowest rank). Not-a-number is like not-a-number.
public struct MetricsDifference: Encodable {
    /// A value of both.
    public struct Value: Encodable, Equatable {
        public let column: String
        /// Null where it is no finite number.
        public let first: Double?
        public let second: Double?
        /// The values as text with all digits, "nan" too.
        public let firstText: String
        public let secondText: String

        // Texts are for people; JSON has the numbers.
        enum CodingKeys: CodingKey { case column, first, second }
    }

    /// Columns that were compared.
    public let columns: [String]
    /// Columns that only one of the two has, among those that would be compared.
    public let onlyFirst: [String]
    public let onlySecond: [String]
    /// Steps that both have.
    public let commonSteps: Int
    public let lastCommonStep: Int?
    public let lastFirst: Int?
    public let lastSecond: Int?
    /// The first step at which a value differs; nil where none does.
    public let step: Int?
    /// The values that differ there.
    public let values: [Value]
    /// How many of the common steps differ in some value.
    public let differentSteps: Int

    public var isSame: Bool { step == nil }

    private static let unrepeatable = Set(
        MetricsColumn.all.filter { [.speed, .rank].contains($0.role) }.map(\.name))

    /// Compares two tables of metrics.
    ///
    /// - Parameter names: the columns to compare, whatever they are; nil for those that repeat.
    /// - Throws: `StorageError` where one of `names` is missing.
    public init(_ first: MetricsTable, _ second: MetricsTable, columns names: [String]? = nil) throws {
        let (a, b) = try names.map { (try first.selecting($0), try second.selecting($0)) } ?? (first, second)
        func compared(_ table: MetricsTable) -> [String] {
            table.columns.dropFirst().filter { names != nil || !Self.unrepeatable.contains($0) }
        }
        let (mine, others) = (compared(a), compared(b))
        let common = mine.filter(others.contains)
        let places = Dictionary(b.steps.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
        let pairs = a.steps.enumerated().compactMap { row, step in places[step].map { (step, row, $0) } }
        let data = common.map { (a.column($0) ?? [], b.column($0) ?? []) }
        let different = pairs.filter { _, row, other in data.contains { !Self.same($0.0[row], $0.1[other]) } }
        columns = common
        (onlyFirst, onlySecond) = (mine.filter { !others.contains($0) }, others.filter { !mine.contains($0) })
        commonSteps = pairs.count
        lastCommonStep = pairs.last?.0
        (lastFirst, lastSecond) = (a.steps.last, b.steps.last)
        step = different.first?.0
        differentSteps = different.count
        values =
            different.first.map { _, row, other in
                zip(common, data).filter { !Self.same($1.0[row], $1.1[other]) }.map { name, values in
                    Value(
                        column: name, first: finite(values.0[row]), second: finite(values.1[other]),
                        firstText: "\(values.0[row])", secondText: "\(values.1[other])")
                }
            } ?? []
    }

    /// A journal keeps neither the sign of a zero nor the bits of a not-a-number.
    private static func same(_ one: Double, _ other: Double) -> Bool { one == other || (one.isNaN && other.isNaN) }
}
