import DataSets
import Foundation
import FoundationXML
import Plots
import Testing

/// Drawings: text in SVG, pixels in PNG.
@Suite struct SceneTests {
    /// A parser's view of a drawing: elements with their attributes, and their text.
    private final class Reader: NSObject, XMLParserDelegate {
        var elements: [(name: String, attributes: [String: String])] = []
        var text = ""

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String] = [:]
        ) { elements.append((name, attributes)) }
        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    }

    private func parsed(_ svg: String) throws -> Reader {
        let reader = Reader()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = reader
        try #require(parser.parse(), "\(svg)")
        return reader
    }

    /// Whatever a run is called, the drawing has the elements that it would have anyway, and shows the name.
    @Test(arguments: ["a<script>alert(1)</script>", "\"&'<>]]>", "x\u{0}\u{1B}[31m\u{202E}y\u{FFFF}", "&amp;", "名前 é"])
    func hostileNamesStayText(name: String) throws {
        var scene = Scene(width: 100, height: 50)
        scene.text(name, at: Point(1, 2), .text)
        scene.line([Point(0, 0), Point(10, 20)], .series(1), width: 2)
        let found = try parsed(scene.svg(label: name))
        #expect(found.elements.map(\.name) == ["svg", "rect", "text", "path"])
        let shown = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map {
                    [.control, .format].contains($0.properties.generalCategory) || $0 == "\u{FFFF}" ? " " : $0
                }))
        #expect(found.text.trimmingCharacters(in: .newlines) == shown)
        #expect(found.elements[0].attributes["aria-label"] == shown)
        #expect(found.elements[3].attributes["d"] == "M0 0L10 20")
    }

    @Test func numbersAreShortAndWithoutALocale() throws {
        var scene = Scene(width: 10, height: 10)
        scene.line([Point(-0.125, 1.0 / 3), Point(12.5, 0.004), Point(-0.001, 7.05)], .text)
        #expect(scene.svg(label: "").contains("d=\"M-0.13 0.33L12.5 0L0 7.05\""))
    }

    /// A stroke covers as much of a pixel as lies below it: one of 1 pixel, drawn at twice the size, fills two rows.
    @Test func linesCoverTheirWidth() throws {
        var scene = Scene(width: 20, height: 10)
        scene.line([Point(2, 5), Point(18, 5)], .text, width: 1)
        let image = try RasterImage.decode(scene.png())
        #expect(image.width == 40 && image.height == 20)
        func grey(_ x: Int, _ y: Int) -> Int { Int(image.pixels[(y * 40 + x) * 3]) }
        let ink = Int(Ink.text.onLight >> 16)
        #expect((8...11).map { grey(20, $0) } == [255, ink, ink, 255])
        #expect(grey(20, 3) == 255 && grey(0, 10) == 255)
    }

    /// Letters are where they should be: "|" is a bar in the middle of its cell, and what has no letter is a box.
    @Test func lettersAreDrawn() throws {
        func dark(_ text: String, anchor: Mark.Anchor = .start) throws -> Set<Int> {
            var scene = Scene(width: 40, height: 20)
            scene.text(text, at: Point(20, 15), .text, anchor: anchor)
            let image = try RasterImage.decode(scene.png())
            return Set((0..<80).filter { x in (0..<40).contains { image.pixels[($0 * 80 + x) * 3] < 128 } })
        }
        let bar = try dark("|")
        #expect(bar.count == 2 && bar.min() == 44, "\(bar.sorted())")
        #expect(try dark("||", anchor: .end).min() == 24)
        #expect(try dark("\u{1F600}") == dark("\u{25A1}"))
        #expect(try dark("").isEmpty)
    }

    @Test func theStyleSheetKnowsBothThemes() {
        let parts = Scene.styleSheet.components(separatedBy: "@media (prefers-color-scheme:dark)")
        #expect(parts.count == 2)
        for ink in Ink.all { #expect(parts.allSatisfy { $0.contains("path.\(ink.className){stroke:#") }) }
    }
}

/// Curves and the axes below them.
@Suite struct PanelTests {
    private func texts(_ scene: Scene) -> [String] {
        scene.marks.compactMap { if case .text(let text, _, _, _, _, _) = $0 { text } else { nil } }
    }

    private func lines(_ scene: Scene, _ ink: Ink) -> [[Point]] {
        scene.marks.compactMap { mark in
            if case .line(let points, let own, _, _) = mark, own == ink { points } else { nil }
        }
    }

    private func curve(_ y: [Double]) -> Curve { Curve(name: "n", color: 0, x: y.indices.map(Double.init), y: y) }

    private func panel(_ y: [Double]) -> Panel { Panel(title: "t", unit: "u", curves: [curve(y)]) }

    @Test(arguments: [
        ([0, 1], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), ([0, 80_000], ["0", "20k", "40k", "60k", "80k"]),
        ([0, 2e-4], ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
    ])
    func ticksAreRound(values: [Double], wanted: [String]) {
        let scene = panel(values).scene(width: 400, height: 200, PlotStyle())
        #expect(Set(wanted).isSubset(of: texts(scene).map { $0 == "0" ? wanted[0] : $0 }), "\(texts(scene))")
    }

    /// On a logarithmic scale equal ratios are equal distances, and 0 has no place.
    @Test func logarithms() {
        let scene = panel([1, 10, 100, 0, 1000]).scene(width: 400, height: 200, PlotStyle(isLogarithmic: true))
        let found = lines(scene, .series(0))
        #expect(found.map(\.count) == [3, 1])
        let y = found[0].map(\.y)
        #expect(abs((y[0] - y[1]) - (y[1] - y[2])) < 1e-9 && abs((y[1] - y[2]) - (y[2] - found[1][0].y)) < 1e-9)
        #expect(texts(scene).contains("log, u"))
    }

    @Test func notANumberInterruptsAndHugeNumbersStayInside() {
        let scene = panel([1, 2, .nan, 3, .infinity, -1e308, 1e308]).scene(width: 400, height: 200, PlotStyle())
        let found = lines(scene, .series(0))
        #expect(found.map(\.count) == [2, 1, 2])
        #expect(found.flatMap { $0 }.allSatisfy { (0...400).contains($0.x) && (0...200).contains($0.y) })
    }

    @Test(arguments: [[], [Double.nan, .nan], [5], [0, 0, 0], [1e-3, 1.0000000000000002e-3]])
    func littleToDraw(values: [Double]) {
        for isLogarithmic in [false, true] {
            let scene = panel(values).scene(width: 400, height: 200, PlotStyle(isLogarithmic: isLogarithmic))
            let hasPlace = values.contains { $0.isFinite && ($0 > 0 || !isLogarithmic) }
            #expect(texts(scene).contains("nothing to draw") == !hasPlace)
            #expect(texts(scene).allSatisfy { $0.count < 16 }, "\(texts(scene))")
        }
    }

    /// m₁ = y₁, and a constant stays what it is: the beginning at 0 does not show.
    @Test func smoothing() {
        #expect(curve([4, 4, 4]).smoothed(0.9).y.allSatisfy { abs($0 - 4) < 1e-12 })
        let y = curve([1, 3, .nan, 5]).smoothed(0.5).y
        // (0.5·1·0.5 + 0.5·3) / 0.75, and with 5: (0.125·1 + 0.25·3 + 0.5·5) / 0.875.
        #expect(y[0] == 1 && abs(y[1] - 7.0 / 3) < 1e-12 && y[2].isNaN && abs(y[3] - 3.375 / 0.875) < 1e-12)
        #expect(curve([1, 3]).smoothed(0).y == [1, 3])
    }

    /// A spike of one row in a hundred thousand is still there, and the drawing is small.
    @Test func longRunsAreThinnedWithoutLosingSpikes() {
        var y = (0..<100_000).map { sin(Double($0)) }
        y[70_000] = 50
        let found = lines(panel(y).scene(width: 400, height: 200, PlotStyle()), .series(0))
        #expect(found.count == 1 && found[0].count < 1000)
        let top = found[0].map(\.y).min() ?? 0
        #expect(found[0].filter { $0.y == top }.count == 1 && top < 50)
    }

    @Test func aFigureHasALegendForSeveralRunsOnly() {
        let runs: [(name: String, color: Int)] = [("one", 0), ("other", 1)]
        let both = Figure(panels: [panel([1, 2])], legend: runs, label: "")
        let single = Figure(panels: [panel([1, 2])], legend: [runs[0]], label: "")
        #expect(texts(both.scene(PlotStyle())).prefix(2) == ["one", "other"])
        #expect(!texts(single.scene(PlotStyle())).contains("one"))
    }
}

/// Curves of letters.
@Suite struct TerminalChartTests {
    private let rising = Curve(name: "n", color: 3, x: [0, 1], y: [0, 1])

    private func text(_ chart: TerminalChart) -> [String] { chart.lines.map { $0.map(\.text).joined() } }

    @Test func aRisingLineGoesFromTheLowerLeftToTheUpperRight() {
        let lines = text(TerminalChart([rising], .init(width: 40, isUnicode: true)))
        #expect(lines.count == 11 && lines.allSatisfy { $0.count <= 40 })
        #expect(
            lines[0].hasPrefix("1 │ ") && lines[0].hasSuffix("⠉") || lines[0].last.map { "⠁⠈⠉⠊⠔⠒".contains($0) } == true
        )
        #expect(lines[9].hasPrefix("0 │⣀") || lines[9].hasPrefix("0 │⡠"), "\(lines[9])")
        #expect(lines[10].hasPrefix("   0") && lines[10].hasSuffix("1"))
        // Every row has some of it: the dots are joined.
        #expect(lines.prefix(10).allSatisfy { $0.unicodeScalars.contains { (0x2801...0x28FF).contains($0.value) } })
    }

    @Test func withoutUTF8ThereIsOnlyASCII() {
        let lines = text(TerminalChart([rising], .init(width: 50, isUnicode: false)))
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } && $0.count <= 50 })
        #expect(lines[0].contains("'") || lines[0].contains("."))
    }

    @Test func colorsAreThoseOfTheCurves() {
        let flat = Curve(name: "m", color: 5, x: [0, 1], y: [1, 1])
        let colors = TerminalChart([rising, flat], .init(width: 40, isUnicode: true)).lines.map { Set($0.map(\.color)) }
        #expect(colors[0].contains(5) && colors[9] == [nil, 3] && colors[10] == [nil])
    }

    @Test func chartsBelowEachOtherHaveTheSameAxes() {
        let high = Curve(name: "m", color: 5, x: [0, 9], y: [7, 7])
        let lines = text(TerminalChart([rising], besides: [rising, high], .init(width: 40, isUnicode: true)))
        #expect(lines[0].hasPrefix("7 │") && lines[10].hasSuffix("9"))
    }
}
