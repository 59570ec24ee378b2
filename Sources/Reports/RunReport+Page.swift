import Configuration
import Files
import Foundation
import Plots
import Storage

extension RunReport {
    /// The page. The same run gives the same bytes.
    ///
    /// - Parameter style: how curves are drawn.
    public func page(_ style: PlotStyle) -> String {
        let sections = [
            curves(style), numbers, pictures("Previews", previews), pictures("Samples", samples), evaluationTables,
            settings, table("Data set", dataSheet), table("Machine and build", build),
        ]
        let page: HTML = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(overview.name)</title>
            <style>
            \(HTML(trusted: Self.styleSheet + Scene.styleSheet))
            </style>
            </head>
            <body>
            <header>
            <h1>\(overview.name) <span class="state \(overview.state.rawValue)">\(overview.state.rawValue)</span></h1>
            <p>\(subtitle)</p>
            </header>
            <main>
            \(sections.compactMap { $0 })
            </main>
            </body>
            </html>

            """
        return page.description
    }

    private var subtitle: String {
        let steps = overview.lastStep.map {
            "step \(grouped($0))" + (overview.steps.map { " of \(grouped($0))" } ?? "")
        }
        let parts = [
            overview.method, steps, overview.loss.map { "loss \(fourDigits($0))" }, overview.path, overview.problem,
        ]
        return parts.compactMap { $0 }.joined(separator: " · ")
    }

    private func section(_ title: String, _ content: HTML) -> HTML {
        "<section>\n<h2>\(title)</h2>\n\(content)\n</section>"
    }

    private func table(_ title: String, _ rows: [(name: String, value: String)]) -> HTML? {
        rows.isEmpty ? nil : section(title, nameTable(rows))
    }

    private func nameTable(_ rows: [(name: String, value: String)]) -> HTML {
        "<table>\n\(rows.map { "<tr><th scope=\"row\">\($0.name)</th><td>\($0.value)</td></tr>" as HTML })\n</table>"
    }

    private func curves(_ style: PlotStyle) -> HTML? {
        guard let metrics, metrics.table.rowCount > 0, let figure = try? Figure.metrics([metrics]) else { return nil }
        let plots = figure.panels.map { panel -> HTML in
            let svg = panel.scene(width: 470, height: 230, style).svg(label: panel.title, hasGround: false)
            return "<figure>\(HTML(trusted: svg))</figure>"
        }
        return section("Curves", "<div class=\"plots\">\n\(plots)\n</div>")
    }

    private var numbers: HTML? {
        guard let metrics, metrics.table.rowCount > 0 else { return nil }
        let summary = MetricsSummary(path: overview.path, table: metrics.table, rows: nil)
        let rows = summary.shownColumns.map { name, column -> HTML in
            let cells = [column.start, column.now, column.minimum, column.maximum].map { value -> HTML in
                "<td>\(value.map(fourDigits) ?? "—")</td>"
            }
            return "<tr><th scope=\"row\">\(name)</th>\(cells)</tr>"
        }
        let notes = summary.notes.map { "<p>\($0)</p>" as HTML }
        return section(
            "Numbers",
            """
            <div class="wide"><table class="numbers">
            <tr><th></th><th>start</th><th>now</th><th>lowest</th><th>highest</th></tr>
            \(rows)
            </table></div>
            <p>Means over the first and the last \(summary.window) of \(grouped(summary.rows)) rows.</p>
            \(notes)
            """)
    }

    private func pictures(_ title: String, _ pictures: [Picture]) -> HTML? {
        guard !pictures.isEmpty else { return nil }
        let figures = pictures.map { picture -> HTML in
            let data = HTML(trusted: Data(picture.png).base64EncodedString())
            return """
                <figure><img alt="\(title), \(picture.caption)" src="data:image/png;base64,\(data)">
                <figcaption>\(picture.caption)</figcaption></figure>
                """
        }
        return section(title, "<div class=\"pictures\">\n\(figures)\n</div>")
    }

    private var evaluationTables: HTML? {
        guard !evaluations.isEmpty else { return nil }
        let tables = evaluations.map { "<h3>\($0.name)</h3>\n\(nameTable($0.rows))" as HTML }
        return section("Evaluation", "\(tables)")
    }

    /// What differs from the defaults, then the rest, folded.
    private var settings: HTML? {
        guard let configuration else { return nil }
        let defaults = Dictionary(
            RunConfiguration().settings().map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        let all = configuration.settings().map { (name: $0.key, value: $0.value) }
        let own = all.filter { !$0.value.hasSameBytes(as: defaults[$0.name] ?? "") }
        let rest = all.filter { $0.value.hasSameBytes(as: defaults[$0.name] ?? "") }
        return section(
            "Configuration",
            """
            <p>\(own.count) of \(all.count) settings differ from the defaults.</p>
            \(nameTable(own))
            <details><summary>The other \(rest.count), as the defaults</summary>
            \(nameTable(rest))
            </details>
            """)
    }

    private var build: [(name: String, value: String)] {
        var rows: [(name: String, value: String)] = []
        if let header {
            rows += [("written by", "smd \(header.version)"), ("newest checkpoint", "step \(grouped(header.step))")]
            rows += header.attributes.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
            rows.append(("data fingerprint", header.dataFingerprint))
        }
        if let host { rows.append(("host of the last job", host)) }
        rows.append(("size on disk", sizeText(overview.bytes)))
        return rows + [("page made by", "smd \(Release.version)")]
    }
}
