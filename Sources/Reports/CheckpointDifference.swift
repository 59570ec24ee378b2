import Configuration
import Files
import Foundation
import Storage

/// What `smd checkpoint diff` finds: where two checkpoints differ, to the bit.
public struct CheckpointDifference: Encodable {
    /// Something that is told beside the tensors, as it is in each; null where one has none.
    public struct Change: Encodable, Equatable {
        public let name: String
        public let first: String?
        public let second: String?
    }

    /// A tensor a of the first checkpoint whose bits are others in the second, b.
    public struct Tensor: Encodable {
        public let group: String
        public let name: String
        public let shape: [Int]
        /// Elements with other bits.
        public let moved: Int
        /// ‖a − b‖ / ‖a‖; null when that is not finite.
        public let relativeChange: Double?
        /// a·b / (‖a‖ ‖b‖); null when that is not finite.
        public let cosine: Double?
        /// The largest |a − b| of an element; null when that is not finite.
        public let largestChange: Double?
    }

    /// The tensors of a group together.
    public struct Group: Encodable {
        public let name: String
        /// Tensors that both have, of one shape.
        public let tensors: Int
        public let moved: Int
        public let relativeChange: Double?
        public let cosine: Double?
        /// Names that only one has, or that have another shape there, in words.
        public let unmatched: [String]
    }

    public let first: String
    public let second: String
    /// Whether nothing differs: headers, configuration, and every bit of every tensor.
    public let equal: Bool
    /// Step, seed, data set, version and attributes that differ.
    public let facts: [Change]
    /// Keys of the configuration that differ.
    public let settings: [Change]
    public let groups: [Group]
    /// The tensors that moved, the largest relative change first.
    public private(set) var tensors: [Tensor]

    /// Compares two files, whose bytes have been verified.
    ///
    /// - Parameter progress: called with the tensors compared and those of the first file.
    /// - Throws: `HDF5Error` or `StorageError` where one cannot be read.
    public init(_ first: String, _ second: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        let (a, b) = (try CheckpointFile(first, isVerified: false), try CheckpointFile(second, isVerified: false))
        (self.first, self.second) = (first, second)
        facts = Self.changes(Self.facts(a.header), Self.facts(b.header))
        settings = Self.settings(a, b)
        var (tensors, groups): ([Tensor], [Group]) = ([], [])
        // The same digest of all that follows the first 512 bytes: there is nothing to look for.
        if a.digest != b.digest {
            let all = a.groups.reduce(0) { $0 + a.tensors($1).count }
            var done = 0
            for group in a.groups + b.groups.filter({ !a.groups.contains($0) }) {
                let found = try Self.compare(group, a, b) {
                    done += 1
                    try progress(done, all)
                }
                groups.append(found.group)
                tensors += found.tensors
            }
        }
        self.groups = groups
        // What is not finite comes first.
        self.tensors = tensors.sorted {
            (-($0.relativeChange ?? .infinity), $0.group, $0.name)
                < (-($1.relativeChange ?? .infinity), $1.group, $1.name)
        }
        equal = facts.isEmpty && settings.isEmpty && groups.allSatisfy { $0.moved == 0 && $0.unmatched.isEmpty }
    }

    /// The same with the first `count` of ``tensors``.
    public func top(_ count: Int) -> CheckpointDifference {
        var some = self
        some.tensors = Array(tensors.prefix(count))
        return some
    }

    private static func facts(_ header: CheckpointHeader) -> [String: String] {
        header.attributes.mapValues(\.description).merging(
            [
                "step": "\(header.step)", "seed": "\(header.seed)", "data set": header.dataFingerprint,
                "written by": "smd \(header.version)",
            ], uniquingKeysWith: { $1 })
    }

    /// Keys of the configurations; the text as a whole where this version cannot read one.
    private static func settings(_ a: CheckpointFile, _ b: CheckpointFile) -> [Change] {
        if a.header.config.hasSameBytes(as: b.header.config) { return [] }
        guard let one = try? RunConfiguration(json: a.header.config),
            let two = try? RunConfiguration(json: b.header.config)
        else { return [Change(name: "config", first: a.header.config, second: b.header.config)] }
        func settings(_ configuration: RunConfiguration) -> [String: String] {
            Dictionary(configuration.settings().map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        }
        return changes(settings(one), settings(two))
    }

    private static func changes(_ a: [String: String], _ b: [String: String]) -> [Change] {
        Set(a.keys).union(b.keys).sorted().compactMap { name in
            if let one = a[name], let two = b[name], one.hasSameBytes(as: two) { return nil }
            return Change(name: name, first: a[name], second: b[name])
        }
    }

    private static func compare(
        _ group: String, _ a: CheckpointFile, _ b: CheckpointFile, each: () throws -> Void
    ) throws -> (group: Group, tensors: [Tensor]) {
        let name = CheckpointSummary.shortName(group)
        let (mine, others) = (a.tensors(group), b.tensors(group))
        if mine.isEmpty != others.isEmpty {
            let words = "\(max(mine.count, others.count)) tensors only in the \(others.isEmpty ? "first" : "second")"
            return (
                Group(name: name, tensors: 0, moved: 0, relativeChange: nil, cosine: nil, unmatched: [words]), []
            )
        }
        let shapes = Dictionary(others.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        let names = Set(mine.map(\.name))
        var unmatched = others.filter { !names.contains($0.name) }.map { "\($0.name) only in the second" }
        var (total, common, moved): (Products, Int, [Tensor]) = (Products(), 0, [])
        for tensor in mine {
            defer { common += 1 }
            guard let shape = shapes[tensor.name], shape == tensor.shape else {
                let other = shapes[tensor.name].map { "is \(tensor.shape) in the first, \($0) in the second" }
                unmatched.append("\(tensor.name) \(other ?? "only in the first")")
                common -= 1
                continue
            }
            let products = Products(
                try a.tensor(tensor.name, of: group).values, try b.tensor(tensor.name, of: group).values)
            total.add(products)
            if products.moved > 0 {
                moved.append(
                    Tensor(
                        group: name, name: tensor.name, shape: tensor.shape, moved: products.moved,
                        relativeChange: finite(products.relativeChange), cosine: finite(products.cosine),
                        largestChange: finite(products.largest)))
            }
            try each()
        }
        let relative = total.moved == 0 ? 0 : total.relativeChange
        return (
            Group(
                name: name, tensors: common, moved: moved.count, relativeChange: finite(relative),
                cosine: total.moved == 0 ? 1 : finite(total.cosine), unmatched: unmatched.sorted()),
            moved
        )
    }
}

/// Sums over the elements of two tensors, in double precision and in their order.
private struct Products {
    var (aa, bb, ab, dd, largest, moved) = (0.0, 0.0, 0.0, 0.0, 0.0, 0)

    init() {}

    init(_ a: [Float], _ b: [Float]) {
        for (x, y) in zip(a, b) {
            if x.bitPattern != y.bitPattern { moved += 1 }
            let (x, y) = (Double(x), Double(y))
            let difference = x - y
            aa += x * x
            bb += y * y
            ab += x * y
            dd += difference * difference
            // Not-a-number stays.
            if !(abs(difference) <= largest) { largest = abs(difference) }
        }
    }

    mutating func add(_ other: Products) {
        aa += other.aa
        bb += other.bb
        ab += other.ab
        dd += other.dd
        moved += other.moved
    }

    var relativeChange: Double { (dd / aa).squareRoot() }
    var cosine: Double { ab / (aa.squareRoot() * bb.squareRoot()) }
}

extension CheckpointDifference {
    /// For a person.
    ///
    /// - Parameter top: most tensors to list; 0 lists all.
    public func text(top: Int) -> String {
        if equal { return "equal to the bit" }
        var lines: [String] = []
        func list(_ title: String, _ changes: [Change]) {
            if changes.isEmpty { return }
            lines.append(title)
            lines += changes.map { "  \(printable($0.name)): \(Self.word($0.first)) → \(Self.word($0.second))" }
        }
        list("state", facts)
        list("configuration", settings)
        if groups.isEmpty || groups.allSatisfy({ $0.moved == 0 && $0.unmatched.isEmpty }) {
            return (lines + ["tensors: all equal to the bit"]).joined(separator: "\n")
        }
        let head = ["group", "tensors", "moved", "relative change", "cosine"]
        lines += [
            "groups",
            aligned(
                [head]
                    + groups.map {
                        [
                            printable($0.name), "\($0.tensors)", "\($0.moved)",
                            $0.tensors == 0 ? "-" : Self.figure($0.relativeChange),
                            $0.tensors == 0 ? "-" : Self.cosine($0.cosine),
                        ]
                    }),
        ]
        for group in groups {
            lines += group.unmatched.map { "  \(printable(group.name)): \(printable($0))" }
        }
        if !tensors.isEmpty {
            lines += ["tensors that moved, the largest relative change first", table(top > 0 ? top : tensors.count)]
            if top > 0 && tensors.count > top {
                lines.append("  … and \(tensors.count - top) more (--top 0 shows all)")
            }
        }
        return lines.joined(separator: "\n")
    }

    private func table(_ count: Int) -> String {
        let head = ["name", "group", "elements", "moved", "relative change", "cosine", "largest change"]
        return aligned(
            [head]
                + tensors.prefix(count).map {
                    [
                        printable($0.name), printable($0.group), grouped($0.shape.reduce(1, *)), grouped($0.moved),
                        Self.figure($0.relativeChange), Self.cosine($0.cosine), Self.figure($0.largestChange),
                    ]
                })
    }

    private static func word(_ value: String?) -> String { value.map { printable($0) } ?? "(none)" }
    private static func figure(_ value: Double?) -> String { value.map(fourDigits) ?? "not finite" }
    // Directions that hardly differ must not all read 1.
    private static func cosine(_ value: Double?) -> String { value.map { String(format: "%.9f", $0) } ?? "not finite" }
}
