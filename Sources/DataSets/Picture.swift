/// Samples as one picture: a grid of images, or a plot of points.
public struct Picture {
    package let pixels: [UInt8]
    package let height: Int
    package let width: Int
    let channels: Int

    /// Whether a picture of `count` samples of `size` × `size` is small enough to be written.
    public static func fits(count: Int, size: Int, classes: Int = 0) -> Bool {
        let columns = columns(count, classes)
        let side = max(columns, (count + columns - 1) / columns)
        return size == 1 || side * (size * scale(size) + 2) + 2 <= RasterImage.maximumSide
    }

    /// As many rows as columns, or of more samples than classes a row a class.
    private static func columns(_ count: Int, _ classes: Int) -> Int {
        hasRows(count, classes) ? (count + classes - 1) / classes : Int(Double(count).squareRoot().rounded(.up))
    }
    private static func hasRows(_ count: Int, _ classes: Int) -> Bool { classes > 0 && count > classes }
    private static func scale(_ size: Int) -> Int { size < 48 ? 2 : 1 }

    /// - Parameters:
    ///   - samples: `[count, size, size, channels]`, images in [−1, 1].
    ///   - classes: where sample k is of class k mod `classes`: each class has a row, if there are samples for that; 0:
    ///     samples are of one class, or of none.
    public init(samples: [Float], _ size: Int, _ channels: Int, count: Int, classes: Int = 0) {
        if size == 1 {
            (pixels, height, width) = pointPlot(
                channels == 2
                    ? samples
                    : stride(from: 0, to: samples.count, by: channels).flatMap { first in
                        [samples[first], channels > 1 ? samples[first + 1] : 0]
                    })
            self.channels = 1
        } else {
            var bytes = DataSets.pixels(samples)
            let columns = Self.columns(count, classes)
            if Self.hasRows(count, classes) {
                let image = size * size * channels
                let black = [UInt8](repeating: 0, count: columns * classes * image - bytes.count)
                bytes += black
                bytes = (0..<classes * columns).flatMap { place in
                    let sample = place % columns * classes + place / columns
                    return bytes[sample * image..<(sample + 1) * image]
                }
            }
            (pixels, height, width) = imageGrid(
                bytes, of: (size, size, channels), columns: columns, scale: Self.scale(size))
            self.channels = channels
        }
    }

    /// Images of one shape in rows of `columns`. Of 2 channels the first is shown, of 4 the first three.
    ///
    /// - Parameter images: whole images of height × width × channels bytes.
    public init(images: [UInt8], of sample: SampleShape, columns: Int) {
        guard case .image(let height, let width, let channels, _) = sample else {
            preconditionFailure("\(sample.words) are not images")
        }
        self.channels = channels < 3 ? 1 : 3
        let visible = RasterImage.visible(images, channels: channels)
        (pixels, self.height, self.width) = imageGrid(
            visible, of: (height, width, self.channels), columns: columns, scale: Self.scale(max(height, width)))
    }

    /// Writes it as a PNG file.
    public func write(to path: String) throws {
        try PNG.write(pixels, height: height, width: width, channels: channels, to: path)
    }
}

/// Images as bytes: [−1, 1] to 0 … 255, rounded.
public func pixels(_ images: [Float]) -> [UInt8] {
    images.map { value in
        let scaled = ((value + 1) * 127.5).rounded()
        return scaled > 0 ? UInt8(min(scaled, 255)) : 0  // not-a-number becomes black
    }
}
