/// Bilinear interpolation of images to a square, without a filter for larger ones, by one of two conventions of where a
/// pixel lies. Figures of Inception features depend on it (Parmar, Zhang, Zhu 2022).
package struct BilinearResize {
    package enum Convention: Sendable {
        /// Pixel i lies at i: the place of y is `y · from/to`. That of TensorFlow's resize_bilinear, which is part of the
        /// graph that the Fréchet Inception distance was defined with; torch-fidelity has it too.
        case tensorFlow
        /// Pixel i covers i … i + 1: the place of y is `(y + ½) · from/to − ½`, at least 0. That of PyTorch's interpolate
        /// (align_corners=False), which pytorch-fid uses.
        case pyTorch
    }

    /// Between which two rows or columns a result lies, and how far behind the first.
    private struct Place {
        let first, second: Int
        let weight: Float
    }

    package let convention: Convention
    /// Rows and columns of the results.
    package let size: Int

    package init(_ convention: Convention, size: Int) { (self.convention, self.size) = (convention, size) }

    private func places(_ from: Int) -> [Place] {
        let scale = Double(from) / Double(size)
        return (0..<size).map { index in
            let place =
                switch convention {
                case .tensorFlow: Double(index) * scale
                case .pyTorch: max(0, (Double(index) + 0.5) * scale - 0.5)
                }
            let first = min(Int(place), from - 1)
            return Place(first: first, second: min(first + 1, from - 1), weight: Float(place - Double(first)))
        }
    }

    /// `image [height, width, channels]` as `[size, size, channels]`, at `result`.
    package func callAsFunction(
        _ image: UnsafeBufferPointer<Float>, _ height: Int, _ width: Int, _ channels: Int,
        to result: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(
            image.count == height * width * channels && result.count == size * size * channels,
            "\(height)×\(width)×\(channels) of \(image.count) to \(result.count)")
        let columns = places(width)
        var index = 0
        for row in places(height) {
            let (top, bottom) = (row.first * width * channels, row.second * width * channels)
            for column in columns {
                let (left, right) = (column.first * channels, column.second * channels)
                for c in 0..<channels {
                    let (a, b) = (image[top + left + c], image[bottom + left + c])
                    let upper = a + (image[top + right + c] - a) * column.weight
                    let lower = b + (image[bottom + right + c] - b) * column.weight
                    result[index] = upper + (lower - upper) * row.weight
                    index += 1
                }
            }
        }
    }
}
