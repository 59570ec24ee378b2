import Crypto
import HDF5

extension SampleSource {
    /// Kind, type and shape: what the bytes of the samples do not say.
    private var header: String {
        "smd samples 1\n\(sample.kind) \(sample.elementType) \(count)×\(shapeText(sample.axes))\n"
    }

    private var isSmall: Bool { totalBytes <= DataSetFormat.fullFingerprintBytes }

    /// The fingerprint of a set whose samples are all in memory.
    func fingerprint<T: HDF5Scalar>(ofAll values: [T]) throws -> String {
        guard isSmall else { return try spreadFingerprint(reading: T.self) }
        var whole = SHA256()
        try values.withUnsafeBufferPointer { values in
            for part in parts {
                let range = part.range.lowerBound * sample.elements..<part.range.upperBound * sample.elements
                let samples = UnsafeBufferPointer(rebasing: values[range])
                let bytes = UnsafeRawBufferPointer(samples)
                whole.update(bufferPointer: bytes)
                try checkFinite(samples, part: part, first: part.range.lowerBound)
                if let stored = part.storedDigest { try compare(hexDigest(SHA256.hash(data: bytes)), stored, part) }
            }
        }
        return combined(whole)
    }

    /// The same fingerprint, from the files.
    func fingerprint<T: HDF5Scalar>(reading type: T.Type) throws -> String {
        guard isSmall else { return try spreadFingerprint(reading: type) }
        var whole = SHA256()
        for index in parts.indices {
            try checkSamples(index, as: type) { whole.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        }
        return combined(whole)
    }

    /// Reads every sample of a part; throws when one is not finite or they are not those written.
    func checkSamples<T: HDF5Scalar>(
        _ index: Int, as type: T.Type, _ body: (UnsafeBufferPointer<T>) -> Void
    ) throws {
        let part = parts[index]
        var hash = SHA256()
        var first = part.range.lowerBound
        try stream(index, as: type) { values in
            try checkFinite(values, part: part, first: first)
            first += values.count / sample.elements
            hash.update(bufferPointer: UnsafeRawBufferPointer(values))
            body(values)
        }
        if let stored = part.storedDigest { try compare(hexDigest(hash.finalize()), stored, part) }
    }

    private func combined(_ samples: SHA256) -> String { sha256(Array((header + hexDigest(samples.finalize())).utf8)) }

    /// For sets too big to read whole at every start: the digests that their writer stored, and a spread of samples.
    private func spreadFingerprint<T: HDF5Scalar>(reading: T.Type) throws -> String {
        var hash = SHA256()
        hash.update(values: Array(header.utf8))
        for part in parts { hash.update(values: Array(((part.storedDigest ?? "none") + "\n").utf8)) }
        let picked = min(count, 1024)
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: sample.elements)
        defer { buffer.deallocate() }
        for i in 0..<picked {
            try read(picked == 1 ? 0 : i * (count - 1) / (picked - 1), into: buffer)
            hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
        }
        return hexDigest(hash.finalize())
    }

    private func compare(_ found: String, _ stored: String, _ part: Part) throws {
        guard found != stored.lowercased() else { return }
        throw ImageDataError(
            "\(part.path): the samples are damaged: SHA-256 \(found.prefix(12))… is not the stored "
                + "\(stored.prefix(12))…; make or copy the file again")
    }

    private func checkFinite<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>, part: Part, first: Int) throws {
        guard T.self == Float.self else { return }
        try values.withMemoryRebound(to: Float.self) { numbers in
            guard let bad = numbers.firstIndex(where: { !$0.isFinite }) else { return }
            let row = first - part.range.lowerBound + bad / sample.elements
            throw ImageDataError("\(part.path): /points row \(row) holds \(numbers[bad]), which is not a finite number")
        }
    }
}
