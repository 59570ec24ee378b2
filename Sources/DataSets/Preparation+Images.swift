import Crypto
import Files
import Foundation
import Synchronization

/// What a person should know about images that become a data set, a line each.
public enum PreparationNote: Equatable, Sendable {
    /// Something in the source that is not part of the data set, and why.
    case skipped(String)
    /// Something that is not as it may have been meant.
    case warning(String)
}

/// What became of the images of a source.
public struct PreparedImages: Equatable, Sendable {
    /// Images in the data set.
    public var written = 0
    /// Files, folders and links that were named and skipped.
    public var skipped = 0
    /// Files and folders left out because their names begin with a dot.
    public var hidden = 0
    /// Classes, where the images are labelled.
    public var classes: Int?
    /// Images that are exact copies of others before them.
    public var duplicates = 0

    /// All of it; see the properties.
    public init(written: Int = 0, skipped: Int = 0, hidden: Int = 0, classes: Int? = nil, duplicates: Int = 0) {
        self.written = written
        self.skipped = skipped
        self.hidden = hidden
        self.classes = classes
        self.duplicates = duplicates
    }
}

/// How a source of images is taken.
public struct ImageRules: Equatable, Sendable {
    /// What becomes of an image that is a copy of one before it.
    public enum Duplicates: String, CaseIterable, Sendable { case keep, drop }

    /// What is done to each.
    public var treatment: ImageTreatment
    public var labels = LabelRule.automatic
    /// Whether something that cannot be read, or images of which only some have a class, end the work; otherwise the former
    /// is skipped, and the latter get no labels.
    public var strict = false
    public var duplicates = Duplicates.keep
    /// Whether every sample keeps the name and digest of what it was made of.
    public var keepsSources = true
    /// Bytes that the work may take, about.
    public var memory = 1 << 30

    /// With the other rules as most want them.
    public init(_ treatment: ImageTreatment) { self.treatment = treatment }
}

/// The processes that prepare a data set together.
public struct PreparationTeam {
    /// This one, of ``size``.
    public var rank = 0
    public var size = 1
    /// Runs its argument on every rank and ends on all when it fails on one.
    public var together: (() throws -> Void) throws -> Void = { try $0() }

    /// One process alone.
    public init() {}
}

extension Preparation {
    /// What `open` returns on this rank, where it can be had on all; before that, that the output can be written.
    public func opened<T>(_ open: () throws -> T) throws -> T {
        let result = Result {
            if !resume && team.rank == 0 { try checkOutput() }
            return try open()
        }
        try team.together { _ = try result.get() }
        return try result.get()
    }

    /// The images of a folder and its sub-folders; see ``images(from:_:report:)``.
    public func images(
        folder path: String, _ rules: ImageRules, report: (PreparationNote) -> Void = { _ in }
    ) throws -> PreparedImages {
        let outputs = DataSetWriter.files(of: output) + [PreparationWork.folder(of: output)]
        return try images(from: opened { try ImageFolder(path: path, leavingOut: outputs) }, rules, report: report)
    }

    /// The images of a zip or tar archive; see ``images(from:_:report:)``.
    public func images(
        archive path: String, _ rules: ImageRules, report: (PreparationNote) -> Void = { _ in }
    ) throws -> PreparedImages {
        try images(
            from: opened { try ImageArchive(path: path) { try progress(0, 0) } }, rules, report: report)
    }

    /// The images of CIFAR; see ``images(from:_:report:)``.
    public func images(
        cifar source: CIFARImages, _ rules: ImageRules, report: (PreparationNote) -> Void = { _ in }
    ) throws -> PreparedImages {
        var named = self
        (named.provenance.source, named.provenance.sourceDigest) = (source.name, source.digest)
        return try named.images(from: source, rules, report: report)
    }

    /// The images of a source, each treated by the rules.
    ///
    /// Blocks of images are shared by the ranks of the team; what is done of them lies beside the output
    /// (``PreparationWork``) until the data set is written, by rank 0.
    ///
    /// - Parameter report: gets a note for everything that was skipped, and for what may not be as it was meant.
    /// - Throws: ``DataSetError`` when there is not one image, or where the rules say so.
    /// - Returns: On rank 0 what became of them; on others only zeros.
    public func images(
        from source: some ImageSource, _ rules: ImageRules, report: (PreparationNote) -> Void = { _ in }
    ) throws -> PreparedImages {
        if rules.strict, let entry = source.skipped.first {
            throw DataSetError("\(BytePath(source.path).appending(entry.path)): \(entry.reason)")
        }
        let size = rules.treatment.size
        let shape = SampleShape.image(height: size, width: size, channels: rules.treatment.channels)
        let work = PreparationWork(output: output, count: source.count, sampleBytes: shape.elements)
        try team.together {
            guard team.rank == 0 else { return }
            try work.open(plan(source, shape), resume: resume, restart: overwrite)
        }
        do {
            var kept: [Int: PreparationWork.Block] = [:]
            try team.together { kept = try fillBlocks(of: work, from: source, rules) }
            var result = PreparedImages()
            try team.together {
                guard team.rank == 0 else { return }
                var assembly = SampleAssembly(self, work, kept, source, rules)
                result = try assembly.write(shape, report: report)
                try work.remove()
            }
            return result
        } catch {
            // What was stopped can be gone on with; what failed has to be done differently.
            if team.rank == 0, !isStop(error) { try? work.remove() }
            throw error
        }
    }

    private func plan(_ source: some ImageSource, _ shape: SampleShape) -> PreparationWork.Plan {
        var names = SHA256()
        for place in 0..<source.count {
            names.update(values: source.name(place).bytes + Array("\n\(source.bytes(place))\n".utf8))
        }
        return PreparationWork.Plan(
            command: provenance.command, tool: provenance.tool, images: source.count,
            source: names.finalize().hexadecimal, sampleBytes: shape.elements)
    }

    /// Seconds of work that may be lost.
    private static let unsavedSeconds = 5.0

    /// Tries the images of every block of this rank that is not done yet. They are written to the disk every few seconds, and
    /// where they take too much memory; with several ranks all are.
    ///
    /// - Returns: What is only in memory.
    private func fillBlocks(
        of work: PreparationWork, from source: some ImageSource, _ rules: ImageRules
    ) throws -> [Int: PreparationWork.Block] {
        let mine = (0..<work.blocks).filter { $0 % team.size == team.rank }
        var done = mine.reduce(0) { $0 + (work.isDone($1) ? work.range($1).count : 0) }
        let total = mine.reduce(0) { $0 + work.range($1).count }
        var kept: [Int: PreparationWork.Block] = [:]
        var saved = ContinuousClock.now
        func save() throws {
            for (number, block) in kept.sorted(by: { $0.key < $1.key }) { try work.write(number, block) }
            (kept, saved) = ([:], .now)
        }
        let reader = try source.reader()
        let decoder = ImageDecoder(rules)
        do {
            for number in mine where !work.isDone(number) {
                var block = PreparationWork.Block()
                block.pixels.reserveCapacity(work.range(number).count * work.sampleBytes)
                for range in batches(work.range(number), source, rules.memory / 8) {
                    for (place, result) in zip(range, decoder.decode(try reader.read(range))) {
                        block.items.append(result.item)
                        block.pixels += result.pixels
                        guard rules.strict, let reason = result.item.reason else { continue }
                        throw DataSetError("\(source.place(place)): \(reason)")
                    }
                    done += range.count
                    // Of the whole, as far as the others are as fast.
                    try progress(done * source.count / max(1, total), source.count)
                }
                kept[number] = block
                let bytes = kept.values.reduce(0) { $0 + $1.pixels.count }
                if ContinuousClock.now - saved > .seconds(Self.unsavedSeconds) || bytes > rules.memory / 4 {
                    try save()
                }
            }
        } catch {
            // A signal: what is done shall not have to be done again.
            if isStop(error) { try? save() }
            throw error
        }
        if team.size > 1 { try save() }
        return kept
    }

    func isStop(_ error: any Error) -> Bool { (error as? any HasExitStatus)?.exitStatus == .tryAgain }

    /// Ranges of at most 512 images and `bytes` of them, or of one.
    private func batches(_ range: Range<Int>, _ source: some ImageSource, _ bytes: Int) -> [Range<Int>] {
        var batches: [Range<Int>] = []
        var (start, sum) = (range.lowerBound, 0)
        for place in range {
            let size = source.bytes(place)
            if place > start, place - start == 512 || sum + size > bytes {
                batches.append(start..<place)
                (start, sum) = (place, 0)
            }
            sum += size
        }
        return batches + [start..<range.upperBound]
    }
}

extension ImageSource {
    /// An image for people.
    func place(_ place: Int) -> String { "\(BytePath(path).appending(name(place)))" }
}

/// Makes samples of images on all cores.
private struct ImageDecoder {
    private let treatment: ImageTreatment
    private let ordinaryPixels: Int
    private let maximumPixels: Int

    init(_ rules: ImageRules) {
        treatment = rules.treatment
        // 3 bytes a pixel, as much again while it is turned, and what a decoder keeps beside: 12 bytes.
        let cores = ProcessInfo.processInfo.activeProcessorCount
        ordinaryPixels = min(1 << 24, rules.memory / 12 / cores)
        maximumPixels = min(RasterImage.maximumPixels, rules.memory / 4)
    }

    typealias Result = (item: PreparationWork.Item, pixels: [UInt8])

    func decode(_ images: [@Sendable () throws -> ImageContent]) -> [Result] {
        let results = Mutex<[Result?]>(Array(repeating: nil, count: images.count))
        DispatchQueue.concurrentPerform(iterations: images.count) { place in
            let result = decode(images[place])
            results.withLock { $0[place] = result }
        }
        return results.withLock { $0.compactMap { $0 } }
    }

    private func decode(_ image: () throws -> ImageContent) -> Result {
        var digest = ContentDigest(bytes: [])
        do {
            switch try image() {
            case .pixels(let image):
                digest = ContentDigest(of: image.pixels)
                return (.init(digest: digest), treatment.applied(to: image, digest: digest).pixels)
            case .file(let bytes):
                digest = ContentDigest(of: bytes)
                let sample = try decode(bytes) { [digest] in treatment.applied(to: $0, digest: digest).pixels }
                return (.init(digest: digest, remark: ExifOrientation(of: bytes).remark), sample)
            }
        } catch {
            return (.init(digest: digest, reason: "\(error)"), [])
        }
    }

    private static let hugeImage = Mutex<Void>(())

    /// Ordinary images are decoded on all cores at the same time; of huge ones, which a few KiB can be, one.
    private func decode<T: Sendable>(_ bytes: [UInt8], _ finish: (RasterImage) -> T) throws -> T {
        func image(_ pixels: Int) throws -> RasterImage? {
            try RasterImage.decode(bytes, within: pixels, background: treatment.background)
        }
        if let image = try image(ordinaryPixels) { return finish(image) }
        return try Self.hugeImage.withLock { _ in
            guard let image = try image(maximumPixels) else {
                throw DataSetError("has more than \(maximumPixels) pixels, for which --memory is too little")
            }
            return finish(image)
        }
    }
}
