import Files
import Foundation

/// The files below a folder, in an order that does not depend on the file system: by the bytes of their paths.
public struct ImageFolder: ImageSource {
    public let path: String
    private let root: BytePath
    /// Paths of all files below it, from the folder, hidden ones left out.
    public var files: [BytePath] { entries.map(\.path) }
    private var entries: [(path: BytePath, bytes: Int)] = []
    /// What else is there, but for hidden files and folders: links to nowhere, folders that cannot be read, devices.
    public private(set) var skipped: [SkippedEntry] = []
    public private(set) var hidden = 0

    /// Lists the folder at `path` and all folders in it; symbolic links are followed, each folder visited once.
    ///
    /// - Parameter outputs: files and folders that the caller is about to write; they are left out where they lie in the
    ///   folder.
    /// - Throws: ``DataSetError`` when it is no folder or cannot be read.
    public init(path: String, leavingOut outputs: [String] = []) throws {
        self.path = path
        root = BytePath(path)
        let outputs = Set(outputs.compactMap { try? FileFacts(BytePath($0)).identity })
        var visited: [FileFacts.Identity: BytePath] = [:]
        var pending = [BytePath("")]
        while let folder = pending.popLast() {
            let names: [BytePath]
            do {
                let place = root.appending(folder)
                let identity = try FileFacts(place).identity
                if let first = visited[identity] {
                    let name = first.bytes.isEmpty ? "the folder itself" : "\(first)"
                    skipped.append(SkippedEntry(path: folder, reason: "leads to \(name), which is read already"))
                    continue
                }
                visited[identity] = folder
                names = try namesInFolder(place)
            } catch {
                if folder.bytes.isEmpty { throw DataSetError("\(path): no folder that can be read: \(error)") }
                skipped.append(SkippedEntry(path: folder, reason: "a folder that cannot be read: \(error)"))
                continue
            }
            // Backwards, because the last one is taken next: of two links to a folder the first in order counts.
            for name in names.reversed() { add(folder.appending(name), named: name, &pending, outputs) }
        }
        entries.sort { $0.path < $1.path }
        skipped.sort { $0.path < $1.path }
    }

    private mutating func add(
        _ entry: BytePath, named name: BytePath, _ pending: inout [BytePath], _ outputs: Set<FileFacts.Identity>
    ) {
        if name.isHiddenName || name == Self.resourceForks {
            hidden += 1
            return
        }
        do {
            let facts = try FileFacts(root.appending(entry))
            if outputs.contains(facts.identity) { return }
            switch facts.kind {
            case .folder: pending.append(entry)
            case .file:
                if name == Self.labelList { return }
                entries.append((entry, facts.bytes))
            case .other: skipped.append(SkippedEntry(path: entry, reason: "is a pipe or device, not a file"))
            }
        } catch let error as SystemError where error.number == ENOENT {
            skipped.append(SkippedEntry(path: entry, reason: "a link to nothing"))
        } catch {
            skipped.append(SkippedEntry(path: entry, reason: "cannot be looked at: \(error)"))
        }
    }

    /// What a Mac puts beside the files of an archive.
    static let resourceForks = BytePath("__MACOSX")
    /// Labels of StyleGAN and EDM; read as such, never as an image.
    static let labelList = BytePath("dataset.json")

    public var count: Int { entries.count }
    public func name(_ place: Int) -> BytePath { entries[place].path }
    public func bytes(_ place: Int) -> Int { entries[place].bytes }
    public var isOrdered: Bool { true }

    public func companion(_ name: String) throws -> [UInt8]? {
        let place = Path.join(path, name)
        guard (try? FileFacts(BytePath(place))) != nil else { return nil }
        return try readFile(place, atMost: LabelRule.maximumListBytes)
    }

    public func reader() -> any ImageReader { Reader(folder: self) }

    private final class Reader: ImageReader {
        private let folder: ImageFolder

        init(folder: ImageFolder) { self.folder = folder }

        func read(_ range: Range<Int>) -> [@Sendable () throws -> ImageContent] {
            range.map { place in
                let file = folder.root.appending(folder.entries[place].path)
                // A file that does not begin like an image is not read, whatever its size.
                return {
                    .file(
                        try readFile(file, atMost: RasterImage.maximumFileBytes) { beginning in
                            _ = try ImageFormat(of: beginning)
                        })
                }
            }
        }
    }
}
