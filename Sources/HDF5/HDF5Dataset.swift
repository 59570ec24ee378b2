import CHDF5

/// A data set: an array of elements of one type, with attributes. Values in memory are dense and row-major.
public final class HDF5Dataset: HDF5Object {
    /// Lengths of the axes, as of opening or the last `extend`; empty for a scalar.
    public private(set) var shape: [Int]
    /// Lengths that the axes may reach, `nil` for no limit.
    public let maximumShape: [Int?]
    /// Lengths of the stored pieces, `nil` where the data are one block.
    public let chunk: [Int]?
    /// The type of the elements.
    public let elementType: ElementType
    /// Whether the elements can be read as numbers.
    public let isNumeric: Bool
    private let elementBytes: Int

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }

    init(opened handle: ObjectHandle) throws {
        var type: Int32 = 0
        var numeric: Int32 = 0
        var bytes = 0
        let name = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            try handle.file.check(
                chdf5_dataset_type(handle.id, &type, &numeric, &bytes, start, buffer.count),
                "cannot read the type of \(handle.place)")
            return String(cString: start)
        }
        elementType = ElementType(code: Int(type), name: name)
        isNumeric = numeric != 0
        elementBytes = bytes
        let layout = try Self.layout(handle, elementBytes: bytes)
        shape = layout.shape
        maximumShape = layout.maximum
        chunk = layout.chunk
        super.init(handle: handle)
        try checkChunk()
    }

    private static func layout(
        _ handle: ObjectHandle, elementBytes: Int
    ) throws -> (shape: [Int], maximum: [Int?], chunk: [Int]?) {
        let room = Int(CHDF5_MAX_RANK)
        var rank: Int32 = 0
        var dims = [UInt64](repeating: 0, count: room)
        var most = dims
        var chunk = dims
        try handle.file.check(
            chdf5_dataset_shape(handle.id, &rank, &dims, &most, &chunk), "cannot read the shape of \(handle.place)")
        let count = Int(rank)
        // Elements are counted in Int and held in memory as at least one byte each, at most eight.
        var total = UInt64(max(elementBytes, 8))
        for length in dims.prefix(count) {
            let (product, overflow) = total.multipliedReportingOverflow(by: max(length, 1))
            guard !overflow, product <= UInt64(Int.max) else {
                throw HDF5Error("\(handle.place) has the impossible shape \(Array(dims.prefix(count)))")
            }
            total = product
        }
        return (
            dims.prefix(count).map { Int($0) },
            most.prefix(count).map { $0 > UInt64(Int.max) ? nil : Int($0) },
            chunk[0] == 0 ? nil : chunk.prefix(count).map { Int(clamping: $0) }
        )
    }

    // MARK: Reading

    /// Whether the elements are compressed, or otherwise not stored as they are.
    ///
    /// - Throws: `HDF5Error` where the file cannot be read.
    public func isCompressed() throws -> Bool {
        var filters: Int32 = 0
        try handle.file.check(chdf5_dataset_filters(handle.id, &filters), "cannot read the filters of \(handle.place)")
        return filters > 0
    }

    /// Checks that every stored chunk has, once decompressed, the length that a chunk has; libhdf5 reads past the end of
    /// shorter ones.
    ///
    /// - Throws: `HDF5Error` where one has not, or cannot be read.
    public func checkChunks() throws {
        try handle.file.check(chdf5_dataset_check_chunks(handle.id), "cannot read \(handle.place)")
    }

    /// Reads everything. Numbers of another type are converted: out-of-range integers are clamped, as libhdf5 does.
    ///
    /// - Throws: `HDF5Error` where the elements are no numbers or the data are damaged.
    public func read<T: HDF5Scalar>(as: T.Type) throws -> [T] {
        try read(as: T.self, offset: shape.map { _ in 0 }, count: shape)
    }

    /// Reads the box `[offset, offset + count)`.
    ///
    /// - Throws: `HDF5Error` where the elements are no numbers or the data are damaged.
    public func read<T: HDF5Scalar>(as: T.Type, offset: [Int], count: [Int]) throws -> [T] {
        try checkPlausible(elements: count.reduce(1, *))
        return try [T](unsafeUninitializedCapacity: count.reduce(1, *)) { buffer, filled in
            let window = UnsafeMutableBufferPointer(rebasing: buffer[..<count.reduce(1, *)])
            try read(into: window, offset: offset, count: count)
            filled = window.count
        }
    }

    /// Reads the box `[offset, offset + count)` into memory that holds exactly that many elements.
    ///
    /// - Throws: `HDF5Error` where the elements are no numbers or the data are damaged.
    public func read<T: HDF5Scalar>(
        into buffer: UnsafeMutableBufferPointer<T>, offset: [Int], count: [Int]
    ) throws {
        checkBox(offset: offset, count: count, values: buffer.count)
        guard isNumeric else {
            throw HDF5Error("\(handle.place) holds \(elementType) elements, which are not numbers")
        }
        guard buffer.count > 0, let start = buffer.baseAddress else { return }
        try handle.file.check(
            chdf5_dataset_read(
                handle.id, T.code, Int32(shape.count), offset.map(UInt64.init), count.map(UInt64.init), start),
            "cannot read \(handle.place)")
    }

    /// Reads text, row-major.
    ///
    /// - Throws: `HDF5Error` where the elements are no text or the data are damaged.
    public func readStrings() throws -> [String] {
        guard elementType == .string else {
            throw HDF5Error("\(handle.place) holds \(elementType) elements, which are not text")
        }
        try checkPlausible(elements: count)
        var packed: UnsafeMutablePointer<CChar>?
        var bytes = 0
        try handle.file.check(chdf5_dataset_read_strings(handle.id, &packed, &bytes), "cannot read \(handle.place)")
        return takeStrings(packed, bytes: bytes)
    }

    /// Memory for a claimed shape is only asked for where the stored bytes could fill it.
    private func checkPlausible(elements: Int) throws {
        var stored: UInt64 = 0
        try handle.file.check(chdf5_dataset_storage(handle.id, &stored), "cannot read the size of \(handle.place)")
        let (bytes, overflow) = UInt64(elements).multipliedReportingOverflow(by: UInt64(max(elementBytes, 1)))
        try handle.file.checkPlausible(
            bytes: overflow ? .max : bytes, stored: stored, "\(handle.place) claims \(elements) elements")
    }

    /// A piece is read whole where it is compressed, whatever part of it is wanted.
    private func checkChunk() throws {
        var bytes = UInt64(max(elementBytes, 1))
        for length in chunk ?? [] {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: UInt64(length))
            bytes = overflow ? .max : product
        }
        try handle.file.checkPlausible(bytes: bytes, "\(handle.place) claims chunks of \(chunk ?? [])")
    }

    private func checkBox(offset: [Int], count: [Int], values: Int) {
        precondition(
            offset.count == shape.count && count.count == shape.count,
            "box \(offset) + \(count) is not like \(shape) of \(handle.place)")
        for axis in shape.indices {
            precondition(
                offset[axis] >= 0 && count[axis] >= 0 && offset[axis] <= shape[axis] - count[axis],
                "box \(offset) + \(count) exceeds \(shape) of \(handle.place)")
        }
        precondition(
            values == count.reduce(1, *), "\(values) values for the box \(count) of \(handle.place)")
    }

    // MARK: Writing

    /// Writes everything, converting to the element type where it differs.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func write<T: HDF5Scalar>(_ values: [T]) throws {
        try write(values, offset: shape.map { _ in 0 }, count: shape)
    }

    /// Writes the box `[offset, offset + count)`.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func write<T: HDF5Scalar>(_ values: [T], offset: [Int], count: [Int]) throws {
        try values.withUnsafeBufferPointer { try write($0, offset: offset, count: count) }
    }

    /// Writes the box `[offset, offset + count)` from memory that holds exactly that many elements.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func write<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>, offset: [Int], count: [Int]) throws {
        checkBox(offset: offset, count: count, values: values.count)
        guard let start = values.baseAddress, !values.isEmpty else { return }
        try handle.file.check(
            chdf5_dataset_write(
                handle.id, T.code, Int32(shape.count), offset.map(UInt64.init), count.map(UInt64.init), start),
            "cannot write \(handle.place)")
    }

    /// Writes text to a data set of type `.string`, all of it.
    ///
    /// - Throws: `HDF5Error` where a text has a NUL character or the file cannot be written.
    public func writeStrings(_ values: [String]) throws {
        precondition(elementType == .string, "\(handle.place) holds \(elementType) elements, not text")
        precondition(values.count == count, "\(values.count) texts for \(shape) of \(handle.place)")
        let texts = try packed(values, "a text in \(handle.place)")
        try handle.file.check(
            chdf5_dataset_write_strings(handle.id, texts, values.count), "cannot write \(handle.place)")
    }

    /// Changes the lengths of the axes, within `maximumShape`. New elements are zero.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func extend(to shape: [Int]) throws {
        precondition(shape.count == self.shape.count, "\(shape) is not like \(self.shape) of \(handle.place)")
        for (length, most) in zip(shape, maximumShape) {
            precondition(length >= 0 && length <= most ?? Int.max, "\(shape) exceeds \(maximumShape)")
        }
        try handle.file.check(
            chdf5_dataset_extend(handle.id, shape.map(UInt64.init)), "cannot extend \(handle.place) to \(shape)")
        self.shape = shape
    }

    /// Hands everything written so far to the operating system, where readers see it.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func flush() throws {
        try handle.file.check(chdf5_dataset_flush(handle.id), "cannot write \(handle.place)")
    }
}
