import Foundation
import FuzzTargets
import TestSupport
import Testing

/// The short version of launch/fuzz: every parser over seeds with a few bytes changed, chosen by a seeded generator.
/// (The targets that reach libhdf5 crash on some: they run in launch/fuzz and, through the helper, in CommandTests.)
@Suite struct FuzzTests {
    @Test(arguments: FuzzTarget.allCases.filter { !$0.needsChild })
    func changedBytesAreRefusedInOneLine(target: FuzzTarget) throws {
        let seeds = try target.seeds()
        for seed in seeds { #expect(target.run(seed) == (target != .manifest), "\(target): a seed") }
        var state = Torture.seed
        func random(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let edges: [UInt8] = [0, 1, 2, 7, 8, 9, 10, 0x20, 0x2C, 0x3A, 0x5B, 0x7F, 0x80, 0xFE, 0xFF]
        for round in 0..<Torture.amount("mutations", short: 400) {
            var bytes = seeds[round % seeds.count]
            for _ in 0...random(below: 4) where !bytes.isEmpty {
                let place = random(below: bytes.count)
                switch random(below: 5) {
                case 0: bytes[place] = edges[random(below: edges.count)]
                case 1: bytes[place] ^= UInt8(1 << random(below: 8))
                case 2: bytes.insert(edges[random(below: edges.count)], at: place)
                case 3: bytes.remove(at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + random(below: 16)))
                }
            }
            let accepted = target.run(bytes)
            // The seal covers every bit.
            if target == .checkpoint { #expect(!accepted || bytes == seeds[0], "seed \(Torture.seed), round \(round)") }
        }
    }
}
