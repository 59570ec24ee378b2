import Files
import Foundation

/// What is done so far of a data set that is being prepared: a hidden folder beside its place, with a file for every block
/// of images that are through. It is there until the data set is, so that a preparation that was stopped, or killed, goes
/// on; and it brings together what several ranks have done.
struct PreparationWork {
    let folder: String
    /// Images of a block.
    let blockSize: Int
    /// Images of all blocks.
    let count: Int
    let sampleBytes: Int

    var blocks: Int { (count + blockSize - 1) / blockSize }

    func range(_ block: Int) -> Range<Int> { block * blockSize..<min(count, (block + 1) * blockSize) }

    /// An image that has been tried.
    struct Item: Equatable {
        /// Of the file, or of the pixels as they lie in the source.
        var digest: ContentDigest
        /// Why there is no sample of it; nil where there is one.
        var reason: String?
        /// What was not understood in an image that is used all the same.
        var remark: String?
    }

    /// A block of images that have been tried.
    struct Block {
        var items: [Item] = []
        /// Those of the images without a reason, one after the other.
        var pixels: [UInt8] = []
    }

    /// What makes two preparations the same.
    struct Plan: Codable, Equatable {
        var command: String
        var tool: String
        var images: Int
        /// SHA-256 of the names and sizes of all images.
        var source: String
        var sampleBytes: Int
    }

    /// - Parameter block: images of a block, where they take long to make.
    init(output: String, count: Int, sampleBytes: Int, block: Int? = nil) {
        folder = Self.folder(of: output)
        self.count = count
        self.sampleBytes = sampleBytes
        blockSize = block ?? max(1, min(1024, (8 << 20) / max(1, sampleBytes)))
    }

    static func folder(of output: String) -> String {
        Path.join(Path.folder(of: output), ".\(Path.name(of: output)).preparing")
    }

    private var planPath: String { Path.join(folder, "plan.json") }
    private func path(_ block: Int) -> String { Path.join(folder, "block-\(block)") }

    /// Makes the folder, or takes over what a preparation of the same images has left in it.
    ///
    /// - Parameter restart: whether what is there is thrown away unless it is to be gone on with.
    /// - Throws: ``DataSetError`` where something is there and neither is asked for, or it is of another preparation.
    func open(_ plan: Plan, resume: Bool, restart: Bool) throws {
        if FileManager.default.fileExists(atPath: folder) {
            let again = "begin anew with --overwrite"
            if resume {
                guard let old = try? readFile(planPath, atMost: 1 << 20),
                    let old = try? JSONDecoder().decode(Plan.self, from: Data(old))
                else { throw DataSetError("\(folder): what was begun there is not complete; \(again)") }
                guard old == plan else { throw DataSetError("\(folder): \(difference(old, plan)); \(again)") }
                return
            }
            guard restart else {
                let done = (0..<blocks).reduce(0) { $0 + (isDone($1) ? range($1).count : 0) }
                throw DataSetError(
                    "\(folder): a preparation was stopped here with \(done) of \(count) images done; go on with "
                        + "--resume, or \(again)", status: .usage)
            }
            try remove()
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        } catch {
            throw DataSetError(
                "\(folder): cannot be made: \(String(cString: strerror(errno)))", status: .cannotCreateOutput)
        }
        try FileReplacement(path: planPath).write([UInt8](JSONEncoder().encode(plan)), replacing: true)
    }

    private func difference(_ old: Plan, _ new: Plan) -> String {
        if old.tool != new.tool { return "was begun by \(old.tool), this is \(new.tool)" }
        if old.command != new.command { return "was begun as \"\(old.command)\"" }
        return "the images have changed since it was begun"
    }

    func isDone(_ block: Int) -> Bool { access(path(block), F_OK) == 0 }

    /// Keeps what became of a block.
    func write(_ number: Int, _ block: Block) throws {
        precondition(block.items.count == range(number).count, "\(block.items.count) images of block \(number)")
        var bytes: [UInt8] = []
        for item in block.items {
            bytes += item.digest.bytes
            for text in [item.reason, item.remark] {
                let text = text.map { Array($0.utf8.prefix(Int(UInt16.max) - 1)) }
                // One more than its length; 0: none.
                let length = UInt16(text.map { $0.count + 1 } ?? 0)
                bytes += [UInt8(length & 255), UInt8(length >> 8)] + (text ?? [])
            }
        }
        try FileReplacement(path: path(number)).write(bytes + block.pixels, replacing: true)
    }

    func read(_ number: Int) throws -> Block {
        let path = path(number)
        let damage = DataSetError("\(path): is damaged; begin anew with --overwrite")
        let bytes = try readFile(path, atMost: 1 << 31)
        var position = 0
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count <= bytes.count - position else { throw damage }
            defer { position += count }
            return bytes[position..<position + count]
        }
        func text() throws -> String? {
            let length = try take(2).reversed().reduce(0) { $0 << 8 | Int($1) }
            return length == 0 ? nil : String(decoding: try take(length - 1), as: UTF8.self)
        }
        let items = try range(number).map { _ in
            Item(digest: ContentDigest(bytes: try take(32)), reason: try text(), remark: try text())
        }
        let samples = items.count { $0.reason == nil }
        guard bytes.count - position == samples * sampleBytes else { throw damage }
        return Block(items: items, pixels: Array(bytes[position...]))
    }

    /// Pixels of the samples `slots` of a block that has `count` of them.
    func pixels(_ slots: Range<Int>, of number: Int, _ count: Int) throws -> ArraySlice<UInt8> {
        let path = path(number)
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        // They stand at the end.
        let begin = lseek(descriptor, 0, SEEK_END) - off_t((count - slots.lowerBound) * sampleBytes)
        let wanted = slots.count * sampleBytes
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, wanted - filled, begin + off_t(filled))
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { return }
                filled += got
            }
        }
        guard bytes.count == wanted else { throw DataSetError("\(path): is damaged; begin anew with --overwrite") }
        return bytes[...]
    }

    func remove() throws {
        for name in try namesInFolder(BytePath(folder)) {
            unlink(Path.join(folder, String(decoding: name.bytes, as: UTF8.self)))
        }
        guard rmdir(folder) == 0 else {
            throw DataSetError(
                "\(folder): cannot be removed: \(String(cString: strerror(errno)))", status: .cannotCreateOutput)
        }
    }
}
