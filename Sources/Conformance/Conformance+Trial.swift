import HDF5

extension Conformance {
    /// Groups in groups of a case: "/parameters/initial/NAME" is the deepest.
    private static let trialDepth = 3

    /// Makes libhdf5 do with the file at `path` what running it would: reads all attributes of the root and all data
    /// sets. For a helper process: a file that makes libhdf5 crash, hang or eat memory shall do it there. What else the
    /// file lacks or holds, ``run(_:on:)`` reports.
    ///
    /// - Throws: `HDF5Error` when the file cannot be opened.
    public static func tryReading(_ path: String) throws {
        let file = try HDF5File.open(path)
        for name in (try? file.root.attributeNames()) ?? [] { _ = try? file.root.attribute(name) }
        tryReading(file.root, depth: trialDepth)
        try file.close()
    }

    private static func tryReading(_ group: HDF5Group, depth: Int) {
        for name in (try? group.names()) ?? [] {
            if group.isGroup(name) {
                // A group may contain itself.
                if depth > 1, let inner = try? group.group(name) { tryReading(inner, depth: depth - 1) }
            } else if let dataset = try? group.dataset(name) {
                // As the cases are read: numbers by their own width, others converted to these.
                switch dataset.elementType {
                case .int32, .int64, .uint8: _ = try? dataset.read(as: Int64.self)
                case .float64: _ = try? dataset.read(as: Double.self)
                default: _ = try? dataset.read(as: Float.self)
                }
            }
        }
    }
}
