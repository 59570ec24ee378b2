import Crypto
import Files
import Foundation

/// Puts a data set together of the blocks of a preparation: which images become samples, in which order, with which labels.
struct SampleAssembly {
    private let job: Preparation
    private let work: PreparationWork
    /// Those that this process still has in memory.
    private let kept: [Int: PreparationWork.Block]
    private let source: any ImageSource
    private let rules: ImageRules
    /// Samples of every block.
    private var counts: [Int] = []

    /// Images of which a remark is printed one by one; of more, how many there are.
    private static let namedRemarks = 20

    init(
        _ job: Preparation, _ work: PreparationWork, _ kept: [Int: PreparationWork.Block], _ source: any ImageSource,
        _ rules: ImageRules
    ) {
        (self.job, self.work, self.kept, self.source, self.rules) = (job, work, kept, source, rules)
    }

    /// An image that becomes a sample.
    private struct Sample {
        /// In the source.
        let place: Int
        let block: Int
        /// Among the samples of its block.
        let slot: Int
        let digest: ContentDigest
    }

    /// Writes the data set.
    mutating func write(_ shape: SampleShape, report: (PreparationNote) -> Void) throws -> PreparedImages {
        var result = PreparedImages(hidden: source.hidden)
        var (samples, skipped) = try sorted(report)
        for entry in skipped { report(.skipped("\(BytePath(source.path).appending(entry.path)): \(entry.reason)")) }
        result.skipped = skipped.count
        // Copies are many where they are, and harmless: counted, and listed in the data set alone.
        result.duplicates = removeDuplicates(&samples, &skipped)
        guard !samples.isEmpty else {
            throw DataSetError("\(source.path): holds no image that can be read (PNG, JPEG, WebP or TIFF)")
        }
        let labels = try LabelAssignment(source: source, rule: rules.labels, strict: rules.strict)
            .labels(of: samples.map(\.place)) { report(.warning($0)) }
        result.classes = labels.map { $0.names?.count ?? Set($0.numbers).count }

        var digests = SHA256()
        for sample in samples {
            digests.update(
                values: Array("\(sample.digest.hexadecimal) ".utf8) + source.name(sample.place).bytes + [0x0A])
        }
        var described = job
        described.provenance.attributes += rules.treatment.attributes
        described.provenance.skipped = skipped
        let digest = job.provenance.sourceDigest ?? digests.finalize().hexadecimal
        try described.write(shape, labelled: labels != nil, count: samples.count, digest: digest) { writer in
            writer.labelNames = labels?.names
            for start in stride(from: 0, to: samples.count, by: work.blockSize) {
                let some = samples[start..<min(samples.count, start + work.blockSize)]
                let pixels = try pixels(of: some, shape.elements)
                let sources = some.map { SampleOrigin(name: source.name($0.place).nameText, digest: $0.digest) }
                try writer.append(
                    images: pixels, labels: labels.map { Array($0.numbers[some.indices]) },
                    sources: rules.keepsSources ? sources : nil)
                try job.progress(source.count, source.count)
            }
            try writer.finish()
            result.written = writer.count
        }
        return result
    }

    /// What became of all images, in the order that the data set has them.
    private mutating func sorted(
        _ report: (PreparationNote) -> Void
    ) throws -> (samples: [Sample], skipped: [SkippedEntry]) {
        var samples: [Sample] = []
        var skipped: [SkippedEntry] = []
        var remarks = 0
        counts = []
        for number in 0..<work.blocks {
            let block = try kept[number] ?? work.read(number)
            counts.append(block.items.count { $0.reason == nil })
            var slot = 0
            for (place, item) in zip(work.range(number), block.items) {
                if let reason = item.reason {
                    skipped.append(SkippedEntry(path: source.name(place), reason: reason))
                    continue
                }
                samples.append(Sample(place: place, block: number, slot: slot, digest: item.digest))
                slot += 1
                guard let remark = item.remark else { continue }
                remarks += 1
                // Some cameras write such a thing into every image.
                if remarks <= Self.namedRemarks { report(.warning("\(source.place(place)): \(remark)")) }
            }
        }
        let further = remarks - Self.namedRemarks
        let line =
            "\(source.path): \(further) further images have Exif data that are not understood, and are taken as stored"
        if further > 0 { report(.warning(line)) }
        if !source.isOrdered {
            // An archive may hold a name twice.
            samples.sort { (source.name($0.place), $0.place) < (source.name($1.place), $1.place) }
        }
        return (samples, (source.skipped + skipped).sorted { $0.path < $1.path })
    }

    /// Pixels of samples, in their order: what lies together in a block is read together.
    private func pixels(of samples: ArraySlice<Sample>, _ size: Int) throws -> [UInt8] {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(samples.count * size)
        var rest = samples
        while let first = rest.first {
            let run = zip(rest, first.slot...).prefix { $0.block == first.block && $0.slot == $1 }.count
            rest = rest.dropFirst(run)
            if let block = kept[first.block] {
                pixels += block.pixels[first.slot * size..<(first.slot + run) * size]
            } else {
                pixels += try work.pixels(first.slot..<first.slot + run, of: first.block, counts[first.block])
            }
        }
        return pixels
    }

    /// Exact copies of an image before them, by digest.
    ///
    /// - Returns: How many there are.
    private func removeDuplicates(_ samples: inout [Sample], _ skipped: inout [SkippedEntry]) -> Int {
        var first: [ContentDigest: Int] = [:]
        var copies: [(copy: Sample, of: Int)] = []
        for sample in samples {
            if let other = first[sample.digest] {
                copies.append((sample, other))
            } else {
                first[sample.digest] = sample.place
            }
        }
        guard rules.duplicates == .drop, !copies.isEmpty else { return copies.count }
        let dropped = Set(copies.map(\.copy.place))
        samples.removeAll { dropped.contains($0.place) }
        skipped += copies.map {
            SkippedEntry(path: source.name($0.copy.place), reason: "an exact copy of \(source.name($0.of))")
        }
        return copies.count
    }
}
