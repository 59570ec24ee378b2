import HDF5
import TestSupport

/// A copy of a reference file with something changed.
struct EditedCase {
    /// Path in the copy → what becomes of its values; nil removes the data set.
    var edits: [String: ([Double]) -> [Double]?] = [:]
    /// Path in the copy → another shape, of as many elements as the edit leaves.
    var shapes: [String: [Int]] = [:]
    /// Groups that the copy lacks.
    var removedGroups: Set<String> = []
    /// Further data sets of one number.
    var additions: [String] = []
    /// Root attribute → what becomes of it; nil removes it.
    var attributes: [String: (AttributeValue) -> AttributeValue?] = [:]

    /// Writes the copy of `name` into a temporary folder and hands its path to `body`.
    func with<T>(_ name: String, _ body: (String) throws -> T) throws -> T {
        try withTemporaryDirectory { folder in
            let source = try HDF5File.open("\(goldenFolder)/\(name).h5")
            let path = folder + "/case.h5"
            let copy = try HDF5File.create(path)
            for attribute in try source.root.attributeNames() {
                guard let value = try source.root.attribute(attribute) else { continue }
                let edit = attributes[attribute] ?? { $0 }
                if let edited = edit(value) { try copy.root.setAttribute(attribute, edited) }
            }
            try self.copy(source.root, to: copy.root, prefix: "")
            for addition in additions { try copy.root.write([Float(0)], shape: [1], to: addition) }
            try copy.close()
            try source.close()
            return try body(path)
        }
    }

    private func copy(_ source: HDF5Group, to destination: HDF5Group, prefix: String) throws {
        for name in try source.names() {
            let path = prefix + name
            if source.isGroup(name) {
                if removedGroups.contains(path) { continue }
                try copy(source.group(name), to: destination.createGroup(name), prefix: path + "/")
                continue
            }
            let dataset = try source.dataset(name)
            guard let edit = edits[path] else {
                try write(dataset.read(as: Double.self), like: dataset, shape: dataset.shape, to: destination, name)
                continue
            }
            guard let values = edit(try dataset.read(as: Double.self)) else { continue }
            try write(values, like: dataset, shape: shapes[path] ?? dataset.shape, to: destination, name)
        }
    }

    private func write(
        _ values: [Double], like dataset: HDF5Dataset, shape: [Int], to group: HDF5Group, _ name: String
    ) throws {
        switch dataset.elementType {
        case .float32: try group.write(values.map { Float($0) }, shape: shape, to: name)
        case .int64: try group.write(values.map { Int64($0) }, shape: shape, to: name)
        default: try group.write(values, shape: shape, to: name)
        }
    }
}
