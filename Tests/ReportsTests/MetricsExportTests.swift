import Files
import Foundation
import Reports
import Storage
import TestSupport
import Testing

private let table = MetricsTable(
    columns: ["step", "loss", "seconds_data", "seconds_compute", "eta_variance"],
    values: [[1, 2, 30], [0.1, .nan, 1.0 / 3], [0.25, 0.25, 0.25], [1, 2, 4], [.nan, 0.5, .infinity]])

/// Metrics for other programs.
@Suite struct MetricsExportTests {
    @Test func csvHoldsEveryBit() {
        let lines = MetricsExport.csv(table).split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
        #expect(lines[0] == table.columns)
        #expect(lines[2] == ["2", "nan", "0.25", "2", "0.5"])
        #expect(Double(lines[3][1])?.bitPattern == (1.0 / 3).bitPattern && lines[3][4] == "inf")
    }

    @Test func namesAreQuoted() throws {
        let odd = MetricsTable(columns: ["step", "a,\"b"], values: [[1], [2]])
        #expect(MetricsExport.csv(odd) == "step,\"a,\"\"b\"\n1,2\n")
        #expect(MetricsExport.jsonLines(odd) == "{\"step\": 1, \"a,\\\"b\": 2}\n")
    }

    @Test func jsonLinesAreJSON() throws {
        let rows = try MetricsExport.jsonLines(table).split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
        #expect(rows.count == 3 && rows.allSatisfy { $0.count == 5 })
        #expect(rows[0]["loss"] as? Double == 0.1 && rows[1]["loss"] is NSNull && rows[2]["eta_variance"] is NSNull)
    }

    /// Test vectors of RFC 3720, appendix B.4.
    @Test func checksums() {
        #expect(EventFile.crc32c([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(EventFile.crc32c([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(EventFile.crc32c((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(EventFile.crc32c(Array("123456789".utf8)) == 0xE306_9283)
    }

    /// The bytes that TensorBoard 2.21.0 makes of the same events: RecordWriter of Event(file_version="brain.Event:2") and
    /// of Event(wall_time=1.5, step=300, summary=Summary(value=[loss 0.25, eta −3])).
    @Test func anEventFileIsTensorBoards() {
        var file = EventFile()
        file.append(step: 300, wallTime: 1.5, scalars: [("loss", 0.25), ("eta", -3)])
        #expect(
            file.bytes.hexadecimal
                == "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc98512927000000000000"
                + "00bbe1b14609000000000000f83f10ac022a190a0b0a046c6f7373150000803e0a0a0a0365746115000040c0500526a3")
    }

    /// Not measured is left out; a loss that is not a number is told; wall time adds the seconds up.
    @Test func whatIsInAnEventFile() {
        var wanted = EventFile()
        wanted.append(
            step: 1, wallTime: 1.25, scalars: [("loss", 0.1), ("seconds_data", 0.25), ("seconds_compute", 1)])
        wanted.append(
            step: 2, wallTime: 3.5,
            scalars: [("loss", .nan), ("seconds_data", 0.25), ("seconds_compute", 2), ("eta_variance", 0.5)])
        wanted.append(
            step: 30, wallTime: 7.75,
            scalars: [
                ("loss", Float(1.0 / 3)), ("seconds_data", 0.25), ("seconds_compute", 4), ("eta_variance", .infinity),
            ])
        #expect(MetricsExport.eventFile(table) == wanted.bytes)
    }
}

/// Where two runs part.
@Suite struct MetricsDifferenceTests {
    private func table(_ losses: [Double], seconds: Double = 1, from first: Int = 1) -> MetricsTable {
        let steps = losses.indices.map { Double(first + $0) }
        return MetricsTable(
            columns: ["step", "loss", "images_per_second", "seconds_data", "slowest_rank"],
            values: [
                steps, losses, losses.map { _ in seconds }, losses.map { _ in seconds }, losses.map { _ in seconds },
            ])
    }

    @Test func speedsDoNotCount() throws {
        let same = try MetricsDifference(table([1, .nan, 3]), table([1, .nan, 3, 4], seconds: 2))
        #expect(same.isSame && same.columns == ["loss"] && same.commonSteps == 3)
        #expect(same.lastFirst == 3 && same.lastSecond == 4 && same.lastCommonStep == 3)
        let named = try MetricsDifference(table([1]), table([1], seconds: 2), columns: ["seconds_data"])
        #expect(named.step == 1 && named.values.map(\.column) == ["seconds_data"])
    }

    /// One bit in one value is a difference; steps are matched by their number, not their row.
    @Test func theFirstBit() throws {
        let found = try MetricsDifference(table([1, 2, 3, 4]), table([2, 3.0.nextUp, 5], from: 2))
        #expect(found.step == 3 && found.commonSteps == 3 && found.differentSteps == 2)
        #expect(found.values.map(\.column) == ["loss"] && found.values[0].secondText == "\(3.0.nextUp)")
    }

    @Test func aLossThatDivergedDiffersFromOneThatDidNot() throws {
        let found = try MetricsDifference(table([1, .nan]), table([1, 2]))
        #expect(found.step == 2 && found.values[0].first == nil && found.values[0].firstText == "nan")
    }

    @Test func columnsOfOneRun() throws {
        let other = MetricsTable(columns: ["step", "loss", "extra"], values: [[1], [1], [1]])
        let found = try MetricsDifference(table([1]), other)
        #expect(found.isSame && found.onlySecond == ["extra"] && found.onlyFirst.isEmpty)
        #expect(throws: StorageError.self) { try MetricsDifference(table([1]), other, columns: ["extra"]) }
    }
}

/// Names, and text in pages.
@Suite struct ReportTextTests {
    @Test func namesTellPathsApart() {
        #expect(NamedMetrics.names(of: ["runs/a", "./runs/b/metrics.h5"]) == ["a", "b"])
        #expect(NamedMetrics.names(of: ["x/a", "y/a/"]) == ["x/a", "y/a"])
        #expect(NamedMetrics.names(of: ["metrics.h5"]) == ["metrics.h5"] && NamedMetrics.names(of: ["."]) == ["."])
        #expect(NamedMetrics.names(of: ["a", "a"]) == ["a", "a"])
    }

    @Test func textIsEscapedAndPiecesAreNot() {
        let name = "</td><script>\"'&"
        let piece: HTML = "<b>\(name)</b>"
        let page: HTML = "<td title=\"\(name)\">\(piece)\([piece, "x"])\(3)</td>"
        let safe = "&lt;/td&gt;&lt;script&gt;&quot;&#39;&amp;"
        #expect(page.description == "<td title=\"\(safe)\"><b>\(safe)</b><b>\(safe)</b>\nx3</td>")
    }
}
