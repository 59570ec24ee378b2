import Arrays
import Files
import Foundation

/// The files in a zip or tar archive, read forward without unpacking it to the disk. Folders that all of them lie in are no
/// part of their names, so that they are those of the folder that was packed.
public struct ImageArchive: ImageSource {
    public let path: String
    private var files: [(name: BytePath, bytes: Int)] = []
    public private(set) var skipped: [SkippedEntry] = []
    public private(set) var hidden = 0
    private var labelList: [UInt8]?

    /// Lists the archive at `path`.
    ///
    /// - Parameter alive: is called for every member; what it throws ends the listing, which may take minutes.
    /// - Throws: ``DataSetError`` where it is none, or damaged.
    public init(path: String, alive: () throws -> Void = {}) throws {
        self.path = path
        var lists: [BytePath: [UInt8]] = [:]
        do {
            let reader = try ArchiveReader(path: path)
            while let member = try reader.next() {
                try alive()
                guard let name = Self.name(member.name) else {
                    skipped.append(SkippedEntry(path: member.name, reason: "has a name that leads out of the archive"))
                    continue
                }
                switch Self.use(of: member, named: name) {
                case .image: files.append((name, min(member.bytes ?? Self.assumedBytes, RasterImage.maximumFileBytes)))
                case .list: lists[name] = try reader.content(atMost: LabelRule.maximumListBytes)
                case .folder: continue
                case .hidden: hidden += 1
                case .nothing(let reason): skipped.append(SkippedEntry(path: name, reason: reason))
                }
            }
        } catch let error as ArrayFileError {
            throw DataSetError("\(error)")
        }
        let root = Self.commonFolder(of: files.map(\.name) + lists.keys)
        files = files.map { (Self.dropping(root, from: $0.name), $0.bytes) }
        skipped = skipped.map { SkippedEntry(path: Self.dropping(root, from: $0.path), reason: $0.reason) }
        labelList = lists[root.appending(ImageFolder.labelList)]
    }

    /// The most bytes of a member whose size the archive does not say before.
    private static let assumedBytes = 64 << 20

    private enum Use {
        case image, list, folder, hidden
        case nothing(String)
    }

    private static func use(of member: ArchiveReader.Member, named name: BytePath) -> Use {
        let parts = name.bytes.split(separator: UInt8(ascii: "/")).map { BytePath(bytes: $0) }
        if member.kind == .folder { return .folder }
        if parts.contains(where: { $0.isHiddenName || $0 == ImageFolder.resourceForks }) { return .hidden }
        switch member.kind {
        case .link: return .nothing("is a link inside the archive, which is not followed")
        case .device: return .nothing("is a pipe or device, not a file")
        case .encrypted: return .nothing("is encrypted")
        case .file, .folder: return parts.last == ImageFolder.labelList ? .list : .image
        }
    }

    /// Without "." and a slash at the beginning; nil where it leads out.
    private static func name(_ raw: BytePath) -> BytePath? {
        let parts = raw.bytes.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        guard !parts.contains(where: { $0.elementsEqual("..".utf8) }) else { return nil }
        return BytePath(bytes: parts.joined(separator: [UInt8(ascii: "/")]))
    }

    /// The folder that all files lie in, however deep.
    private static func commonFolder(of files: [BytePath]) -> BytePath {
        guard var common = files.first?.bytes.split(separator: UInt8(ascii: "/")).dropLast() else {
            return BytePath("")
        }
        for file in files {
            let parts = file.bytes.split(separator: UInt8(ascii: "/")).dropLast()
            let shared = zip(common, parts).prefix { $0.elementsEqual($1) }.count
            common = common.prefix(shared)
        }
        return BytePath(bytes: common.joined(separator: [UInt8(ascii: "/")]))
    }

    private static func dropping(_ root: BytePath, from name: BytePath) -> BytePath {
        guard !root.bytes.isEmpty, name.bytes.starts(with: root.bytes + [UInt8(ascii: "/")]) else { return name }
        return BytePath(bytes: name.bytes.dropFirst(root.bytes.count + 1))
    }

    public var count: Int { files.count }
    public func name(_ place: Int) -> BytePath { files[place].name }
    public func bytes(_ place: Int) -> Int { files[place].bytes }

    public func companion(_ name: String) -> [UInt8]? {
        BytePath(name) == ImageFolder.labelList ? labelList : nil
    }

    public func reader() throws -> any ImageReader { try Reader(self) }

    private final class Reader: ImageReader {
        private let archive: ImageArchive
        private let reader: ArchiveReader
        private var place = 0

        init(_ archive: ImageArchive) throws {
            self.archive = archive
            reader = try ArchiveReader(path: archive.path)
        }

        func read(_ range: Range<Int>) throws -> [@Sendable () throws -> ImageContent] {
            var contents: [@Sendable () throws -> ImageContent] = []
            while place < range.upperBound, let member = try reader.next() {
                guard let name = ImageArchive.name(member.name), case .image = ImageArchive.use(of: member, named: name)
                else { continue }
                defer { place += 1 }
                guard range.contains(place) else { continue }
                // No more than batches are made for, whatever is really there.
                let bytes = Result { try reader.content(atMost: archive.bytes(place)) }
                    .mapError { DataSetError("\($0)") }
                contents.append { .file(try bytes.get()) }
            }
            guard contents.count == range.count else {
                throw DataSetError("\(archive.path): was changed while it was read")
            }
            return contents
        }
    }
}
