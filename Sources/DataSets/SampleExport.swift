import Arrays
import Files
import Foundation

/// Samples as other programs take them: a folder or a zip of PNG files, or an array of NumPy.
public struct SampleExport {
    /// What samples are written as.
    public enum Form: Equatable, Sendable {
        /// `00000/img00000017.png`, and `dataset.json` with the labels, as StyleGAN and EDM have it.
        case folder
        /// The same, stored in a zip file.
        case zip
        /// `arr_0`, uint8 N×H×W×C or float32 N×D, and `arr_1`, the labels (int64), as guided-diffusion has it.
        case npz

        /// By the end of the name of the output: `.npz`, `.zip`, or a folder.
        public init(of output: String) {
            let name = output.lowercased()
            self = name.hasBytes(suffix: ".npz") ? .npz : name.hasBytes(suffix: ".zip") ? .zip : .folder
        }
    }

    /// Where to.
    public let output: String
    let form: Form
    /// What a sample is, and how many there are.
    let sample: SampleShape
    let count: Int
    /// One a sample.
    let labels: [Int]?
    /// A sample's bytes: of an image its pixels, of a point its coordinates as float32.
    let bytes: (Int) throws -> [UInt8]

    /// - Throws: ``DataSetError`` where the samples cannot have that form.
    public init(
        to output: String, sample: SampleShape, count: Int, labels: [Int]?, bytes: @escaping (Int) throws -> [UInt8]
    ) throws {
        (self.output, form) = (output, Form(of: output))
        (self.sample, self.count, self.labels, self.bytes) = (sample, count, labels, bytes)
        switch sample {
        case .image: return
        case .point where form == .npz: return
        case .point:
            throw DataSetError("\(output): points are no pictures; give a name that ends in .npz", status: .usage)
        case .latent:
            throw DataSetError(
                "\(output): latents are no pictures; make images of them with: smd dataset decode", status: .usage)
        }
    }

    /// Says before the work that the output cannot be written.
    public func check(overwrite: Bool) throws {
        guard form == .folder else { return try FileReplacement(path: output).check(overwrite: overwrite) }
        guard let facts = try? FileFacts(BytePath(output)) else {
            return try FileReplacement(path: target).check(overwrite: false)
        }
        guard facts.kind == .folder, (try? namesInFolder(BytePath(output)).isEmpty) == true else {
            throw DataSetError(
                "\(output): is there already; give a new or an empty folder", status: .cannotCreateOutput)
        }
    }

    /// The folder without a slash at the end.
    private var target: String { output.hasBytes(suffix: "/") ? String(output.dropLast()) : output }

    /// Writes all samples.
    ///
    /// - Parameter progress: gets the samples done and all; what it throws ends the work and leaves nothing.
    public func write(overwrite: Bool, progress: (Int, Int) throws -> Void) throws {
        do {
            switch form {
            case .folder: try writeFolder(progress)
            case .zip: try writeFile(overwrite) { try writePNGs(to: $0, progress) }
            case .npz: try writeFile(overwrite) { try writeArrays(to: $0, progress) }
            }
        } catch let error as ArrayFileError {
            throw DataSetError("\(output): cannot be written: \(error)", status: .cannotCreateOutput)
        }
    }

    private func name(_ index: Int) -> String { String(format: "%05d/img%08d.png", index / 1000, index) }

    private func png(_ index: Int) throws -> [UInt8] {
        guard case .image(let height, let width, let channels, _) = sample else { return [] }
        return try PNG.encode(
            RasterImage.visible(bytes(index), channels: channels), height: height, width: width,
            channels: channels < 3 ? 1 : 3)
    }

    /// `{"labels": [["00000/img00000000.png", 6], …]}`; null where there are none.
    private func list() -> [UInt8] {
        guard let labels else { return Array("{\"labels\": null}\n".utf8) }
        let rows = labels.enumerated().map { "[\"\(name($0))\", \($1)]" }
        return Array("{\"labels\": [\n\(rows.joined(separator: ",\n"))\n]}\n".utf8)
    }

    // MARK: Forms

    /// A folder appears under its name when it is whole.
    private func writeFolder(_ progress: (Int, Int) throws -> Void) throws {
        let files = FileManager.default
        let partial = Path.join(Path.folder(of: target), ".\(Path.name(of: target)).partial")
        try? files.removeItem(atPath: partial)
        do {
            for index in 0..<count {
                let place = Path.join(partial, name(index))
                if index % 1000 == 0 {
                    try files.createDirectory(atPath: Path.folder(of: place), withIntermediateDirectories: true)
                }
                try write(png(index), to: place)
                try progress(index + 1, count)
            }
            try write(list(), to: Path.join(partial, "dataset.json"))
            rmdir(target)
            guard rename(partial, target) == 0 else { throw failure("named") }
        } catch {
            try? files.removeItem(atPath: partial)
            throw error
        }
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("written") }
        let problem = StandardStreams.write(bytes, to: descriptor)
        guard close(descriptor) == 0, problem == nil else {
            throw DataSetError(
                "\(output): cannot be written: \(problem ?? "\(SystemError.last)")", status: .cannotCreateOutput)
        }
    }

    private func failure(_ what: String) -> DataSetError {
        DataSetError("\(output): cannot be \(what): \(SystemError.last)", status: .cannotCreateOutput)
    }

    private func writeFile(_ overwrite: Bool, _ body: (ZipWriter) throws -> Void) throws {
        let file = FileReplacement(path: output)
        let descriptor = open(file.temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("created") }
        do {
            defer { close(descriptor) }
            let writer = try ZipWriter(descriptor: descriptor)
            try body(writer)
            try writer.finish()
        } catch {
            file.abandon()
            throw error
        }
        try file.publish(replacing: overwrite)
    }

    private func writePNGs(to zip: ZipWriter, _ progress: (Int, Int) throws -> Void) throws {
        for (name, content) in [("dataset.json", list())] {
            try zip.begin(name, bytes: content.count)
            try zip.append(content)
        }
        for index in 0..<count {
            let content = try png(index)
            try zip.begin(name(index), bytes: content.count)
            try zip.append(content)
            try progress(index + 1, count)
        }
    }

    private func writeArrays(to zip: ZipWriter, _ progress: (Int, Int) throws -> Void) throws {
        let type = sample.elementBytes == 1 ? "|u1" : "<f4"
        let head = NPY.head(type: type, shape: [count] + sample.axes)
        try zip.begin("arr_0.npy", bytes: head.count + count * sample.elements * sample.elementBytes)
        try zip.append(head)
        for index in 0..<count {
            try zip.append(bytes(index))
            try progress(index + 1, count)
        }
        guard let labels else { return }
        let labelHead = NPY.head(type: "<i8", shape: [count])
        try zip.begin("arr_1.npy", bytes: labelHead.count + 8 * count)
        try zip.append(labelHead + labels.map { Int64($0) }.withUnsafeBytes { Array($0) })
    }
}

extension DataSet {
    /// All samples of the set, to be written to `output`.
    public func export(to output: String) throws -> SampleExport {
        try SampleExport(to: output, sample: sample, count: count, labels: labels()) { index in
            try self.stored(index)
        }
    }
}
