import Exchange
import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing
import Training

/// The mathematics of power-function averages.
@Suite struct PowerProfileTests {
    /// γ as the published code finds it, the largest real root of (γ+2)² (γ+3) σ² = γ + 1: numpy 2.4.6,
    /// `numpy.roots([1, 7, 16 - σ**-2, 12 - σ**-2]).real.max()`. The paper has 16.97 and 6.94 for 0.05 and 0.1.
    @Test(arguments: [
        (0.02, 46.989582157566616), (0.05, 16.972198602303447), (0.075, 10.289116448983853), (0.1, 6.937203937601809),
        (0.25, 0.71982395800071),
    ])
    func exponents(width: Double, exponent: Double) {
        #expect(abs(PowerFunctionAverage(width: width).exponent - exponent) < 1e-11 * (1 + exponent))
    }

    /// The width is the deviation of the density, as a share of the time: by numbers.
    @Test(arguments: [0.01, 0.05, 0.28]) func widthIsTheDeviation(width: Double) {
        let exponent = PowerFunctionAverage(width: width).exponent
        func expected(_ value: (Double) -> Double) -> Double {
            integral(to: 1) { (exponent + 1) * pow($0, exponent) * value($0) }
        }
        let mean = expected { $0 }
        #expect(abs(expected { _ in 1 } - 1) < 1e-6)
        #expect(abs(expected { ($0 - mean) * ($0 - mean) }.squareRoot() - width) < 1e-6 * width)
    }

    /// What the recursion makes of a parameter that is one in a single step and zero otherwise.
    @Test(arguments: [0.05, 0.1, 0.28]) func weightsOfTheSteps(width: Double) {
        let (average, last) = (PowerFunctionAverage(width: width), 40)
        for step in 1...last {
            var value = 0.5
            for t in 1...last {
                let decay = average.decay(step: t)
                value = decay * value + (t == step ? 1 - decay : 0)
            }
            let edges = [step - 1, step].map { pow(Double($0) / Double(last), average.exponent + 1) }
            #expect(abs(value - (edges[1] - edges[0])) < 1e-13)
        }
    }

    /// The products of densities, against the integral of their product.
    @Test func productsAreIntegrals() {
        let profiles = [(0.05, 100), (0.1, 100), (0.28, 70), (0.07, 31)].map { AverageProfile(width: $0, step: $1) }
        for a in profiles {
            for b in profiles {
                func density(_ p: AverageProfile, _ time: Double) -> Double {
                    let (exponent, end) = (p.average.exponent, Double(p.step))
                    return (exponent + 1) * pow(time / end, exponent) / end
                }
                let wanted = integral(to: Double(min(a.step, b.step))) { density(a, $0) * density(b, $0) }
                #expect(abs(a.product(b) - wanted) < 1e-6 * wanted, "\(a) \(b)")
            }
        }
    }

    /// The middle rule.
    private func integral(to end: Double, _ value: (Double) -> Double) -> Double {
        let count = 200_000
        return (0..<count).reduce(0) { $0 + value((Double($1) + 0.5) * end / Double(count)) } * end / Double(count)
    }

    /// The share by which a profile is missed is that of the integral, and falls with more snapshots; one that is there is
    /// taken as it is.
    @Test func fits() throws {
        let target = AverageProfile(width: 0.075, step: 1024)
        // The same system solved in Python: numpy 2.4.6, numpy.linalg.solve.
        let known = [0.04340005023552021, 0.03292002447294842, 0.01248925012436297, 0.0034831405469390856]
        for (count, miss) in zip([2, 4, 8, 16], known) {
            let averages = (1...count).flatMap { number in
                [0.05, 0.1].map { AverageProfile(width: $0, step: number * 1024 / count) }
            }
            let fit = try PostHocAverage(target, from: averages)
            let difference = integral(to: 1024) { time in
                let sum = zip(fit.weights, averages).reduce(0) { $0 + $1.0 * density($1.1, time) }
                return (sum - density(target, time)) * (sum - density(target, time))
            }
            #expect(abs(fit.miss - (difference / target.product(target)).squareRoot()) < 1e-4 * fit.miss)
            #expect(abs(fit.miss - miss) < 1e-7, "\(count): \(fit.miss)")
        }
        let there = [(0.05, 512), (0.1, 512), (0.05, 1024), (0.075, 1024)].map {
            AverageProfile(width: $0, step: $1)
        }
        let exact = try PostHocAverage(target, from: there)
        #expect(exact.weights == [0, 0, 0, 1] && exact.miss == 0)
    }

    private func density(_ p: AverageProfile, _ time: Double) -> Double {
        let (exponent, end) = (p.average.exponent, Double(p.step))
        return time > end ? 0 : (exponent + 1) * pow(time / end, exponent) / end
    }
}

/// Power-function averages of a run: kept, saved and put together afterwards.
@Suite struct PowerAverageTests {
    /// Each is the sum of the parameters of all steps with the weights of the closed form.
    @Test func averagesAreThoseOfTheSteps() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = ["steps=12", "checkpoint_every=1", "keep_checkpoints=20", "ema.widths=0.05,0.2"]
            let made = try run.trainHere("out", settings: settings)
            #expect(made.status == 0, "\(made.errors)")
            let states = try (1...12).map { try Checkpoint.read(run.checkpoint("out", step: $0)) }
            for width in [0.05, 0.2] {
                let power = PowerFunctionAverage(width: width).exponent + 1
                let found = states[11]["averages/\(width)"]
                try #require(!found.isEmpty)
                for (number, tensor) in found.enumerated() {
                    for (element, value) in tensor.values.enumerated() {
                        let wanted = (1...12).reduce(0.0) { sum, step in
                            let weight = pow(Double(step) / 12, power) - pow(Double(step - 1) / 12, power)
                            return sum + weight * Double(states[step - 1]["parameters"][number].values[element])
                        }
                        // Twelve sums in float32.
                        guard abs(Double(value) - wanted) > 4e-7 * max(abs(wanted), 0.01) else { continue }
                        Issue.record("\(width) \(tensor.name)[\(element)]: \(value), wanted \(wanted)")
                        return
                    }
                }
                #expect(firstDifference(found, states[11]["ema"]) != nil)
            }
        }
    }

    /// An average that no run kept, from snapshots of others, against a run that kept it: the closer the more snapshots
    /// there are. One that was kept is the same to the bit.
    @Test func putTogetherAfterwards() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = ["steps=64", "checkpoint_every=0", "eta_variance_every=0"]
            let truth = try run.trainHere("truth", settings: settings + ["ema.widths=0.075"])
            #expect(truth.status == 0, "\(truth.errors)")
            let state = try Checkpoint.read(run.checkpoint("truth", step: 64))
            var misses: [Double] = []
            for every in [32, 8, 2] {
                let result = try run.trainHere(
                    "kept-\(every)",
                    settings: settings + ["ema.widths=0.1,0.05", "ema.snapshot_every=\(every)"])
                #expect(result.status == 0, "\(result.errors)")
                let output = run.path("\(every).h5")
                let command = [
                    product("smd"), "checkpoint", "average", run.path("kept-\(every)"), "--width", "0.075", "--output",
                    output,
                ]
                let made = try TestSupport.run(command, timeout: 120)
                #expect(made.status == 0 && made.output.contains("of \(64 / every) snapshots"), "\(made)")
                let average = try Checkpoint.read(output)
                #expect(average["ema"] == average["parameters"] && average["averages/0.05"].isEmpty)
                let (miss, scale) = distances(average["ema"], state["averages/0.075"], from: state["parameters"])
                // `distances` has a − b and a − c: what averaging does at all is the measure.
                misses.append(miss / scale)
            }
            #expect(misses[1] < misses[0] / 2 && misses[2] < misses[1] / 2 && misses[2] < 0.01, "\(misses)")
            let same = run.path("same.h5")
            let command = [
                product("smd"), "checkpoint", "average", run.path("kept-8"), "--width", "0.1", "--at", "24", "--output",
                same,
            ]
            #expect(try TestSupport.run(command, timeout: 120).status == 0)
            let snapshot = try Checkpoint.read(run.path("kept-8/averages/step-00000024.h5"))
            #expect(snapshot.groups.map(\.name) == ["averages/0.05", "averages/0.1"])
            #expect(firstDifference(try Checkpoint.read(same)["ema"], snapshot["averages/0.1"]) == nil)
        }
    }

    /// Snapshots of steps that are to be done again go, in whatever way that comes; what is then left is as without.
    @Test func goingBackRemovesLaterSnapshots() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = Run.averages + ["checkpoint_every=2", "keep_checkpoints=9"]
            try run.trainHere("out", settings: settings + ["steps=6"])
            #expect(try snapshots(run, "out").count == 6)
            let whole = try snapshots(run, "out")
            let back = try run.trainHere(
                "out", resume: run.checkpoint("out", step: 2), settings: settings + ["steps=4"])
            #expect(back.status == 0, "\(back.errors)")
            #expect(back.errors.contains("removed 4 snapshots of averages from step 3 on"), "\(back.errors)")
            let names = try snapshots(run, "out").keys.sorted()
            #expect(names == (1...4).map { "step-0000000\($0).h5" })
            let on = try run.trainHere("out", resume: "auto", settings: settings + ["steps=6"])
            #expect(on.status == 0, "\(on.errors)")
            for (name, state) in try snapshots(run, "out") { #expect(state.groups == whole[name]?.groups, "\(name)") }
        }
    }

    /// What is no state of a run, nor weights that are there, is told so.
    @Test func whatIsNotThereIsSaid() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", settings: Run.averages + ["steps=4", "ema.snapshot_every=2"])
            func smd(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
                try TestSupport.run([product("smd")] + arguments, timeout: 120)
            }
            let snapshot = run.path("out/averages/step-00000002.h5")
            for file in [run.path("out"), snapshot] {
                let sample = try smd(
                    "sample", file, "--count", "1", "--weights", "average:0.05", "--output", run.path("samples.h5"),
                    "-f")
                #expect(sample.status == 0, "\(sample.errors)")
            }
            let other = try smd(
                "sample", run.path("out"), "--count", "1", "--weights", "average:0.07", "--output", run.path("no.h5"))
            #expect(
                other.status == 65 && other.errors.contains("no weights average:0.07, but average:0.05, average:0.1:"),
                "\(other.errors)")
            let unknown = try smd("sample", run.path("out"), "--weights", "average:x", "--output", run.path("no.h5"))
            #expect(unknown.status == 64 && unknown.errors.contains("average:WIDTH"), "\(unknown.errors)")
            let listed = try smd("checkpoint", "inspect", snapshot, "--tensors", "--weights", "average:0.1")
            #expect(listed.status == 0 && listed.output.contains("tensors of averages/0.1"), "\(listed.errors)")
            #expect(try smd("checkpoint", "verify", run.path("out/averages")).status == 0)
            let resumed = try run.trainHere("other", resume: snapshot, settings: Run.averages)
            #expect(resumed.status == 65 && resumed.errors.contains("cannot be resumed"), "\(resumed.errors)")
            let refusals: [(Int32, [String], String)] = [
                (65, ["--width", "0.07", "--at", "3"], "no snapshot of step 3: the nearest are of 2 and 4"),
                (64, ["--width", "0.5"], "--width is 0.5, wanted 0.005 to 0.28"),
                (64, ["--width", "0.07", "--weights", "raw"], "--weights is for a mean"),
                (64, ["--at", "3"], "--at is for an average of --width"),
            ]
            for (status, arguments, words) in refusals {
                let command = [product("smd"), "checkpoint", "average", run.path("out"), "--output", run.path("no.h5")]
                let result = try TestSupport.run(command + arguments, timeout: 60)
                #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
            }
            try run.trainHere("plain", settings: ["steps=2"])
            let none = try smd(
                "checkpoint", "average", run.path("plain"), "--width", "0.1", "--output", run.path("no.h5"))
            #expect(none.status == 65 && none.errors.contains("holds no snapshots of averages"), "\(none.errors)")
            #expect(!FileManager.default.fileExists(atPath: run.path("no.h5")))
        }
    }

    /// A width that a run does not have yet has no past; the order of widths is all one.
    @Test func otherWidthsAreRefused() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", settings: ["steps=2", "ema.widths=0.05,0.1"])
            let other = try run.trainHere("out", resume: "auto", settings: ["steps=3", "ema.widths=0.05,0.2"])
            #expect(other.status == 65 && other.errors.contains("another ema.widths ([0.05, 0.1] before"), "\(other)")
            let turned = try run.trainHere("out", resume: "auto", settings: ["steps=3", "ema.widths=0.1,0.05"])
            #expect(turned.status == 0 && warningLines(turned.errors).isEmpty, "\(turned.errors)")
        }
    }
}

/// The snapshots of averages that a run left, by name.
func snapshots(_ run: Run, _ output: String) throws -> [String: Checkpoint] {
    let folder = run.path(output) + "/averages"
    guard FileManager.default.fileExists(atPath: folder) else { return [:] }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try Checkpoint.read(folder + "/" + $0)) })
}
