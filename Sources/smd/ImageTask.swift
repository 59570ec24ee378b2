import ArgumentParser
import DataSets
import Diffusion

/// What was done to images, or is to be done to them, in a word.
enum ImageTask: ExpressibleByArgument, CustomStringConvertible {
    case nothing
    case superResolution(side: Int)
    case mask(String)
    case centre(side: Int)
    case noise(deviation: Double)

    static let help = "inpaint:MASK.h5, inpaint:centre:SIDE, super-resolution:SIDE"

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let value = parts.count == 2 ? parts[1] : ""
        let centre = value.hasPrefix("centre:") ? Int(value.dropFirst("centre:".count)) : nil
        switch parts[0] {
        case "none" where parts.count == 1: self = .nothing
        case "super-resolution":
            guard let side = Int(value), side > 1 else { return nil }
            self = .superResolution(side: side)
        case "inpaint":
            if let centre { self = .centre(side: centre) } else { self = .mask(value) }
            guard !value.isEmpty, centre ?? 1 > 0 else { return nil }
        case "noise":
            guard let deviation = Double(value), deviation > 0, deviation.isFinite else { return nil }
            self = .noise(deviation: deviation)
        default: return nil
        }
    }

    var description: String {
        switch self {
        case .nothing: "none"
        case .superResolution(let side): "super-resolution:\(side)"
        case .mask(let path): "inpaint:\(path)"
        case .centre(let side): "inpaint:centre:\(side)"
        case .noise(let deviation): "noise:\(deviation)"
        }
    }

    /// What is known of samples of `shape`, `count` of them.
    ///
    /// - Throws: `CommandFailure` where the task does not go with them.
    func observation(of shape: SampleShape, count: Int) throws -> Observation {
        guard case .image(let height, let width, let channels, _) = shape else {
            if case .nothing = self { return Observation(.nothing, height: 1, width: 1, channels: shape.elements) }
            throw CommandFailure(.badInput, "--task \(self) is for images; these are \(shape.kind)")
        }
        func observation(_ part: Observation.Part) -> Observation {
            Observation(part, height: height, width: width, channels: channels)
        }
        switch self {
        case .nothing, .noise: return observation(.nothing)
        case .superResolution(let side):
            guard height % side == 0, width % side == 0 else {
                throw CommandFailure(.badInput, "--task \(self): \(side) does not divide \(height)×\(width) pixels")
            }
            return observation(.blockMeans(side: side))
        case .centre(let side):
            guard side < min(height, width) else {
                throw CommandFailure(.badInput, "--task \(self): hides all of \(height)×\(width) pixels")
            }
            let (top, left) = ((height - side) / 2, (width - side) / 2)
            return observation(
                .pixels(
                    (0..<height * width).map { pixel in
                        !(top..<top + side ~= pixel / width && left..<left + side ~= pixel % width)
                    }))
        case .mask(let path): return observation(.pixels(try Self.known(path, height, width, count)))
        }
    }

    /// The pixels that are bright in the images of a mask: one for all, or one each.
    private static func known(_ path: String, _ height: Int, _ width: Int, _ count: Int) throws -> [Bool] {
        try FileTrial.run(.dataset, path)
        let masks = try DataSet(path: path)
        guard masks.sample.with(conditions: 0) == .image(height: height, width: width, channels: 1),
            [1, count].contains(masks.count)
        else {
            throw CommandFailure(
                .badInput,
                "\(path): \(masks.count) of \(masks.sample.words); a mask is 1 of \(height)×\(width)×1, or \(count), bright "
                    + "where a pixel is known")
        }
        return try (0..<masks.count).flatMap { try masks.pixels($0).map { $0 > 127 } }
    }
}
