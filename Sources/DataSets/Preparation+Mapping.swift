import HDF5

/// Data sets whose samples are made one for one of those of a source.
extension Preparation {
    /// Makes every sample of one source a sample of a data set.
    struct SampleMapping {
        /// How many the source has.
        let sources: Int
        /// How often each becomes a sample: all once, then all again.
        var copies = 1
        let shape: SampleShape
        /// What makes the new samples, as a text that tells it apart.
        let maker: String
        /// SHA-256 of the source; asked on rank 0 alone, as the labels are.
        let digest: () throws -> String
        let labelling: () throws -> (labels: [Int]?, names: [String]?)

        var count: Int { sources * copies }

        func plan(_ provenance: Provenance, _ digest: String) -> PreparationWork.Plan {
            PreparationWork.Plan(
                command: provenance.command, tool: provenance.tool, images: count,
                source: digest + maker, sampleBytes: shape.storedBytes)
        }
    }

    /// Samples that are made at a time, at most.
    private static let mappedAtOnce = 256

    /// - Returns: on rank 0 the number of samples.
    func mapped(
        _ mapping: SampleMapping, block: Int? = nil, make: (Range<Int>) throws -> [UInt8],
        attributes: (PreparationWork) throws -> [(name: String, value: AttributeValue)],
        append: (DataSetWriter, [UInt8], [Int32]?) throws -> Void
    ) throws -> Int? {
        let work = PreparationWork(
            output: output, count: mapping.count, sampleBytes: mapping.shape.storedBytes, block: block)
        var digest = ""
        try team.together {
            guard team.rank == 0 else { return }
            digest = try mapping.digest()
            try work.open(mapping.plan(provenance, digest), resume: resume, restart: overwrite)
        }
        do {
            try team.together { try fill(work, make) }
            var written: Int?
            try team.together {
                guard team.rank == 0 else { return }
                written = try write(mapping, digest, work, attributes(work), append)
                try work.remove()
            }
            return written
        } catch {
            if team.rank == 0, !isStop(error) { try? work.remove() }
            throw error
        }
    }

    /// Every block of this rank that is not done yet.
    private func fill(_ work: PreparationWork, _ make: (Range<Int>) throws -> [UInt8]) throws {
        let mine = (0..<work.blocks).filter { $0 % team.size == team.rank }
        let total = mine.reduce(0) { $0 + work.range($1).count }
        var done = mine.reduce(0) { $0 + (work.isDone($1) ? work.range($1).count : 0) }
        for number in mine where !work.isDone(number) {
            let range = work.range(number)
            var block = PreparationWork.Block()
            // Digests are those of files, of which there are none.
            block.items = range.map { _ in PreparationWork.Item(digest: ContentDigest(of: [])) }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.mappedAtOnce) {
                let some = start..<min(range.upperBound, start + Self.mappedAtOnce)
                block.pixels += try make(some)
                done += some.count
                // Of the whole, as far as the others are as fast.
                try progress(done * work.count / max(1, total), work.count)
            }
            try work.write(number, block)
        }
    }

    private func write(
        _ mapping: SampleMapping, _ digest: String, _ work: PreparationWork,
        _ attributes: [(name: String, value: AttributeValue)],
        _ append: (DataSetWriter, [UInt8], [Int32]?) throws -> Void
    ) throws -> Int {
        var described = self
        described.provenance.attributes = attributes
        let (labels, names) = try mapping.labelling()
        var count = 0
        try described.write(
            mapping.shape, labelled: labels != nil, count: mapping.count, digest: digest
        ) { writer in
            writer.labelNames = names
            for number in 0..<work.blocks {
                let places = work.range(number).map { $0 % mapping.sources }
                let own = labels.map { labels in places.map { Int32(clamping: labels[$0]) } }
                try append(writer, work.read(number).pixels, own)
            }
            try writer.finish()
            count = writer.count
        }
        return count
    }

    func floats(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
