import CHDF5

/// A group: named groups and data sets, and attributes. Paths may have several components, "a/b/c".
public final class HDF5Group: HDF5Object {
    /// Opens the group at `path` of an open file or group.
    convenience init(parent: chdf5_id, file: FileHandle, path: String, full: String) throws {
        var id: chdf5_id = 0
        try file.check(chdf5_group_open(parent, path, &id), "cannot open the group \(full) in \(file.name)")
        self.init(handle: ObjectHandle(id: id, file: file, path: full, close: chdf5_group_close))
    }

    /// Names of the group's members, in the order of their bytes.
    ///
    /// - Throws: `HDF5Error` where the group cannot be read.
    public func names() throws -> [String] {
        var packed: UnsafeMutablePointer<CChar>?
        var bytes = 0
        try handle.file.check(chdf5_group_names(handle.id, &packed, &bytes), "cannot list \(handle.place)")
        return takeStrings(packed, bytes: bytes)
    }

    private func kind(_ path: String) -> Int {
        var kind = Int32(CHDF5_MISSING)
        guard handle.file.isOpen else { return CHDF5_MISSING }
        return chdf5_object_kind(handle.id, path, &kind) == 0 ? Int(kind) : CHDF5_MISSING
    }

    /// Whether `path` leads to a group or data set that can be opened.
    public func contains(_ path: String) -> Bool {
        isGroup(path) || isDataset(path)
    }

    /// Whether there is anything at `path`, also a link that is not followed.
    public func isPresent(_ path: String) -> Bool { kind(path) != CHDF5_MISSING }

    /// Whether `path` leads to a group.
    public func isGroup(_ path: String) -> Bool { kind(path) == CHDF5_GROUP }

    /// Whether `path` leads to a data set.
    public func isDataset(_ path: String) -> Bool { kind(path) == CHDF5_DATASET }

    private func require(_ wanted: Int, _ word: String, _ path: String) throws {
        try handle.file.check(0, "cannot open \(handle.path(of: path)) in \(handle.file.name)")
        let found = kind(path)
        let other = found == CHDF5_GROUP ? "a group" : found == CHDF5_DATASET ? "a data set" : "a named type"
        if found == CHDF5_MISSING {
            throw HDF5Error("\(handle.file.name) has no \(word) \(handle.path(of: path))")
        }
        if found != wanted && found != CHDF5_UNREADABLE {
            throw HDF5Error("\(handle.path(of: path)) in \(handle.file.name) is \(other), not a \(word)")
        }
    }

    /// Opens a group.
    ///
    /// - Throws: `HDF5Error` where it is missing, is no group, or lies in another file.
    public func group(_ path: String) throws -> HDF5Group {
        try require(CHDF5_GROUP, "group", path)
        return try HDF5Group(
            parent: handle.id, file: handle.file, path: path, full: handle.path(of: path))
    }

    /// Creates a group, and the groups on the way to it.
    ///
    /// - Throws: `HDF5Error` where something of that name exists or the file cannot be written.
    public func createGroup(_ path: String) throws -> HDF5Group {
        let full = handle.path(of: path)
        try checkText(path, "the group name '\(path)'")
        var id: chdf5_id = 0
        try handle.file.check(
            chdf5_group_create(handle.id, path, &id), "cannot create the group \(full) in \(handle.file.name)")
        return HDF5Group(handle: ObjectHandle(id: id, file: handle.file, path: full, close: chdf5_group_close))
    }

    /// Opens a data set.
    ///
    /// - Throws: `HDF5Error` where it is missing or is no data set; where its shape overflows, its data lie in another
    ///   file, or a filter other than deflate, shuffle and fletcher32 would be needed.
    public func dataset(_ path: String) throws -> HDF5Dataset {
        try require(CHDF5_DATASET, "data set", path)
        let full = handle.path(of: path)
        var id: chdf5_id = 0
        try handle.file.check(
            chdf5_dataset_open(handle.id, path, &id), "cannot open the data set \(full) in \(handle.file.name)")
        return try HDF5Dataset(
            opened: ObjectHandle(id: id, file: handle.file, path: full, close: chdf5_dataset_close))
    }

    /// Creates a data set, and the groups on the way to it.
    ///
    /// - Parameters:
    ///   - type: a type that is not `.other`.
    ///   - shape: lengths of the axes; empty for a scalar.
    ///   - maximumShape: lengths that `extend(to:)` may reach, `nil` for no limit; needs `chunk`.
    ///   - chunk: lengths of the pieces that are stored, compressed and read whole; without it, one block.
    ///   - deflate: gzip level 0 to 9, with the bytes shuffled first; needs `chunk`.
    /// - Throws: `HDF5Error` where the name is taken or the file cannot be written.
    public func createDataset(
        _ path: String, type: ElementType, shape: [Int], maximumShape: [Int?]? = nil, chunk: [Int]? = nil,
        deflate: Int? = nil
    ) throws -> HDF5Dataset {
        guard let code = type.code else { preconditionFailure("cannot create a data set of type \(type)") }
        precondition(shape.allSatisfy { $0 >= 0 }, "negative length in \(shape)")
        precondition(maximumShape.map { $0.count == shape.count } ?? true, "\(maximumShape ?? []) is not like \(shape)")
        precondition(chunk.map { $0.count == shape.count } ?? true, "chunk \(chunk ?? []) is not like \(shape)")
        precondition(chunk?.allSatisfy { $0 > 0 } ?? true, "chunk \(chunk ?? []) needs positive lengths")
        precondition(chunk != nil || (maximumShape == nil && deflate == nil), "growing or compressed needs a chunk")
        precondition(deflate.map { (0...9).contains($0) } ?? true, "deflate level \(deflate ?? -1) is not 0 to 9")
        let full = handle.path(of: path)
        try checkText(path, "the data set name '\(path)'")
        let most = maximumShape?.map { $0.map(UInt64.init) ?? UInt64.max }
        var id: chdf5_id = 0
        try handle.file.check(
            chdf5_dataset_create(
                handle.id, path, code, Int32(shape.count), shape.map(UInt64.init), most, chunk?.map(UInt64.init),
                Int32(deflate ?? -1), &id), "cannot create the data set \(full) in \(handle.file.name)")
        return try HDF5Dataset(
            opened: ObjectHandle(id: id, file: handle.file, path: full, close: chdf5_dataset_close))
    }

    /// Creates a data set of the values' own type and writes it, row-major.
    ///
    /// - Throws: `HDF5Error` where the name is taken or the file cannot be written.
    public func write<T: HDF5Scalar>(_ values: [T], shape: [Int], to path: String) throws {
        try createDataset(path, type: T.elementType, shape: shape).write(values)
    }

    /// Creates a data set of variable-length UTF-8 text, one axis, and writes it.
    ///
    /// - Throws: `HDF5Error` where the name is taken, a text has a NUL character, or the file cannot be written.
    public func writeStrings(_ values: [String], to path: String) throws {
        try createDataset(path, type: .string, shape: [values.count]).writeStrings(values)
    }
}
