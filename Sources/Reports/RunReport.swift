import Configuration
import Files
import Foundation
import HDF5
import Plots
import Storage

/// All that is known of a run, as one page of HTML that needs nothing but itself: no network, no script, no other file.
public struct RunReport {
    /// A picture in the page: a PNG file, and what is written below it.
    public struct Picture {
        let png: [UInt8]
        let caption: String

        /// Reads the PNG file at `path`.
        ///
        /// - Throws: `HDF5Error` where it cannot be read; `ReportError` where it is no PNG file.
        public init(path: String, caption: String) throws {
            png = try DurableFile.read(path).withUnsafeBytes { Array($0) }
            guard png.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else {
                throw ReportError("\(path) is no PNG file")
            }
            self.caption = caption
        }
    }

    /// What `smd evaluate … --json` has printed: names of figures, dotted where they are nested, and values.
    public struct Evaluation {
        let name: String
        let rows: [(name: String, value: String)]

        /// Reads the file at `path`.
        ///
        /// - Throws: `HDF5Error` where it cannot be read; `ReportError` where it is no JSON object.
        public init(path: String) throws {
            let bytes = try DurableFile.read(path).withUnsafeBytes { Array($0) }
            guard case .object(let object) = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
                throw ReportError("\(path) is not what smd evaluate --json prints: it holds no JSON object")
            }
            name = Path.name(of: path)
            rows = object.sorted { $0.key < $1.key }.flatMap { $1.flattened($0) }
        }
    }

    let overview: RunOverview
    let metrics: NamedMetrics?
    let header: CheckpointHeader?
    let configuration: RunConfiguration?
    let previews: [Picture]
    /// Where the last job ran.
    let host: String?
    /// Grids of samples.
    public var samples: [Picture] = []
    /// What the data set holds and where it came from; or why that is not known.
    public var dataSheet: [(name: String, value: String)] = []
    public var evaluations: [Evaluation] = []

    /// Reads the run in a folder, whose files were tried before.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where its metrics cannot be read.
    public init(folder: String) throws {
        let name = NamedMetrics.names(of: [folder])[0]
        overview = RunOverview(folder, name: name)
        let file = RunOverview.metrics(of: folder)
        metrics = MetricsWriter.exists(file) ? NamedMetrics(name: name, table: try MetricsTable.read(file)) : nil
        header = try? RunOverview.newestHeader(of: folder)
        configuration = header.flatMap { try? RunConfiguration(json: $0.config, name: folder) }
        previews = Self.previews(in: Path.join(folder, "previews"))
        host = RunLock.lastHost(folder)
    }

    /// The path of the data set as the run has it; nil where that is not known.
    public var dataPath: String? { configuration?.data }

    private static let mostPreviews = 8

    /// Pictures at equal distances from the first to the last, of the average where there are such.
    private static func previews(in folder: String) -> [Picture] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        let found = ["ema", "raw"].lazy.map { kind in
            names.compactMap { name -> (step: Int, path: String, kind: String)? in
                let digits = name.dropFirst("step-".count).prefix { $0.isASCII && $0.isNumber }
                guard name == "step-\(digits)-\(kind).png", let step = Int(digits) else { return nil }
                return (step, Path.join(folder, name), kind)
            }.sorted { $0.step < $1.step }
        }.first { !$0.isEmpty }
        guard let found else { return [] }
        let count = min(mostPreviews, found.count)
        let chosen = (0..<count).map { found[count == 1 ? 0 : $0 * (found.count - 1) / (count - 1)] }
        return chosen.compactMap { step, path, kind in
            try? Picture(path: path, caption: "step \(grouped(step))\(kind == "ema" ? ", averaged weights" : "")")
        }
    }
}

/// Why a file cannot go into a report, in one line.
public struct ReportError: HasExitStatus, CustomStringConvertible {
    public var exitStatus: ExitStatus { .badInput }
    public let description: String

    init(_ description: String) { self.description = description }
}
