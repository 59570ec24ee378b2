import ArgumentParser

/// A number of bytes: "512MB", "1GiB", "4096".
struct ByteCount: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int
    var description: String {
        let units = ["GiB": 30, "MiB": 20, "KiB": 10]
        let fitting = units.filter { bytes > 0 && bytes % (1 << $0.value) == 0 }.max { $0.value < $1.value }
        return fitting.map { "\(bytes >> $0.value)\($0.key)" } ?? "\(bytes)"
    }
    var defaultValueDescription: String { description }

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let scales = [
            ("KIB", 1 << 10), ("MIB", 1 << 20), ("GIB", 1 << 30), ("TIB", 1 << 40), ("KB", 1000), ("MB", 1_000_000),
            ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30),
            ("T", 1 << 40), ("B", 1), ("", 1),
        ]
        let upper = argument.uppercased()
        guard let (suffix, scale) = scales.first(where: { upper.hasSuffix($0.0) }),
            let number = Double(upper.dropLast(suffix.count)), number >= 0, number * Double(scale) < 0x1p62
        else { return nil }
        bytes = Int(number * Double(scale))
    }
}
