/// What is known of images: some of their pixels, or the means of square blocks. Replacing that part of an image by the known
/// one is a projection that brings no two images further apart, as Come-Closer-Diffuse-Faster wants it after each step
/// (Chung, Sim and Ye 2022, equation 8).
///
/// Works on whole images `[N, height, width, channels]`, flat.
public struct Observation: Equatable, Sendable {
    /// What of an image is known.
    public enum Part: Equatable, Sendable {
        /// Nothing.
        case nothing
        /// The pixels that are true, `[height, width]` for all images, or `[images, height, width]`.
        case pixels([Bool])
        /// The mean of every block of so many pixels a side, of each channel.
        case blockMeans(side: Int)
    }

    public let part: Part
    let height: Int
    let width: Int
    let channels: Int

    /// - Parameter part: sides of blocks divide height and width.
    public init(_ part: Part, height: Int, width: Int, channels: Int) {
        switch part {
        case .nothing: break
        case .pixels(let known):
            precondition(
                !known.isEmpty && known.count % (height * width) == 0, "\(known.count) of \(height)×\(width) pixels")
        case .blockMeans(let side):
            precondition(
                side > 0 && height % side == 0 && width % side == 0, "blocks of \(side) in \(height)×\(width) pixels")
        }
        (self.part, self.height, self.width, self.channels) = (part, height, width, channels)
    }

    /// Replaces what is known of images `x` by that of `y`: `x − P x + P y`.
    ///
    /// - Parameter images: the numbers of the images, by which known pixels are looked up; beyond the last one it is the
    ///   last.
    public func replace(in x: inout [Float], by y: [Float], images: Range<Int>) {
        precondition(
            x.count == y.count && x.count == images.count * height * width * channels,
            "\(x.count) and \(y.count) numbers of \(images.count) images of \(height)×\(width)×\(channels)")
        switch part {
        case .nothing: return
        case .pixels(let known):
            let (pixels, last) = (height * width, known.count / (height * width) - 1)
            for (slot, image) in images.enumerated() {
                for pixel in 0..<pixels where known[min(image, last) * pixels + pixel] {
                    let place = (slot * pixels + pixel) * channels
                    for c in place..<place + channels { x[c] = y[c] }
                }
            }
        case .blockMeans(let side):
            forEachBlock(of: side, in: images.count) { places in
                let difference = places.reduce(0) { $0 + Double(y[$1]) - Double(x[$1]) } / Double(places.count)
                for place in places { x[place] += Float(difference) }
            }
        }
    }

    /// The same, where all of an image counts as known if nothing is.
    public func replaceKnown(in x: inout [Float], by y: [Float], images: Range<Int>) {
        if part == .nothing { x = y } else { replace(in: &x, by: y, images: images) }
    }

    /// What is seen of images `y`: unknown pixels have the mean of the image's known ones (0 where none is known), pixels of
    /// a block its mean.
    public func seen(_ y: [Float], images: Range<Int>) -> [Float] {
        var x = [Float](repeating: 0, count: y.count)
        if case .pixels(let known) = part {
            let (pixels, last) = (height * width, known.count / (height * width) - 1)
            for (slot, image) in images.enumerated() {
                let seen = (0..<pixels).filter { known[min(image, last) * pixels + $0] }
                for c in 0..<channels {
                    let sum = seen.reduce(0) { $0 + Double(y[(slot * pixels + $1) * channels + c]) }
                    for pixel in 0..<pixels {
                        x[(slot * pixels + pixel) * channels + c] = Float(sum / Double(max(1, seen.count)))
                    }
                }
            }
        }
        if part == .nothing { return y }
        replace(in: &x, by: y, images: images)
        return x
    }

    private func forEachBlock(of side: Int, in images: Int, _ body: ([Int]) -> Void) {
        for image in 0..<images {
            for row in stride(from: 0, to: height, by: side) {
                for column in stride(from: 0, to: width, by: side) {
                    for c in 0..<channels {
                        body(
                            (0..<side * side).map { k in
                                ((image * height + row + k / side) * width + column + k % side) * channels + c
                            })
                    }
                }
            }
        }
    }
}
