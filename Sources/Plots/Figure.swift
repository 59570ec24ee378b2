/// Small plots of one width below and beside each other, under one legend.
public struct Figure: Sendable {
    public let panels: [Panel]
    /// Curves that are the same in all panels: name and number of the colour. With fewer than two there is no legend.
    public let legend: [(name: String, color: Int)]
    /// What it shows, for those who cannot see it.
    public let label: String

    private static let (width, panelHeight, gap) = (960.0, 220.0, 12.0)

    public init(panels: [Panel], legend: [(name: String, color: Int)], label: String) {
        precondition(!panels.isEmpty, "a figure without panels")
        (self.panels, self.legend, self.label) = (panels, legend, label)
    }

    /// The drawing.
    public func scene(_ style: PlotStyle) -> Scene {
        let gap = Self.gap
        let columns = panels.count == 1 ? 1 : 2
        let rows = (panels.count + columns - 1) / columns
        var top = gap
        if legend.count > 1 {
            // Where the names end is known once they are laid out.
            var trial = Scene(width: Self.width, height: 1)
            top += 16 * Double(drawLegend(legend, into: &trial, at: Point(gap + 6, 0), Self.width - 2 * gap)) + 8
        }
        var scene = Scene(width: Self.width, height: top + Double(rows) * (Self.panelHeight + gap))
        if legend.count > 1 {
            drawLegend(legend, into: &scene, at: Point(gap + 6, gap + 14), Self.width - 2 * gap)
        }
        let width = (Self.width - gap * Double(columns + 1)) / Double(columns)
        for (index, panel) in panels.enumerated() {
            let corner = Point(
                gap + Double(index % columns) * (width + gap),
                top + Double(index / columns) * (Self.panelHeight + gap))
            panel.draw(into: &scene, at: corner, width: width, height: Self.panelHeight, style)
        }
        return scene
    }

    /// The drawing as a file in SVG.
    public func svg(_ style: PlotStyle) -> String { scene(style).svg(label: label) }
}
