import Crypto
import Files
import Foundation
import Synchronization

/// The files below a folder, in an order that does not depend on the file system: by the bytes of their paths.
public struct ImageFolder: Sendable {
    /// Something in the folder that is no file to read, and why.
    public struct Skipped: Sendable {
        /// Its path from the folder.
        public let path: BytePath
        /// What is wrong with it.
        public let reason: String
    }

    /// The folder.
    public let path: BytePath
    /// Paths of all files below it, from the folder, hidden ones left out.
    public private(set) var files: [BytePath] = []
    /// What else is there, but for hidden files and folders: links to nowhere, folders that cannot be read, devices.
    public private(set) var skipped: [Skipped] = []
    /// Number of files and folders left out because their names begin with a dot.
    public private(set) var hidden = 0

    /// Lists the folder at `path` and all folders in it; symbolic links are followed, each folder visited once.
    ///
    /// - Parameter outputs: files that the caller is about to write; they are left out where they lie in the folder.
    /// - Throws: ``DataSetError`` when it is no folder or cannot be read.
    public init(path: String, leavingOut outputs: [String] = []) throws {
        self.path = BytePath(path)
        let outputs = Set(outputs.compactMap { try? FileFacts(BytePath($0)).identity })
        var visited: [FileFacts.Identity: BytePath] = [:]
        var pending = [BytePath("")]
        while let folder = pending.popLast() {
            let names: [BytePath]
            do {
                let place = self.path.appending(folder)
                let identity = try FileFacts(place).identity
                if let first = visited[identity] {
                    let name = first.bytes.isEmpty ? "the folder itself" : "\(first)"
                    skipped.append(Skipped(path: folder, reason: "leads to \(name), which is read already"))
                    continue
                }
                visited[identity] = folder
                names = try namesInFolder(place)
            } catch {
                if folder.bytes.isEmpty { throw DataSetError("\(path): no folder that can be read: \(error)") }
                skipped.append(Skipped(path: folder, reason: "a folder that cannot be read: \(error)"))
                continue
            }
            // Backwards, because the last one is taken next: of two links to a folder the first in order counts.
            for name in names.reversed() { add(folder.appending(name), named: name, &pending, outputs) }
        }
        files.sort()
        skipped.sort { $0.path < $1.path }
    }

    private mutating func add(
        _ entry: BytePath, named name: BytePath, _ pending: inout [BytePath], _ outputs: Set<FileFacts.Identity>
    ) {
        if name.isHiddenName {
            hidden += 1
            return
        }
        do {
            let facts = try FileFacts(path.appending(entry))
            switch facts.kind {
            case .folder: pending.append(entry)
            case .file: if !outputs.contains(facts.identity) { files.append(entry) }
            case .other: skipped.append(Skipped(path: entry, reason: "is a pipe or device, not a file"))
            }
        } catch let error as SystemError where error.number == ENOENT {
            skipped.append(Skipped(path: entry, reason: "a link to nothing"))
        } catch {
            skipped.append(Skipped(path: entry, reason: "cannot be looked at: \(error)"))
        }
    }

    /// One file, read: the pixels of the image that came of it, or why none did.
    package struct Item: Sendable {
        package var pixels: Result<[UInt8], DataSetError>
        package var digest: String
        /// What was not understood in an image that is used all the same.
        package var remark: String?
    }

    /// Reads, decodes, scales and crops the files `range`, on all cores.
    package func load(_ range: Range<Int>, size: Int, channels: Int) -> [Item] {
        let items = Mutex<[Item?]>(Array(repeating: nil, count: range.count))
        DispatchQueue.concurrentPerform(iterations: range.count) { i in
            let item = load(files[range.lowerBound + i], size: size, channels: channels)
            items.withLock { $0[i] = item }
        }
        return items.withLock { $0.compactMap { $0 } }
    }

    private func load(_ file: BytePath, size: Int, channels: Int) -> Item {
        var digest = ""
        do {
            func finished(_ image: RasterImage) -> [UInt8] {
                image.converted(toChannels: channels).fitted(to: size).pixels
            }
            let bytes = try Self.readImageFile(path.appending(file))
            digest = sha256(bytes)
            let image = try Self.decode(bytes, finished)
            return Item(pixels: .success(image), digest: digest, remark: ExifOrientation(of: bytes).remark)
        } catch {
            return Item(pixels: .failure(error as? DataSetError ?? DataSetError("\(error)")), digest: digest)
        }
    }

    /// Whether a file is an image that can be read.
    func isImage(_ file: BytePath) -> Bool {
        (try? Self.decode(Self.readImageFile(path.appending(file))) { _ in true }) ?? false
    }

    private static let ordinaryPixels = 1 << 24
    private static let hugeImage = Mutex<Void>(())

    /// Ordinary images are decoded on all cores at the same time; of huge ones, which a few KiB can be, one.
    private static func decode<T: Sendable>(_ bytes: [UInt8], _ finish: (RasterImage) -> T) throws -> T {
        if let image = try RasterImage.decode(bytes, within: ordinaryPixels) { return finish(image) }
        return try hugeImage.withLock { _ in finish(try RasterImage.decode(bytes)) }
    }

    /// The content of a file that begins like an image and has a size that an image may have.
    private static func readImageFile(_ path: BytePath) throws -> [UInt8] {
        try RasterImage.checkSignature(readBeginning(path, count: 8))
        return try readFile(path, atMost: RasterImage.maximumFileBytes)
    }
}
