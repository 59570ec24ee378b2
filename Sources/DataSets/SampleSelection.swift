import Crypto
import Files
import HDF5
import Philox

/// Chosen samples of data sets, in a chosen order, that become a data set: with their labels, sources and distribution.
public struct SampleSelection {
    /// The sets that samples come from; all of one shape.
    public let sets: [DataSet]
    /// Which samples: of `sets`, and in the set.
    public var places: [(set: Int, sample: Int)]

    /// All samples of sets that can be put together, one set after the other.
    ///
    /// - Throws: ``DataSetError`` where the shapes differ.
    public init(_ sets: [DataSet]) throws {
        precondition(!sets.isEmpty, "no data sets")
        if let other = sets.first(where: { $0.sample != sets[0].sample }) {
            throw DataSetError("\(other.path): holds \(other.sample.words), \(sets[0].path) \(sets[0].sample.words)")
        }
        if let other = sets.first(where: { $0.latents != sets[0].latents }) {
            throw DataSetError(
                "\(other.path): holds latents of another first stage, or scaled otherwise, than \(sets[0].path)")
        }
        self.sets = sets
        places = sets.indices.flatMap { set in (0..<sets[set].count).map { (set, $0) } }
    }

    // MARK: Choosing

    /// Puts the samples into an order that the seed decides.
    public mutating func shuffle(seed: UInt64) {
        let order = RandomStream(seed: seed, purpose: .data).permutation(count: places.count, epoch: 0)
        places = order.map { places[Int($0)] }
    }

    /// Divides the samples into two parts, each in the order of before; of the samples of each label the same share where
    /// `labels` are given.
    ///
    /// - Parameter fraction: the share of the second part; of every group at least one sample stays in the first.
    public func split(fraction: Double, labels: [Int]?, seed: UInt64) -> (rest: SampleSelection, held: SampleSelection)
    {
        let groups = Dictionary(grouping: places.indices) { labels?[$0] ?? 0 }
        var held: Set<Int> = []
        for (label, group) in groups {
            let order = RandomStream(seed: seed &+ UInt64(bitPattern: Int64(label)), purpose: .data)
                .permutation(count: group.count, epoch: 0)
            let count = min(group.count - 1, Int((Double(group.count) * fraction).rounded()))
            held.formUnion(order.prefix(count).map { group[Int($0)] })
        }
        func part(_ isHeld: Bool) -> SampleSelection {
            var part = self
            part.places = places.indices.filter { held.contains($0) == isHeld }.map { places[$0] }
            return part
        }
        return (part(false), part(true))
    }

    // MARK: Labels

    /// The labels of the samples, and names of the labels. Sets whose names differ get one list of names; labels without
    /// names stay numbers.
    ///
    /// - Returns: nil where no set has labels.
    /// - Throws: ``DataSetError`` where only some have them, or only some have names.
    public func labels() throws -> (numbers: [Int], names: [String]?)? {
        let labels = try sets.map { try $0.labels() }
        guard let labelled = labels.firstIndex(where: { $0 != nil }) else { return nil }
        if let bare = labels.firstIndex(where: { $0 == nil }) {
            throw DataSetError(
                "\(sets[bare].path): has no labels, \(sets[labelled].path) has; leave them out: --no-labels")
        }
        let names = try sets.map { try $0.labelNames() }
        guard let first = names[0] else {
            if let named = names.firstIndex(where: { $0 != nil }) {
                throw DataSetError("\(sets[named].path): names its labels, \(sets[0].path) does not")
            }
            return (places.map { labels[$0.set]?[$0.sample] ?? 0 }, nil)
        }
        var all = first
        var number = Dictionary(all.enumerated().map { (BytePath($1), $0) }) { one, _ in one }
        var maps = [Array(first.indices)]
        for (set, names) in zip(sets, names).dropFirst() {
            guard let names else { throw DataSetError("\(set.path): does not name its labels, \(sets[0].path) does") }
            maps.append(
                names.map { name -> Int in
                    if let known = number[BytePath(name)] { return known }
                    number[BytePath(name)] = all.count
                    all.append(name)
                    return all.count - 1
                })
        }
        return (places.map { maps[$0.set][labels[$0.set]?[$0.sample] ?? 0] }, all)
    }

    // MARK: Writing

    /// SHA-256 of the fingerprints of the sets.
    private var digest: String { sha256(Array(sets.map { $0.fingerprint + "\n" }.joined().utf8)) }

    /// Writes the data set.
    ///
    /// - Parameters:
    ///   - labelled: whether labels are kept.
    ///   - treatment: what is done to images, where something is.
    /// - Throws: ``DataSetError`` where there are no samples, or the sets do not go together.
    public func write(_ job: Preparation, labelled: Bool = true, treatment: ImageTreatment? = nil) throws {
        try job.checkOutput()
        guard !places.isEmpty else { throw DataSetError("\(job.output): not written: no sample is chosen") }
        let labels = try labelled ? self.labels() : nil
        let origins = try sets.map { try $0.source.origins() }
        let keeps = origins.allSatisfy { $0 != nil }
        var job = job
        job.provenance.attributes = try attributes(treatment)
        var shape = sets[0].sample
        if let treatment {
            if shape.conditions > 0 {
                throw DataSetError(
                    "\(sets[0].path): holds \(shape.words), which are not resized; prepare images and conditions anew")
            }
            shape = .image(height: treatment.size, width: treatment.size, channels: treatment.channels)
        }
        try job.write(shape, labelled: labels != nil, count: places.count, digest: digest) { writer in
            writer.labelNames = labels?.names
            writer.distribution = try distribution()
            for start in stride(from: 0, to: places.count, by: 1024) {
                let some = start..<min(places.count, start + 1024)
                let numbers = labels.map { labels in some.map { Int32(clamping: labels.numbers[$0]) } }
                switch shape {
                case .point: try writer.append(points: some.flatMap { try stored(places[$0]) }, labels: numbers)
                case .latent: try writer.append(latents: some.flatMap { try stored(places[$0]) }, labels: numbers)
                case .image:
                    let pixels = try some.flatMap { try self.pixels(places[$0], treatment) }
                    let sources = keeps ? some.compactMap { origins[places[$0].set]?[places[$0].sample] } : nil
                    try writer.append(images: pixels, labels: numbers, sources: sources)
                }
                try job.progress(some.upperBound, places.count)
            }
            try writer.finish()
        }
    }

    private func stored(_ place: (set: Int, sample: Int)) throws -> [Float] {
        try sets[place.set].stored(place.sample).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    private func pixels(_ place: (set: Int, sample: Int), _ treatment: ImageTreatment?) throws -> [UInt8] {
        let pixels = try sets[place.set].stored(place.sample)
        guard let treatment, case .image(let height, let width, let channels, _) = sets[0].sample else { return pixels }
        let image = RasterImage(
            height: height, width: width, channels: channels < 3 ? 1 : 3,
            pixels: RasterImage.visible(pixels, channels: channels))
        return treatment.applied(to: image, digest: ContentDigest(of: pixels)).pixels
    }

    /// What was done to the images of all sets, where that is the same.
    private func attributes(_ treatment: ImageTreatment?) throws -> [(name: String, value: AttributeValue)] {
        if let treatment { return treatment.attributes }
        if let latents = sets[0].latents { return latents.attributes }
        let stated = try sets.map { try $0.source.treatment() }
        return stated.allSatisfy { $0.elementsEqual(stated[0]) { $0 == $1 } } ? stated[0] : []
    }

    /// That which all sets state.
    private func distribution() throws -> StoredDistribution? {
        let stated = try sets.map { try $0.distribution() }
        return stated.allSatisfy { $0 == stated[0] } ? stated[0] : nil
    }
}
