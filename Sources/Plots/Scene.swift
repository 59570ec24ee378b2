/// A place in a drawing, in CSS pixels from the top left corner.
public struct Point: Equatable, Sendable {
    public var x: Double
    public var y: Double

    public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
}

/// What a mark is drawn with: a role, whose colour is a matter of the theme.
public enum Ink: Equatable, Sendable {
    case ground, grid, muted, text
    /// The curve of this number; numbers beyond the palette begin again.
    case series(Int)

    private static let light: [UInt32] = [
        0x2F6FB7, 0xD2601A, 0x2F8F5B, 0x8A57B8, 0xA67C00, 0xC2417C, 0x2A93A3, 0x6E6E6E,
    ]
    private static let dark: [UInt32] = [
        0x6FA8E8, 0xF0935A, 0x62C48F, 0xBD93E6, 0xD9B44A, 0xF07FB0, 0x5FC6D6, 0xA8A8A8,
    ]

    /// Name of the class that a style sheet knows it by.
    public var className: String {
        switch self {
        case .ground: "ground"
        case .grid: "grid"
        case .muted: "muted"
        case .text: "text"
        case .series(let number): "curve\(number % Self.light.count)"
        }
    }

    /// Red, green and blue on white, 0xRRGGBB.
    public var onLight: UInt32 {
        switch self {
        case .ground: 0xFFFFFF
        case .grid: 0xE4E7EB
        case .muted: 0x66707C
        case .text: 0x1F2733
        case .series(let number): Self.light[number % Self.light.count]
        }
    }

    /// Red, green and blue on a dark page, 0xRRGGBB.
    public var onDark: UInt32 {
        switch self {
        case .ground: 0x171B21
        case .grid: 0x2E353F
        case .muted: 0x98A2AF
        case .text: 0xE6EAF0
        case .series(let number): Self.dark[number % Self.dark.count]
        }
    }

    /// One of each class.
    public static let all: [Ink] = [.ground, .grid, .muted, .text] + light.indices.map { .series($0) }
}

/// A thing that is drawn.
public enum Mark: Equatable, Sendable {
    public enum Anchor: String, Sendable { case start, middle, end }

    /// Straight pieces from point to point with round ends; a single point is a dot. `width` in pixels.
    case line([Point], Ink, width: Double, opacity: Double)
    /// A line of text whose baseline begins, is centred or ends at `at`; `size` in pixels.
    case text(String, at: Point, Ink, size: Double, anchor: Anchor, isBold: Bool)
}

/// A drawing: marks in their order, later ones above. `svg` and `png` draw it.
public struct Scene: Equatable, Sendable {
    public let width: Double
    public let height: Double
    public private(set) var marks: [Mark] = []

    /// An empty drawing of `width` × `height` pixels.
    public init(width: Double, height: Double) {
        precondition(width >= 1 && height >= 1, "a drawing of \(width)×\(height) pixels")
        (self.width, self.height) = (width, height)
    }

    public mutating func line(_ points: [Point], _ ink: Ink, width: Double = 1, opacity: Double = 1) {
        if !points.isEmpty { marks.append(.line(points, ink, width: width, opacity: opacity)) }
    }

    public mutating func text(
        _ text: String, at point: Point, _ ink: Ink, size: Double = 11, anchor: Mark.Anchor = .start,
        isBold: Bool = false
    ) {
        marks.append(.text(text, at: point, ink, size: size, anchor: anchor, isBold: isBold))
    }

    /// Pixels that `text` takes, about: fonts differ.
    static func width(of text: String, size: Double = 11) -> Double { 0.58 * size * Double(text.count) }
}
