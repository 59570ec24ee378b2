import ArgumentParser
import DataSets
import Files
import Foundation
import HDF5

/// `smd dataset info`
struct DatasetInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Say what a data set holds and where it came from, or what a sample of it was made of.",
        discussion: """
            The fingerprint is that of the SHA-256 which is stored with the samples; smd dataset verify compares the two.

            EXAMPLES
              smd dataset info fashion-mnist.h5
              smd dataset info photos.h5 --json
              smd dataset info photos.h5 --sample 17
            """)

    @Argument(help: "A data set: an HDF5 file or a manifest.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("What sample N, counted from 0, shows and was made of.", valueName: "N"))
    var sample: Int?

    @Flag(help: "Write a JSON object.")
    var json = false

    func run() throws {
        try FileTrial.run(.dataset, file)
        let info = try DataSetInfo(path: file)
        if let sample { return try print(sample, of: info) }
        if json { return try printJSON(Facts(file: file, info)) }
        try print(info.summary)
    }

    private func print(_ lines: [(name: String, value: String)]) throws {
        let lines = lines.map { (name: printable($0.name), value: printable($0.value)) }
        let width = lines.map(\.name.count).max() ?? 0
        try printOut(
            lines.map { $0.name + String(repeating: " ", count: width - $0.name.count) + " " + $0.value }
                .joined(separator: "\n"))
    }

    private func print(_ index: Int, of info: DataSetInfo) throws {
        guard (0..<info.count).contains(index) else {
            throw CommandFailure(.usage, "--sample \(index): \(file) has the samples 0 to \(info.count - 1)")
        }
        let (label, origin) = (try info.label(of: index), try info.origin(of: index))
        if json {
            return try printJSON(
                SampleFacts(
                    sample: index, label: label?.label, labelName: label?.name, source: origin?.name,
                    sha256: origin?.sha256))
        }
        var lines = [(name: "sample", value: "\(index)")]
        if let label { lines.append(("label", label.name.map { "\(label.label) (\($0))" } ?? "\(label.label)")) }
        lines.append(("source", origin?.name ?? "not stored"))
        if let origin { lines.append(("sha256", origin.sha256)) }
        try print(lines)
    }

    private struct SampleFacts: Encodable {
        let sample: Int
        let label: Int?
        let labelName: String?
        let source: String?
        let sha256: String?
    }

    /// What there is to say, for programs.
    private struct Facts: Encodable {
        let file: String
        let kind: String
        let count: Int
        let sampleShape: [Int]
        /// Of the conditions of images; 0 without.
        let conditionChannels: Int
        let fingerprint: String
        let labels: [DataSetInfo.LabelCount]?
        let filter: String?
        let fit: String?
        let crop: String?
        let background: [Int]?
        let source: String?
        let sourceSha256: String?
        let command: String?
        let tool: String?
        let skipped: Int
        /// Everything, as it is printed.
        let facts: [Fact]

        struct Fact: Encodable {
            let name: String
            let value: String
        }

        init(file: String, _ info: DataSetInfo) {
            func text(_ name: String) -> String? {
                info.summary.first { $0.name == name }?.value
            }
            (self.file, kind, count, sampleShape) = (file, info.sample.kind, info.count, info.sample.axes)
            conditionChannels = info.sample.conditions
            (fingerprint, labels, skipped) = (info.fingerprint, info.classes, info.skipped)
            (filter, fit, crop) = (text("filter"), text("fit"), text("crop"))
            (source, sourceSha256) = (text("source"), text("source_sha256"))
            (command, tool) = (text("command"), text("tool"))
            if case .integers(let colour)? = info.attributes["background"] {
                background = colour
            } else {
                background = nil
            }
            facts = info.summary.map { Fact(name: $0.name, value: $0.value) }
        }
    }
}
