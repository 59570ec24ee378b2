import Crypto
import Foundation
import Synchronization

/// The files below a folder, in an order that does not depend on the file system: by the bytes of their paths.
public struct ImageFolder: Sendable {
    /// The folder.
    public let path: String
    /// Paths of all files below it, from the folder, hidden ones left out.
    public let files: [String]
    /// Names of the sub-folders that hold the files, in order; `nil` unless every file lies in a sub-folder.
    public let labelNames: [String]?

    /// Lists the folder at `path` and all folders in it; symbolic links are followed, each folder visited once.
    ///
    /// - Throws: ``ImageDataError`` when it is no folder, cannot be read or holds no files.
    public init(path: String) throws {
        self.path = path
        var files: [String] = []
        var visited: Set<String> = []
        var pending = [""]
        while let folder = pending.popLast() {
            let full = folder.isEmpty ? path : FileReplacement.join(path, folder)
            guard visited.insert(URL(fileURLWithPath: full).resolvingSymlinksInPath().path).inserted else { continue }
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: full) else {
                throw ImageDataError("\(full): no such folder, or it cannot be read")
            }
            // Backwards, because the last one is taken next: of two links to a folder the first in order counts.
            for name in names.sorted(by: { $1.utf8.lexicographicallyPrecedes($0.utf8) }) where !name.hasPrefix(".") {
                let file = folder.isEmpty ? name : "\(folder)/\(name)"
                var isFolder: ObjCBool = false
                let place = FileReplacement.join(path, file)
                guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) else { continue }
                if isFolder.boolValue { pending.append(file) } else { files.append(file) }
            }
        }
        guard !files.isEmpty else { throw ImageDataError("\(path): holds no files") }
        self.files = files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let classes = Set(files.map { $0.contains("/") ? String($0.prefix { $0 != "/" }) : "" })
        labelNames = classes.contains("") ? nil : classes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// One file, read: the pixels of the image that came of it, or why none did.
    package struct Item: Sendable {
        package var pixels: Result<[UInt8], ImageDataError>
        package var digest: String
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

    private func load(_ file: String, size: Int, channels: Int) -> Item {
        var digest = ""
        do {
            func finished(_ image: RasterImage) -> [UInt8] {
                image.converted(toChannels: channels).fitted(to: size).pixels
            }
            let bytes = try Self.readImageFile(FileReplacement.join(path, file))
            digest = sha256(bytes)
            // Ordinary images are decoded on all cores at the same time; of huge ones, which a few KiB can be, one.
            if let image = try RasterImage.decode(bytes, within: Self.ordinaryPixels) {
                return Item(pixels: .success(finished(image)), digest: digest)
            }
            let pixels = try Self.hugeImage.withLock { _ in finished(try RasterImage.decode(bytes)) }
            return Item(pixels: .success(pixels), digest: digest)
        } catch {
            return Item(pixels: .failure(error as? ImageDataError ?? ImageDataError("\(error)")), digest: digest)
        }
    }

    private static let ordinaryPixels = 1 << 24
    private static let hugeImage = Mutex<Void>(())

    /// The content of a file that begins like an image and has a size that an image may have.
    private static func readImageFile(_ path: String) throws -> [UInt8] {
        try RasterImage.checkSignature(readBeginning(path, count: 8))
        return try readFile(path, atMost: RasterImage.maximumFileBytes)
    }
}
