import Arrays
import DataSets
import Evaluation
import Foundation
import NeuralNetwork
import TestSupport
import Testing

/// Inception features against those of PyTorch: torch 2.15.0 and torchvision 0.29.2 on a CPU, the network of pytorch-fid
/// 0.3.0, the resize of torch-fidelity 0.4.0, with weights and images by the formulas below.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) struct InceptionTests {
    /// What was computed of one image: some of its features, and the norm of all of them.
    private struct Expected {
        let image: FormulaImage
        let features: [Float]
        let norm: Double
    }

    private static let places = [1, 319, 320, 700, 1500, 1855, 2047]

    private static let tensorFlow = [
        Expected(
            image: .colour, features: [0.07108794, 0, 4.933978, 0.6159672, 0.9699182, 0.1584904, 0.06890313],
            norm: 62.830757),
        Expected(
            image: .grey, features: [0.09400062, 0, 4.498748, 0.5697592, 1.156546, 0.2295792, 0.01112306],
            norm: 59.388417),
        Expected(
            image: .large, features: [0.1373643, 0, 7.378115, 1.041248, 1.466662, 0.3066471, 0.2254444],
            norm: 89.155573),
    ]
    private static let pyTorch = [
        Expected(
            image: .colour, features: [0.09207921, 0, 4.903172, 0.5949851, 0.9545354, 0.1709498, 0.05014379],
            norm: 62.656827),
        Expected(
            image: .grey, features: [0.1009832, 0, 4.523165, 0.5621858, 1.139993, 0.2411456, 0.02254337],
            norm: 59.585763),
        Expected(
            image: .large, features: [0.1356859, 0, 7.388668, 1.046487, 1.490414, 0.3047376, 0.229273],
            norm: 89.349356),
    ]

    @Test func featuresAreThoseOfPyTorch() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/formula.safetensors"
            try FormulaWeights.write(to: path)
            // What they are compared with does not matter to these features.
            let reference = ImageReference.statistics(try NPZ(path: path))
            for (kind, expected) in [("inception", Self.tensorFlow), ("inception-torch", Self.pyTorch)] {
                let features = try FeatureKind.features("\(kind):\(path)", for: reference, alone())
                #expect(features.name == kind && features.dimension == 2048)
                for one in expected {
                    let found = try features.features(of: one.image.values, count: 1, one.image.shape)
                    #expect(found.count == 2048)
                    let norm = found.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                    #expect(agree(norm, one.norm, to: 1e-5), "\(kind), \(one.image): \(norm)")
                    for (place, value) in zip(Self.places, one.features) {
                        #expect(
                            abs(found[place] - value) <= 1e-3 * max(value, 0.01),
                            "\(kind), \(one.image), feature \(place): \(found[place]), not \(value)")
                    }
                }
            }
        }
    }

    /// An image has the features that it has alone, wherever it stands among others.
    @Test func imagesDoNotMeetEachOther() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/formula.safetensors"
            try FormulaWeights.write(to: path)
            let features = try FeatureKind.features(
                "inception:\(path)", for: .statistics(try NPZ(path: path)), alone())
            let (one, other) = (FormulaImage.grey.values, FormulaImage.grey.values.map { -$0 })
            let among = try features.features(
                of: (0..<9).flatMap { $0 == 8 ? one : other }, count: 9, FormulaImage.grey.shape)
            let alone = try features.features(of: one, count: 1, FormulaImage.grey.shape)
            #expect(Array(among.suffix(2048)) == alone && Array(among.prefix(2048)) != alone)
        }
    }
}

/// The two resizes, by interpolate_bilinear_2d_like_tensorflow1x of torch-fidelity 0.4.0 and torch's interpolate (2.15.0).
@Suite struct BilinearResizeTests {
    private static let image: [Float] = [
        188, 224, 248, 254, 244, 218, 179, 134, 87, 46, 17, 2, 4, 23, 56, 98, 144, 188, 223, 245,
    ]

    /// The 5×4 image at `size`×`size`.
    private func resized(_ convention: BilinearResize.Convention, _ size: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: size * size) { buffer, count in
            count = size * size
            let place = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            Self.image.withUnsafeBufferPointer { BilinearResize(convention, size: size)($0, 5, 4, 1, to: place) }
        }
    }

    @Test(arguments: [
        (
            BilinearResize.Convention.tensorFlow,
            [
                188, 212, 232, 248, 252, 254, 234.6667, 224.2222, 209.5, 190.5, 166.1667, 154, 139.3333, 115.3333,
                92.55556, 71.00001, 54.33334, 46.00001, 45.5, 38.16666, 35.16666, 36.5, 45.5, 50, 50.66666, 68.88887,
                89.22221, 111.6667, 135.2222, 147, 144, 173.3333, 199.6667, 223, 237.6667, 245,
            ],
            [188, 232, 252, 139.33334, 92.55556, 54.333336, 50.666656, 89.22221, 135.22221]
        ),
        (
            .pyTorch,
            [
                188, 206, 228, 244, 251, 254, 230, 224.75, 215.625, 200.125, 180.125, 164, 152.4167, 135.0417,
                112.1389, 90.02779, 70.75002, 57.00001, 52.41668, 44.41667, 35.88889, 33.77777, 37.62499, 41.99998, 39,
                51.625, 69.83334, 92.16666, 116.25, 134.75, 144, 166, 193.8333, 217.1667, 234, 245,
            ],
            [209.22223, 223.5, 215.83333, 80.16666, 31.5, 4.4999976, 103.277756, 150.16664, 191.2222]
        ),
    ])
    func pixelsAreThoseOfPyTorch(convention: BilinearResize.Convention, larger: [Float], smaller: [Float]) {
        for (size, expected) in [(6, larger), (3, smaller)] {
            for (place, (found, wanted)) in zip(resized(convention, size), expected).enumerated() {
                #expect(abs(found - wanted) < 1e-4, "pixel \(place) of \(size)×\(size): \(found), not \(wanted)")
            }
        }
    }
}
