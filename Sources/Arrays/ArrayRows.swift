import Files

/// The rows (entries of the first axis) of one array of a file, read forward: it need not fit into memory. The ending of the
/// file's name says its format: `.npy`, `.npz` or `.safetensors`. Not for use from several threads at once.
public final class ArrayRows {
    /// Lengths of the axes, at least one.
    public let shape: [Int]
    /// Whether elements are integers.
    public let isInteger: Bool
    /// File and array, for messages.
    public let name: String
    private let source: Source
    /// The row that comes next.
    private var place = 0

    private enum Source {
        case numPy(NPYReader)
        case safeTensors(SafeTensors, String)
    }

    /// What the names of files that can be read end in.
    public static let endings = ["npy", "npz", "safetensors"]

    /// Opens the array called `member`; an `.npy` has but one.
    ///
    /// - Throws: ``ArrayFileError`` where there is none, or the ending is another.
    public init(path: String, member: String) throws {
        let lower = path.lowercased()
        guard Self.endings.contains(where: { lower.hasBytes(suffix: ".\($0)") }) else {
            throw ArrayFileError("\(path): an .npz, .npy or .safetensors is wanted")
        }
        let isSingle = lower.hasBytes(suffix: ".npy")
        name = isSingle ? path : "\(path): \(member)"
        if lower.hasBytes(suffix: ".safetensors") {
            let file = try SafeTensors(path: path)
            guard let entry = file.entries[member] else {
                let names = file.entries.keys.sorted().prefix(8).joined(separator: ", ")
                throw ArrayFileError("\(path): holds no array \(member), but \(names)")
            }
            (shape, isInteger) = (entry.shape, entry.isInteger)
            source = .safeTensors(file, member)
        } else {
            let reader = try NPYReader(path: path, member: isSingle ? nil : member)
            (shape, isInteger) = (reader.shape, reader.isInteger)
            source = .numPy(reader)
        }
        guard !shape.isEmpty else { throw ArrayFileError("\(name): is a single number") }
    }

    /// Elements of a row.
    public var rowElements: Int { shape.dropFirst().reduce(1, *) }

    /// The numbers of some rows, one row after the other; rows before those that were read last cannot be had.
    ///
    /// - Throws: ``ArrayFileError`` where the file ends before, or elements are of a type that is not read.
    public func read(_ rows: Range<Int>) throws -> [Double] {
        precondition(place <= rows.lowerBound && rows.upperBound <= shape[0], "rows \(rows) of \(shape[0]) at \(place)")
        defer { place = rows.upperBound }
        switch source {
        case .safeTensors(let file, let member):
            return try file.numbers(member, rows.lowerBound * rowElements..<rows.upperBound * rowElements)
        case .numPy(let reader):
            try reader.skip((rows.lowerBound - place) * rowElements)
            return try reader.numbers(reader.bytes(rows.count * rowElements))
        }
    }
}
