import Crypto
import Files
import HDF5

extension SampleSource {
    /// Kind, type and shape: what the bytes of the samples do not say.
    private var header: String {
        let conditions = sample.conditions == 0 ? "" : " conditions \(sample.conditions)"
        return "smd samples 1\n\(sample.kind) \(sample.elementType) \(count)×\(shapeText(sample.axes))\(conditions)\n"
    }

    private var isSmall: Bool { totalBytes <= DataSetFormat.fullFingerprintBytes }

    /// The fingerprint by the SHA-256 that the file or the manifest states; nil where none is, or it takes more.
    func statedFingerprint() -> String? {
        guard isSmall else { return nil }
        let stated = manifest == nil ? parts[0].storedDigest : manifest?.samplesSHA256
        return stated.map { combined($0.lowercased()) }
    }

    /// The fingerprint of a set whose samples are all in memory.
    func fingerprint<T: HDF5Scalar>(ofAll values: UnsafeBufferPointer<T>) throws -> String {
        guard isSmall else { return try spreadFingerprint() }
        let whole = digest(of: values)
        for part in parts {
            let samples = samples(of: part, in: values)
            try checkFinite(samples, part: part, first: part.range.lowerBound)
            // Of a single file the stored digest is that of the whole.
            if part.storedDigest != nil { try compare(parts.count == 1 ? whole : digest(of: samples), with: part) }
        }
        return combined(whole)
    }

    /// The same fingerprint, from the files.
    func fingerprintFromFiles() throws -> String {
        switch sample {
        case .image: try fingerprint(reading: UInt8.self)
        case .point, .latent: try fingerprint(reading: Float.self)
        }
    }

    private func fingerprint<T: HDF5Scalar>(reading type: T.Type) throws -> String {
        guard isSmall else { return try spreadFingerprint() }
        var whole = SHA256()
        for index in parts.indices {
            try checkSamples(index, as: type) { whole.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        }
        return combined(whole.finalize().hexadecimal)
    }

    /// Reads every sample of a part; throws when one is not finite or they are not those written.
    func checkSamples<T: HDF5Scalar>(
        _ index: Int, as type: T.Type, _ body: (UnsafeBufferPointer<T>) throws -> Void
    ) throws {
        let part = parts[index]
        var hash = SHA256()
        var first = part.range.lowerBound
        try stream(index, as: type) { values in
            try checkFinite(values, part: part, first: first)
            first += values.count / sample.storedElements
            hash.update(bufferPointer: UnsafeRawBufferPointer(values))
            try body(values)
        }
        try compare(hash.finalize().hexadecimal, with: part)
    }

    private func samples<T>(of part: Part, in all: UnsafeBufferPointer<T>) -> UnsafeBufferPointer<T> {
        let range = part.range.lowerBound * sample.storedElements..<part.range.upperBound * sample.storedElements
        return UnsafeBufferPointer(rebasing: all[range])
    }

    private func digest<T>(of values: UnsafeBufferPointer<T>) -> String {
        SHA256.hash(data: UnsafeRawBufferPointer(values)).hexadecimal
    }

    private func combined(_ digest: String) -> String { sha256(Array((header + digest).utf8)) }

    /// For sets too big to read whole at every start: the digests that their writer stored, and a spread of samples.
    private func spreadFingerprint() throws -> String {
        var hash = SHA256()
        hash.update(values: Array(header.utf8))
        for part in parts { hash.update(values: Array(((part.storedDigest ?? "none") + "\n").utf8)) }
        let picked = min(count, 1024)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytesPerSample, alignment: 16)
        defer { buffer.deallocate() }
        for i in 0..<picked {
            let index = picked == 1 ? 0 : i * (count - 1) / (picked - 1)
            try read(index..<index + 1, into: buffer)
            hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
        }
        return hash.finalize().hexadecimal
    }

    /// Passes when nothing is stored to compare with.
    private func compare(_ found: String, with part: Part) throws {
        guard let stored = part.storedDigest, found != stored.lowercased() else { return }
        throw DataSetError(
            "\(part.path): the samples are damaged: SHA-256 \(found.prefix(12))… is not the stored "
                + "\(stored.prefix(12))…; make or copy the file again")
    }

    private func checkFinite<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>, part: Part, first: Int) throws {
        guard T.self == Float.self else { return }
        try values.withMemoryRebound(to: Float.self) { numbers in
            guard let bad = numbers.firstIndex(where: { !$0.isFinite }) else { return }
            let row = first - part.range.lowerBound + bad / sample.storedElements
            let name = sample.datasets.map(\.name).joined(separator: " or /")
            throw DataSetError("\(part.path): /\(name) row \(row) holds \(numbers[bad]), not a finite float32")
        }
    }
}
