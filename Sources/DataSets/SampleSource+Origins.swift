import HDF5

extension SampleSource {
    /// What every sample was made of; nil where a file does not say.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` where a file fails.
    func origins() throws -> [SampleOrigin]? {
        var all: [SampleOrigin] = []
        for part in parts.indices {
            let file = try file(part)
            guard file.isOurs, file.file.root.isGroup("sources") else { return nil }
            let group = try file.file.root.group("sources")
            let (names, digests) = (try group.dataset("path"), try group.dataset("sha256"))
            guard names.shape == [file.count], digests.shape == [file.count, 32] else {
                throw DataSetError(
                    "\(file.path): is damaged: /sources are not one for each sample; make or copy the file again")
            }
            let bytes = try digests.read(as: UInt8.self)
            all += try names.readStrings().enumerated().map { place, name in
                SampleOrigin(name: name, digest: ContentDigest(bytes: bytes[32 * place..<32 * (place + 1)]))
            }
        }
        return all
    }

    /// What was done to the images, as the first file says.
    func treatment() throws -> [(name: String, value: AttributeValue)] {
        let file = try file(0)
        guard file.isOurs else { return [] }
        return try ImageTreatment.attributeNames.compactMap { name in
            try file.file.root.attribute(name).map { (name, $0) }
        }
    }
}
