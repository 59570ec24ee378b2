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
    private let sampleBytes: Int

    var blocks: Int { (count + blockSize - 1) / blockSize }

    func range(_ block: Int) -> Range<Int> { block * blockSize..<min(count, (block + 1) * blockSize) }

    /// An image that has been tried.
    struct Item: Codable, Equatable {
        /// SHA-256 of the file, or of the pixels as they lie in the source.
        var digest: String
        /// Why there is no sample of it; nil where there is one.
        var reason: String?
        /// What was not understood in an image that is used all the same.
        var remark: String?
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

    init(output: String, count: Int, sampleBytes: Int) {
        folder = Self.folder(of: output)
        self.count = count
        self.sampleBytes = sampleBytes
        blockSize = max(1, min(1024, (8 << 20) / max(1, sampleBytes)))
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

    /// Keeps what became of a block; `pixels` are those of the images without a reason, one after the other.
    func write(_ block: Int, _ items: [Item], pixels: [UInt8]) throws {
        precondition(items.count == range(block).count, "\(items.count) images of block \(block)")
        let header = [UInt8](try JSONEncoder().encode(items))
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        try FileReplacement(path: path(block)).write(length + header + pixels, replacing: true)
    }

    /// A block that is done.
    struct Block {
        let items: [Item]
        fileprivate let descriptor: Descriptor
        fileprivate let begin: Int
        fileprivate let path: String
    }

    fileprivate final class Descriptor {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    func open(_ block: Int) throws -> Block {
        let path = path(block)
        let descriptor = Descriptor(Glibc.open(path, O_RDONLY | O_CLOEXEC))
        let damage = DataSetError("\(path): is damaged; begin anew with --overwrite")
        let head = try read(descriptor, at: 0, count: 8, damage)
        let length = head.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length < 1 << 30, case let header = try read(descriptor, at: 8, count: length, damage),
            let items = try? JSONDecoder().decode([Item].self, from: Data(header)), items.count == range(block).count
        else { throw damage }
        return Block(items: items, descriptor: descriptor, begin: 8 + length, path: path)
    }

    /// The pixels of the sample at `place` among those of a block.
    func pixels(_ place: Int, of block: Block) throws -> [UInt8] {
        try read(
            block.descriptor, at: block.begin + place * sampleBytes, count: sampleBytes,
            DataSetError("\(block.path): is damaged; begin anew with --overwrite"))
    }

    private func read(_ file: Descriptor, at offset: Int, count: Int, _ damage: DataSetError) throws -> [UInt8] {
        guard file.number >= 0 else { throw damage }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(file.number, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset + filled))
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { throw damage }
                filled += got
            }
        }
    }

    func remove() throws {
        for name in try namesInFolder(BytePath(folder)) {
            unlink(Path.join(folder, String(decoding: name.bytes, as: UTF8.self)))
        }
        guard rmdir(folder) == 0 else {
            throw DataSetError("\(folder): cannot be removed: \(String(cString: strerror(errno)))", status: .cannotCreateOutput)
        }
    }
}
