import Crypto
import Files
import Foundation
import HDF5

/// Writes one HDF5 file of samples, which appears under its name when `finish` has succeeded and not before.
final class ShardWriter {
    let path: String
    private(set) var count = 0
    private let sample: SampleShape
    private let file: FileReplacement
    private let hdf5: HDF5File
    private let inMemory: Bool
    private let replacing: Bool
    private let sets: [HDF5Dataset]
    private let labels: HDF5Dataset?
    private var samplesHash = SHA256()
    private var labelsHash = SHA256()
    private var origins: [SampleOrigin] = []

    /// Files up to this size are made in memory and then written in one go: libhdf5 can crash when the disk fills up
    /// under it, a plain write cannot.
    private static let memoryBytes = 256 << 20

    init(path: String, sample: SampleShape, labelled: Bool, expectedBytes: Int, replacing: Bool) throws {
        self.path = path
        self.replacing = replacing
        self.sample = sample
        file = FileReplacement(path: path)
        file.removeStaleTemporaries()
        inMemory = expectedBytes <= Self.memoryBytes
        let chunk = DataSetFormat.chunkSamples(sample)
        hdf5 =
            try inMemory
            ? HDF5File.createInMemory(expectedBytes: max(1 << 20, expectedBytes + expectedBytes / 16))
            : HDF5File.create(file.temporary, overwrite: true)
        do {
            sets = try sample.datasets.map { [root = hdf5.root] name, axes in
                try root.createDataset(
                    name, type: sample.elementType, shape: [0] + axes, maximumShape: [nil] + axes, chunk: [chunk] + axes
                )
            }
            labels =
                labelled
                ? try hdf5.root.createDataset(
                    "labels", type: .int32, shape: [0], maximumShape: [nil], chunk: [16 << 10]) : nil
        } catch {
            try? hdf5.close()
            file.abandon()
            throw error
        }
    }

    /// Appends whole samples, and one label a sample in a labelled set.
    func append<T: HDF5Scalar>(_ values: [T], labels newLabels: [Int32]?, sources: [SampleOrigin]? = nil) throws {
        precondition(T.elementType == sample.elementType, "\(T.self) are not \(sample.words)")
        precondition(values.count % sample.storedElements == 0, "\(values.count) values are no whole \(sample.words)")
        let added = values.count / sample.storedElements
        let fits = newLabels.map { $0.count == added && labels != nil } ?? (labels == nil)
        precondition(fits, "\(newLabels?.count ?? 0) labels for \(added) samples")
        precondition((sources ?? []).count == (sources == nil ? 0 : added), "\(sources?.count ?? 0) sources")
        precondition(origins.count == (sources == nil ? 0 : count), "\(origins.count) sources for \(count) samples")
        guard added > 0 else { return }
        origins += sources ?? []
        if !inMemory { try checkSpace(values.count * sample.elementBytes) }
        var before = 0
        for (set, (_, axes)) in zip(sets, sample.datasets) {
            let place = before..<before + axes.reduce(1, *)
            try set.extend(to: [count + added] + axes)
            try set.write(
                part(place, of: values), offset: [count] + axes.map { _ in 0 }, count: [added] + axes)
            before = place.upperBound
        }
        samplesHash.update(values: values)
        if let labels, let newLabels {
            try labels.extend(to: [count + added])
            try labels.write(newLabels, offset: [count], count: [added])
            labelsHash.update(values: newLabels)
        }
        count += added
    }

    /// The numbers at `place` of every sample.
    private func part<T>(_ place: Range<Int>, of values: [T]) -> [T] {
        if sets.count == 1 { return values }
        return stride(from: 0, to: values.count, by: sample.storedElements)
            .flatMap { values[$0 + place.lowerBound..<$0 + place.upperBound] }
    }

    /// Adds the attributes, and whatever `extra` wants, and publishes the file.
    func finish(_ provenance: Provenance, labelNames: [String]?, extra: (HDF5Group) throws -> Void) throws {
        do {
            try describe(provenance)
            if let labels {
                try labels.setAttribute(DataSetFormat.digestAttribute, .string(labelsHash.finalize().hexadecimal))
                if let labelNames { try write(labelNames, of: labels) }
            }
            try writeSources(provenance.skipped)
            try extra(hdf5.root)
            if inMemory {
                let image = try hdf5.finishedImage()
                try image.withUnsafeMutableBytes { try file.write(UnsafeRawBufferPointer($0), replacing: replacing) }
                try image.close()
            } else {
                try hdf5.close()
                try file.publish(replacing: replacing)
            }
        } catch {
            abandon()
            throw error
        }
    }

    /// An attribute, because viewers and loaders take a data set of another length for samples; many names do not fit into
    /// one.
    private func write(_ labelNames: [String], of labels: HDF5Dataset) throws {
        if labelNames.count <= DataSetFormat.attributeTexts {
            try labels.setAttribute(DataSetFormat.labelNamesAttribute, .strings(labelNames))
        } else {
            try hdf5.root.writeStrings(labelNames, to: "label_names")
        }
    }

    /// What the samples were made of, and what of the source they are not made of.
    private func writeSources(_ skipped: [SkippedEntry]) throws {
        if !origins.isEmpty {
            let group = try hdf5.root.createGroup("sources")
            try group.writeStrings(origins.map(\.name), to: "path")
            try group.write(origins.flatMap(\.digest.bytes), shape: [origins.count, 32], to: "sha256")
        }
        guard !skipped.isEmpty else { return }
        let group = try hdf5.root.createGroup("skipped")
        let listed = skipped.prefix(DataSetFormat.attributeTexts)
        try group.setAttribute("count", .integer(skipped.count))
        try group.setAttribute("path", .strings(listed.map(\.path.nameText)))
        try group.setAttribute("reason", .strings(listed.map(\.reason)))
    }

    /// Drops what was written.
    func abandon() {
        try? hdf5.close()
        file.abandon()
    }

    private func describe(_ provenance: Provenance) throws {
        let root = hdf5.root
        try root.setAttribute("format", .string(DataSetFormat.name))
        try root.setAttribute("format_version", .integer(DataSetFormat.version))
        try root.setAttribute("kind", .string(sample.kind))
        try root.setAttribute("count", .integer(count))
        try root.setAttribute("source", .string(provenance.source))
        if let digest = provenance.sourceDigest { try root.setAttribute("source_sha256", .string(digest)) }
        try root.setAttribute("command", .string(provenance.command))
        try root.setAttribute("tool", .string(provenance.tool))
        for (name, value) in provenance.attributes { try root.setAttribute(name, value) }
        try sets[0].setAttribute(DataSetFormat.digestAttribute, .string(samplesHash.finalize().hexadecimal))
        guard case .image(_, _, let channels, _) = sample else { return }
        // The HDF5 Image Specification 1.2 knows single images; viewers take a stack of them with these as well.
        try sets[0].setAttribute("CLASS", .string("IMAGE"))
        try sets[0].setAttribute("IMAGE_VERSION", .string("1.2"))
        try sets[0].setAttribute("IMAGE_SUBCLASS", .string(channels == 3 ? "IMAGE_TRUECOLOR" : "IMAGE_GRAYSCALE"))
        try sets[0].setAttribute("DISPLAY_ORIGIN", .string("UL"))
        if channels == 3 { try sets[0].setAttribute("INTERLACE_MODE", .string("INTERLACE_PIXEL")) }
    }

    /// Stops before the disk is full.
    private func checkSpace(_ bytes: Int) throws {
        var status = statvfs()
        guard statvfs(Path.folder(of: path), &status) == 0 else { return }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        let needed = bytes + (64 << 20)
        guard free >= needed else {
            throw DataSetError(
                "\(path): the disk is full: \(free >> 20) MiB are free, \(needed >> 20) are needed",
                status: .cannotCreateOutput)
        }
    }
}
