import Files
import Foundation
import HDF5

/// One HDF5 file of samples, opened and checked: this product's own, or any with `/images` uint8 N×H×W×C (or N×H×W) or
/// `/points` float N×D. Latents, `/mean` and `/deviation`, are read only of this product's files.
struct DataSetFile {
    let path: String
    let file: HDF5File
    /// Those that hold samples: one, or of latents their means and their deviations, and of images with conditions these, too.
    let sets: [HDF5Dataset]
    let sample: SampleShape
    /// Why `/conditions` of another program's file are not used, where they are not.
    let unusedConditions: String?
    /// What latents are latents of.
    let latents: LatentFacts?
    let count: Int
    /// Bytes of the file.
    private let size: Int
    /// Whether this product wrote it: then everything in it means what docs/data-sets.md says, and what does not is
    /// damage. In the files of others only the samples do; an attribute `count` may count their authors.
    let isOurs: Bool
    /// SHA-256 of the samples that this product stored with them.
    let storedDigest: String?

    /// The most numbers a sample may have.
    private static let maximumElements = 1 << 28

    init(path: String) throws {
        self.path = path
        file = try HDF5File.open(path)
        size = try FileFacts(BytePath(path)).bytes
        let root = file.root
        isOurs = Self.isText(try? root.attribute("format"), DataSetFormat.name)
        let kind = try isOurs ? Self.statedKind(of: root, path: path) : Self.foundKind(of: root, path: path)
        let first = try root.dataset(kind == "latents" ? "mean" : kind)
        let shape = first.shape
        var unused: String?
        switch kind {
        case "images":
            let (images, count) = try Self.images(first, path)
            let conditions = try Self.conditions(of: images, count, root, isOurs ? nil : { unused = $0 }, path)
            sample = images.with(conditions: conditions?.channels ?? 0)
            (self.count, sets) = (count, [first] + [conditions?.set].compactMap { $0 })
        case "points":
            sets = [first]
            (sample, count) = try Self.points(first, path)
        default:
            sets = [first, try root.dataset("deviation")]
            (sample, count) = try Self.latents(sets, path)
        }
        unusedConditions = unused
        latents = try kind == "latents" ? LatentFacts(root, path) : nil
        guard count > 0 else { throw DataSetError("\(path): /\(kind) of \(shapeText(shape)) holds no samples") }
        guard count <= Int(Int32.max) else {
            throw DataSetError("\(path): /\(kind) of \(shapeText(shape)): at most \(Int32.max) samples are read")
        }
        // Product by product, so that nothing can wrap around: the axes may be anything up to 2⁶³.
        var elements = 1
        for axis in shape.dropFirst() {
            let (product, overflow) = elements.multipliedReportingOverflow(by: axis)
            guard !overflow, product > 0, product <= Self.maximumElements else {
                throw DataSetError("\(path): /\(kind) of \(shapeText(shape)) has samples of a senseless size")
            }
            elements = product
        }
        // A header can claim anything; deflate shrinks at most 1032 to 1. The product is below 2³¹·2²⁸·2².
        guard count * sample.storedBytes / 1100 <= size else {
            throw DataSetError(
                "\(path): /\(kind) claims to be \(shapeText(shape)), which a file of \(size) bytes cannot hold")
        }
        storedDigest = try isOurs ? Self.text(DataSetFormat.digestAttribute, of: sets[0].attribute, path) : nil
        guard isOurs else { return }
        if let said = try Self.integer("count", of: root.attribute, path), said != count {
            throw DataSetError("\(path): says it has \(said) samples, but /\(kind) has \(count); prepare it again")
        }
        _ = try openLabels()
    }

    /// The first that holds samples.
    var samples: HDF5Dataset { sets[0] }

    /// Bytes of a sample as it is kept in memory.
    var bytesPerSample: Int { sample.storedBytes }

    /// Reads the samples `range` into `out`; of a latent its means, then its deviations; of an image its condition after it.
    func read<T: HDF5Scalar>(_ range: Range<Int>, into out: UnsafeMutableBufferPointer<T>) throws {
        // Behind the end of a file libhdf5 reads zeros.
        if let now = try? FileFacts(BytePath(path)).bytes, now < size {
            throw DataSetError(
                "\(path): was cut short while in use, from \(size) to \(now) bytes; make or copy it again")
        }
        func read(_ set: HDF5Dataset, into out: UnsafeMutableBufferPointer<T>) throws {
            let axes = Array(set.shape.dropFirst())
            try set.read(into: out, offset: [range.lowerBound] + axes.map { _ in 0 }, count: [range.count] + axes)
        }
        if sets.count == 1 { return try read(samples, into: out) }
        let all = sample.storedElements
        var before = 0
        for (set, (_, axes)) in zip(sets, sample.datasets) {
            let size = axes.reduce(1, *)
            let part = UnsafeMutableBufferPointer<T>.allocate(capacity: range.count * size)
            defer { part.deallocate() }
            try read(set, into: part)
            for slot in 0..<range.count {
                let place = slot * all + before
                _ = UnsafeMutableBufferPointer(rebasing: out[place..<place + size])
                    .update(fromContentsOf: part[slot * size..<(slot + 1) * size])
            }
            before += size
        }
    }

    /// What a file of this product says it holds.
    private static func statedKind(of root: HDF5Group, path: String) throws -> String {
        if let version = try integer("format_version", of: root.attribute, path), version != DataSetFormat.version {
            throw DataSetError(
                "\(path): data set of format version \(version); this program reads \(DataSetFormat.version)")
        }
        guard let kind = try text("kind", of: root.attribute, path) else { return try foundKind(of: root, path: path) }
        guard ["images", "points", "latents"].contains(kind) else {
            throw DataSetError("\(path): a data set of \(kind.prefix(40)); images, points or latents are wanted")
        }
        return kind
    }

    /// What a file holds: data sets first, so that opening what else has such a name says what is wrong with it.
    private static func foundKind(of root: HDF5Group, path: String) throws -> String {
        let kinds = ["images", "points"]
        if let kind = kinds.first(where: root.isDataset) ?? kinds.first(where: root.isPresent) { return kind }
        let names = try root.names().prefix(8).map { "/\($0)" }.joined(separator: ", ")
        throw DataSetError(
            "\(path): has neither /images nor /points, but \(names.isEmpty ? "nothing" : names); "
                + "images are wanted as /images uint8 N×H×W×C")
    }

    private static func images(_ set: HDF5Dataset, _ path: String) throws -> (SampleShape, Int) {
        let found = "\(path): /images is \(set.elementType) \(shapeText(set.shape))"
        guard set.elementType == .uint8 else {
            throw DataSetError("\(found); wanted is uint8 N×H×W×C, with values 0…255")
        }
        guard set.shape.count == 3 || set.shape.count == 4 else {
            throw DataSetError("\(found), of rank \(set.shape.count); wanted is rank 4, N×H×W×C (or 3, N×H×W)")
        }
        let channels = set.shape.count == 4 ? set.shape[3] : 1
        guard (1...4).contains(channels) else {
            throw DataSetError("\(found), with \(channels) channels; wanted is N×H×W×C with 1…4, channels last")
        }
        return (.image(height: set.shape[1], width: set.shape[2], channels: channels), set.shape[0])
    }

    /// The conditions of `images` and their channels; nil where there are none.
    ///
    /// - Parameter unused: of a file of others, told why what has this name is not used; nil: that is an error.
    private static func conditions(
        of images: SampleShape, _ count: Int, _ root: HDF5Group, _ unused: ((String) -> Void)?, _ path: String
    ) throws -> (set: HDF5Dataset, channels: Int)? {
        guard root.isDataset("conditions") else { return nil }
        let set = try root.dataset("conditions")
        let channels = set.shape.count == 4 ? set.shape[3] : 1
        let wanted = [count] + images.axes.prefix(2)
        if set.elementType == .uint8, 3...4 ~= set.shape.count, Array(set.shape.prefix(3)) == wanted, 1...4 ~= channels
        {
            return (set, channels)
        }
        let problem =
            "/conditions is \(set.elementType) \(shapeText(set.shape)); wanted is uint8 \(shapeText(wanted))×C, C in 1…4, "
            + "as many and as large as /images"
        guard let unused else { throw DataSetError("\(path): \(problem)") }
        unused(problem)
        return nil
    }

    private static func points(_ set: HDF5Dataset, _ path: String) throws -> (SampleShape, Int) {
        let found = "\(path): /points is \(set.elementType) \(shapeText(set.shape))"
        guard set.elementType == .float32 || set.elementType == .float64 else {
            throw DataSetError("\(found); wanted is float32 N×D")
        }
        guard set.shape.count == 2 else {
            throw DataSetError("\(found), of rank \(set.shape.count); wanted is rank 2, N×D")
        }
        return (.point(dimension: set.shape[1]), set.shape[0])
    }

    private static func latents(_ sets: [HDF5Dataset], _ path: String) throws -> (SampleShape, Int) {
        let found = sets.map { "\($0.path) is \($0.elementType) \(shapeText($0.shape))" }.joined(separator: ", ")
        let shape = sets[0].shape
        guard sets.allSatisfy({ $0.elementType == .float32 && $0.shape == shape }), shape.count == 4 else {
            throw DataSetError("\(path): \(found); wanted are two of float32 N×H×W×Z")
        }
        return (.latent(height: shape[1], width: shape[2], channels: shape[3]), shape[0])
    }

    /// Whether an attribute is this text, alone or as a list of one.
    private static func isText(_ value: AttributeValue?, _ wanted: String) -> Bool {
        if case .string(let text)? = value { text.hasSameBytes(as: wanted) } else { false }
    }

    /// The text that an attribute of a file of this product must be, where there is one.
    static func text(
        _ name: String, of attribute: (String) throws -> AttributeValue?, _ path: String
    ) throws -> String? {
        switch try attribute(name) {
        case nil: return nil
        case .string(let text)?: return text
        case let other?: throw damaged(name, other, "text", path)
        }
    }

    /// The same for an integer.
    private static func integer(
        _ name: String, of attribute: (String) throws -> AttributeValue?, _ path: String
    ) throws -> Int? {
        switch try attribute(name) {
        case nil: return nil
        case .integer(let number)?: return number
        case .integers(let numbers)? where numbers.count == 1: return numbers[0]
        case let other?: throw damaged(name, other, "an integer", path)
        }
    }

    private static func damaged(
        _ name: String, _ found: AttributeValue, _ wanted: String, _ path: String
    ) -> DataSetError {
        DataSetError(
            "\(path): is damaged: its attribute '\(name)' is \(found.description.prefix(40)), not \(wanted); "
                + "make or copy the file again")
    }
}
