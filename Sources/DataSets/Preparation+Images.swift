import Crypto
import Files

/// What a person should know about images that become a data set, a line each.
public enum PreparationNote: Equatable, Sendable {
    /// Something in the folder that is not part of the data set, and why.
    case skipped(String)
    /// Something that is not as it may have been meant.
    case warning(String)
}

/// What became of a folder of images.
public struct PreparedImages: Equatable, Sendable {
    /// Images in the data set.
    public var written = 0
    /// Files, folders and links that were named and skipped.
    public var skipped = 0
    /// Files and folders left out because their names begin with a dot.
    public var hidden = 0
    /// Classes, where the images are labelled.
    public var classes: Int?

    /// All of it; see the properties.
    public init(written: Int = 0, skipped: Int = 0, hidden: Int = 0, classes: Int? = nil) {
        self.written = written
        self.skipped = skipped
        self.hidden = hidden
        self.classes = classes
    }
}

extension Preparation {
    /// Images of which a remark is printed one by one; of more, how many there are.
    private static let namedRemarks = 20

    /// The PNG and JPEG images of a folder, each scaled so that its short side is `size`, cropped to the centre, with
    /// `channels` 1 or 3; labelled by sub-folder when every image lies in one.
    ///
    /// - Parameters:
    ///   - strict: whether something that cannot be read, or images of which only some have a class, end the work;
    ///     otherwise the former is skipped, and the latter get no labels.
    ///   - report: gets a note for everything that was skipped, and for what may not be as it was meant.
    /// - Throws: ``DataSetError`` when there is not one image, or where `strict` says so.
    public func images(
        folder path: String, size: Int, channels: Int, strict: Bool, report: (PreparationNote) -> Void
    ) throws -> PreparedImages {
        try checkOutput()
        let folder = try ImageFolder(path: path, leavingOut: DataSetWriter.files(of: output))
        var result = PreparedImages(hidden: folder.hidden)
        func skip(_ file: BytePath, _ reason: String) throws {
            let line = "\(folder.path.appending(file)): \(reason)"
            if strict { throw DataSetError(line) }
            result.skipped += 1
            report(.skipped(line))
        }
        for entry in folder.skipped { try skip(entry.path, entry.reason) }

        let classes = try labelled(folder, strict: strict, report: report)
        let total = folder.files.count
        let labels = Dictionary(uniqueKeysWithValues: (classes ?? []).enumerated().map { ($1, Int32($0)) })
        var sources = SHA256()
        var remarks = 0
        let shape = SampleShape.image(height: size, width: size, channels: channels)
        try write(shape, labelled: classes != nil, count: total) { writer in
            writer.labelNames = classes?.map(\.nameText)
            for start in stride(from: 0, to: total, by: 64) {
                let range = start..<min(total, start + 64)
                var batch: [UInt8] = []
                var batchLabels: [Int32] = []
                for (file, item) in zip(folder.files[range], folder.load(range, size: size, channels: channels)) {
                    switch item.pixels {
                    case .success(let pixels):
                        if classes != nil {
                            guard let label = file.firstFolder.flatMap({ labels[$0] }) else {
                                throw DataSetError("\(folder.path.appending(file)): was changed while being read")
                            }
                            batchLabels.append(label)
                        }
                        batch += pixels
                        sources.update(values: Array("\(item.digest) ".utf8) + file.bytes + [UInt8(ascii: "\n")])
                        guard let remark = item.remark else { continue }
                        remarks += 1
                        // Some cameras write such a thing into every image.
                        guard remarks <= Self.namedRemarks else { continue }
                        report(.warning("\(folder.path.appending(file)): \(remark)"))
                    case .failure(let error): try skip(file, "\(error)")
                    }
                }
                try writer.append(images: batch, labels: classes == nil ? nil : batchLabels)
                try progress(range.upperBound, total)
            }
            guard writer.count > 0 else { throw DataSetError("\(path): holds no PNG or JPEG image that can be read") }
            try writer.finish(sourceDigest: sources.finalize().hexadecimal)
            result.written = writer.count
        }
        let further = remarks - Self.namedRemarks
        let line = "\(path): \(further) further images have Exif data that are not understood, and are taken as stored"
        if further > 0 { report(.warning(line)) }
        result.classes = classes?.count
        return result
    }

    /// The folders that are classes; `nil` where the images get no labels.
    private func labelled(
        _ folder: ImageFolder, strict: Bool, report: (PreparationNote) -> Void
    ) throws -> [BytePath]? {
        switch folder.classes() {
        case .none: return nil
        case .all(let classes): return classes
        case .some(let classes, let loose):
            let names = classes.prefix(3).map(\.description).joined(separator: ", ") + (classes.count > 3 ? ", …" : "")
            let line =
                "\(folder.path): only some images lie in sub-folders (\(names)), others beside them (\(loose)): which "
                + "class the latter have is not known, so no labels are written; for labels, move them into sub-folders"
            if strict { throw DataSetError(line) }
            report(.warning(line))
            return nil
        }
    }
}
