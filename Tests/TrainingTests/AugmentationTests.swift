import Foundation
import HDF5
import NeuralNetwork
import Storage
import StorageSupport
import TestSupport
import Testing
import Training

/// Non-leaking augmentation: what is drawn, what is done to images, and what the network is told.
@Suite struct AugmentationTests {
    private func applied(_ change: ImageChange, _ image: [Float], side: Int, channels: Int = 1) -> [Float] {
        var image = image
        image.withUnsafeMutableBufferPointer { change.apply(to: $0, side: side, channels: channels) }
        return image
    }

    /// Nothing to the bit where nothing is drawn; flips, and turns by right angles, move pixels.
    @Test func pixelsThatMove() {
        let image = (0..<18).map { Float($0) * 0.37 - 1 }
        #expect(applied(ImageChange(), image, side: 3, channels: 2) == image)
        #expect(ImageChange().numbers == [Float](repeating: 0, count: 9))
        func moved(_ from: (Int, Int) -> (y: Int, x: Int)) -> [Float] {
            (0..<9).flatMap { number -> [Float] in
                let (y, x) = from(number / 3, number % 3)
                return [image[2 * (3 * y + x)], image[2 * (3 * y + x) + 1]]
            }
        }
        var change = ImageChange()
        change.mirrored = true
        #expect(applied(change, image, side: 3, channels: 2) == moved { ($0, 2 - $1) })
        change.upsideDown = true
        #expect(applied(change, image, side: 3, channels: 2) == moved { (2 - $0, 2 - $1) })
        // A quarter turn counterclockwise: the right column becomes the upper row.
        change = ImageChange()
        change.rotation = .pi / 2
        let turned = zip(applied(change, image, side: 3, channels: 2), moved { ($1, 2 - $0) })
        #expect(turned.allSatisfy { abs($0 - $1) < 1e-6 })
        // Three eighths of eight pixels to the right, one up; the rest is mirrored at the first and the last pixel.
        change = ImageChange()
        change.translation = SIMD2(3, -1)
        let large = (0..<64).map { Float($0) }
        let shifted = applied(change, large, side: 8)
        for y in 0..<8 {
            for x in 0..<8 {
                #expect(shifted[8 * y + x] == large[8 * (y < 7 ? y + 1 : 6) + (x >= 3 ? x - 3 : 3 - x)], "\(y) \(x)")
            }
        }
    }

    /// The kernel reproduces polynomials of second degree: where no pixel beyond the edge takes part, the result is the
    /// polynomial at the place that the published matrices name, G⁻¹ = S⁻¹ R(w) R(−r) diag(1/s, s) R(r) T⁻¹.
    @Test func geometryIsThatOfThePublishedMatrices() {
        let side = 64
        let middle = Double(side - 1) / 2
        func value(_ x: Double, _ y: Double) -> Double {
            0.3 + 0.02 * x - 0.01 * y + 4e-4 * x * y + 3e-4 * x * x - 2e-4 * y * y
        }
        let image = (0..<side * side).map { Float(value(Double($0 % side) - middle, Double($0 / side) - middle)) }
        var change = ImageChange()
        (change.scale, change.rotation, change.anisotropy, change.direction) = (0.7, 0.9, -1.1, -2.2)
        change.translation = SIMD2(0.31, -0.42)
        let result = applied(change, image, side: side)
        func rotation(_ angle: Double) -> [[Double]] {
            [[cos(angle), -sin(angle), 0], [sin(angle), cos(angle), 0], [0, 0, 1]]
        }
        func diagonal(_ a: Double, _ b: Double) -> [[Double]] { [[a, 0, 0], [0, b, 0], [0, 0, 1]] }
        func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
            (0..<3).map { i in (0..<3).map { j in (0..<3).reduce(0) { $0 + a[i][$1] * b[$1][j] } } }
        }
        let (s, a) = (pow(2, 0.2 * 0.7), pow(2, 0.2 * -1.1))
        let shift: [[Double]] = [[1, 0, -0.31 * 8], [0, 1, 0.42 * 8], [0, 0, 1]]
        let matrix = [
            diagonal(1 / s, 1 / s), rotation(0.9), rotation(2.2), diagonal(1 / a, a), rotation(-2.2), shift,
        ].reduce(diagonal(1, 1), product)
        var compared = 0
        for y in 0..<side {
            for x in 0..<side {
                let (u, v) = (Double(x) - middle, Double(y) - middle)
                let place = (0..<2).map { matrix[$0][0] * u + matrix[$0][1] * v + matrix[$0][2] }
                guard place.allSatisfy({ abs($0) < middle - 2 }) else { continue }
                compared += 1
                guard abs(Double(result[y * side + x]) - value(place[0], place[1])) > 2e-6 else { continue }
                Issue.record("\(x), \(y): \(result[y * side + x]), wanted \(value(place[0], place[1]))")
                return
            }
        }
        #expect(compared > 1500)
    }

    /// Frequencies and spreads over many places; each has its own, and the same again.
    @Test func changesAreDrawnAsPublished() {
        let (p, count) = (0.3, 20_000)
        let augmentation = Augmentation(probability: p, seed: 5)
        let changes = (0..<count).map { augmentation.change(at: ($0 % 3, $0 / 3)) }
        #expect(changes[..<100].elementsEqual((0..<100).map { augmentation.change(at: ($0 % 3, $0 / 3)) }))
        func expect(_ share: Double, _ what: String, _ holds: (ImageChange) -> Bool) {
            // Five deviations.
            let found = Double(changes.count(where: holds)) / Double(count)
            #expect(abs(found - share) < 5 * (share * (1 - share) / Double(count)).squareRoot(), "\(what): \(found)")
        }
        expect(0.5, "mirrored") { $0.mirrored }
        expect(p / 2, "upside down") { $0.upsideDown }
        expect(p, "scaled") { $0.scale != 0 }
        expect(p, "turned") { $0.rotation != 0 }
        expect(p, "stretched") { $0.anisotropy != 0 }
        expect(p / 2, "stretched in a direction") { $0.direction != 0 }
        expect(p, "moved") { $0.translation != SIMD2(0, 0) }
        expect(p * p, "scaled and turned") { $0.scale != 0 && $0.rotation != 0 }
        func expectSpread(_ variance: Double, _ what: String, _ value: (ImageChange) -> Double) {
            let values = changes.map(value).filter { $0 != 0 }
            let n = Double(values.count)
            let mean = values.reduce(0, +) / n
            let found = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
            #expect(abs(mean) < 5 * (variance / n).squareRoot(), "\(what): mean \(mean)")
            #expect(abs(found / variance - 1) < 5 * (2 / n).squareRoot(), "\(what): variance \(found)")
        }
        expectSpread(1, "scale") { $0.scale }
        expectSpread(.pi * .pi / 3, "rotation") { $0.rotation }
        expectSpread(1, "anisotropy") { $0.anisotropy }
        expectSpread(.pi * .pi / 3, "direction") { $0.direction }
        expectSpread(1, "to the right") { $0.translation.x }
        expectSpread(1, "down") { $0.translation.y }
        expectSpread(1, "both ways") { $0.translation.x * $0.translation.y }
        let told = changes[7].numbers
        let (r, d, w) = (changes[7].rotation, changes[7].direction, changes[7].anisotropy)
        #expect(told[3...6].elementsEqual([cos(r) - 1, sin(r), w * cos(d), w * sin(d)].map { Float($0) }))
    }

    /// The network learns from what it is told, and is told of nothing when it draws: then it does not matter what it
    /// learned of that.
    @Test(arguments: [[], Run.adm]) func samplingTellsOfNothing(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let made = try run.trainHere("out", settings: Run.augmented + settings + ["steps=3", "ema.start=0"])
            #expect(made.status == 0, "\(made.errors)")
            var state = try Checkpoint.read(run.checkpoint("out", step: 3))
            let name = "model.map_augment.weight"
            let place = try #require(state["ema"].firstIndex { $0.name == name })
            #expect(state["ema"][place].shape[1] == ModelConfiguration.augmentationNumbers)
            #expect(state["optimizer/second_moment"][place].values.contains { $0 > 0 })
            state["ema"][place].values = state["ema"][place].values.map { 10 * $0 + 1 }
            try state.write(to: run.path("other.h5"))
            let pictures = try [run.checkpoint("out", step: 3), run.path("other.h5")].map { file in
                let output = run.path("samples.h5")
                let drawn = try TestSupport.run(
                    [product("smd"), "sample", file, "--count", "4", "--output", output, "-f"], timeout: 120)
                #expect(drawn.status == 0, "\(drawn.errors)")
                return try HDF5File.open(output).root.dataset("images").read(as: UInt8.self)
            }
            // ADM's last layer starts at zero: after three steps its images are nearly black and white.
            #expect(pictures[0] == pictures[1] && Set(pictures[0]).count > (settings.isEmpty ? 8 : 1))
        }
    }

    /// What cannot be augmented is refused, each with its reason.
    @Test func whatIsNoImageIsRefused() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func refusal(_ run: Run, _ settings: [String]) throws -> String {
                let result = try run.trainHere("out", settings: ["model.augment=0.5"] + settings)
                #expect(result.status == 65)
                return result.errors
            }
            #expect(
                try refusal(run, ["model.self_condition=true"]).contains("model.augment=0, model.self_condition=false"))
            #expect(
                try refusal(run, Run.classifier).contains("a classifier is told of no augmentation: model.augment=0"))
            #expect(try refusal(Run(latentsIn: folder), Run.ofLatents).contains("cannot be turned or scaled"))
            try withTemporaryDirectory { other in
                let points = try Run(points: [0, 1, 2, 3], in: other)
                #expect(try refusal(points, []).contains("which is for images"))
            }
            // Another probability goes on, none does not.
            try run.trainHere("out", settings: Run.augmented + ["steps=1"])
            let more = try run.trainHere("out", resume: "auto", settings: ["model.augment=0.2", "steps=2"])
            #expect(more.status == 0 && more.errors.contains("another model.augment (0.5 before, 0.2 now)"), "\(more)")
            let none = try run.trainHere("out", resume: "auto", settings: ["steps=3"])
            #expect(none.status == 65 && none.errors.contains("another model.augment (0.2 before, 0.0 now)"), "\(none)")
        }
    }
}
