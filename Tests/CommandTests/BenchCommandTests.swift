import Foundation
import TestSupport
import Testing

/// `smd bench`, as a user runs it, on a network that takes milliseconds. One at a time: some start ranks of their own.
@Suite(.serialized, .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct BenchCommandTests {
    /// Sizes of a small network.
    private static let small = [
        "--preset", "fashion", "--set", "model.size=8", "--set", "model.dim=8", "--set", "model.dim_mults=[1, 2]",
        "--set", "model.head_dim=8", "--set", "model.heads=2", "--set", "model.latent_dim=8",
        "--set", "model.identifier.dim_mults=[1]",
    ]

    private func bench(_ arguments: [String]) throws -> [String: Any] {
        let result = try smd(["bench"] + arguments + ["--json"], environment: localMPISettings())
        #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        return try object(result.output)
    }

    /// Every report says what the machine gave: positive numbers, and null exactly where the CPU has no bf16.
    private func expectMachine(_ found: [String: Any]) throws {
        #expect(found["peak_gflops"] as? Double ?? 0 > 0)
        #expect(found["bandwidth_gigabytes_per_second"] as? Double ?? 0 > 0)
        let hasBF16 = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).contains("avx512_bf16")
        if hasBF16 {
            #expect(found["peak_bf16_gflops"] as? Double ?? 0 > 0)
        } else {
            #expect(found["peak_bf16_gflops"] is NSNull)
        }
    }

    private func rows(_ value: Any?) -> [[String: Any]] { value as? [[String: Any]] ?? [] }

    private func sum(_ rows: [[String: Any]], _ key: String) -> Double {
        rows.reduce(0) { $0 + ($1[key] as? Double ?? .nan) }
    }

    private func kind(_ row: [String: Any]) -> String {
        String((row["operation"] as? String ?? "").prefix { $0 != "+" })
    }

    @Test func step() throws {
        let found = try bench(
            ["step"] + Self.small + ["--batch", "6", "--micro-batch", "2", "--repeat", "3", "--against-vanilla"])
        try expectMachine(found)
        let repetitions = rows(found["repetitions"])
        #expect(repetitions.count == 3)
        for repetition in repetitions { try expectMachine(repetition) }
        #expect(found["batch"] as? Int == 6 && found["micro_batch"] as? Int == 2)
        #expect(found["ranks"] as? Int == 1 && found["smd"] as? Bool == true)
        let seconds = found["seconds_per_step"] as? Double ?? 0
        #expect(abs((found["images_per_second"] as? Double ?? 0) * seconds - 6) < 1e-6)
        #expect(found["fraction_of_peak"] as? Double ?? 0 > 0)
        #expect(found["peak_resident_bytes"] as? Int ?? 0 > found["activation_bytes"] as? Int ?? .max)
        #expect(found["ratio_to_vanilla"] as? Double ?? 0 > 0)
        #expect(found["profile"] == nil)
    }

    /// Every report says in which precision it measured.
    @Test(arguments: ["step", "sample"]) func precisionIsTold(_ what: String) throws {
        for precision in ["fp32", "bf16-emulated"] {
            let found = try bench(
                [what] + Self.small + ["--batch", "2", "--repeat", "1", "--warmup", "0"]
                    + ["--set", "precision=\(precision)"] + (what == "sample" ? ["--steps", "2"] : []))
            #expect(found["precision"] as? String == precision)
        }
    }

    /// Without --micro-batch the step is divided as training on one rank divides it.
    @Test func theMicroBatchIsThatOfTraining() throws {
        let found = try bench(["step"] + Self.small + ["--batch", "96", "--repeat", "1", "--warmup", "0"])
        let plan = try object(
            smd(["plan", "fashion"] + Self.small.dropFirst(2) + ["--set", "batch_size=96", "--json"]).output)
        #expect(found["micro_batch"] as? Int == plan["micro_batch_size"] as? Int)
        #expect((found["gflop_per_image"] as? Double) == (plan["gflop_per_image"] as? Double))
    }

    /// One repetition: times and shares add up exactly, and each operation ran once for each micro-batch.
    @Test func profileAddsUp() throws {
        let found = try bench(
            ["step"] + Self.small
                + ["--batch", "6", "--micro-batch", "2", "--repeat", "1", "--warmup", "1", "--profile"])
        let profile = found["profile"] as? [String: Any]
        let (kinds, operations) = (rows(profile?["kinds"]), rows(profile?["operations"]))
        #expect(operations.count > kinds.count && kinds.count > 20)
        #expect(abs(sum(kinds, "share") - 1) < 1e-9 && abs(sum(operations, "share") - 1) < 1e-9)
        for row in kinds {
            let parts = operations.filter { kind($0) == row["operation"] as? String }
            #expect(abs(sum(parts, "seconds") - (row["seconds"] as? Double ?? 0)) < 1e-9, "\(row)")
            #expect(parts.reduce(0) { $0 + ($1["count"] as? Int ?? 0) } == row["count"] as? Int)
        }
        func row(_ name: String) -> [String: Any] { kinds.first { $0["operation"] as? String == name } ?? [:] }
        for name in ["optimizer", "sum gradients", "reload weights", "micro-batches"] {
            #expect(row(name)["count"] as? Int == 1)
        }
        #expect(row("weightedSquaredError")["count"] as? Int == 3)
        // Work of all products together is that of the step.
        let work = kinds.reduce(0.0) { $0 + ($1["gflops"] as? Double ?? 0) * ($1["seconds"] as? Double ?? 0) }
        #expect(abs(work / (6 * (found["gflop_per_image"] as? Double ?? 0)) - 1) < 1e-3)
        for row in operations where !["reload weights", "micro-batches"].contains(row["operation"] as? String) {
            let isProduct = row["gflops"] != nil
            #expect(isProduct != (row["gigabytes_per_second"] != nil), "\(row)")
            #expect(row[isProduct ? "fraction_of_peak" : "fraction_of_bandwidth"] as? Double ?? 0 > 0, "\(row)")
        }
    }

    /// What is measured alone are all operations of the step, as often as they occur there.
    @Test func kernelsAreAllOperationsOfTheStep() throws {
        let found = try bench(["kernels"] + Self.small + ["--batch", "2", "--repeat", "1", "--milliseconds", "0.01"])
        try expectMachine(found)
        let kernels = rows(found["operations"])
        let step = try bench(["step"] + Self.small + ["--batch", "2", "--repeat", "1", "--warmup", "0", "--profile"])
        func counts(_ rows: [[String: Any]]) -> [String: Int] {
            Dictionary(
                rows.map { ("\($0["operation"] ?? "") \($0["shape"] ?? "")", $0["count"] as? Int ?? 0) },
                uniquingKeysWith: { _, _ in -1 })
        }
        var expected = counts(rows((step["profile"] as? [String: Any])?["operations"]))
        for name in ["optimizer ", "sum gradients ", "reload weights ", "micro-batches "] { expected[name] = nil }
        #expect(counts(kernels) == expected)
        #expect(
            Set(kernels.map(kind)).isSuperset(of: ["linearAttentionBlockGradient", "groupNormSiLU", "hyperNetwork"]))
        #expect(abs(sum(kernels, "share") - 1) < 1e-9)
        for row in kernels { #expect(row["seconds"] as? Double ?? 0 > 0, "\(row)") }
    }

    @Test func kernelsOfAFilter() throws {
        let options = ["--batch", "2", "--repeat", "1", "--milliseconds", "0.01"]
        let found = rows(try bench(["kernels"] + Self.small + options + ["--filter", "GROUPNORM"])["operations"])
        #expect(!found.isEmpty && found.allSatisfy { kind($0).hasPrefix("groupNorm") })
        let none = try smd(["bench", "kernels"] + Self.small + ["--filter", "nothing"])
        #expect(none.status == 64)
        #expect(none.errors.hasPrefix("smd: error: no operation of fashion contains 'nothing'; there are add, "))
    }

    @Test(arguments: [2, 3]) func allReduce(ranks: Int) throws {
        let found = try bench([
            "allreduce", "--ranks", "\(ranks)", "--size", "256KiB", "--size", "2.5MiB", "--repeat", "3",
            "--warmup",
            "1",
        ])
        try expectMachine(found)
        #expect(found["ranks"] as? Int == ranks)
        #expect(found["latency_seconds"] as? Double ?? 0 > 0)
        let sizes = rows(found["sizes"])
        #expect(sizes.map { $0["bytes"] as? Int } == [262_144, 2_621_440])
        #expect(sizes.map { $0["pieces"] as? Int } == [1, 3])
        for row in sizes {
            let bytes = row["bytes"] as? Int ?? 0
            // Every element, of both kinds of sum, in each of 1 + 3 repetitions.
            #expect(row["checked_elements"] as? Int == bytes / 4 * 2 * 4)
            let product = (row["gigabytes_per_second"] as? Double ?? 0) * (row["seconds"] as? Double ?? 0)
            #expect(abs(product * 1e9 / Double(bytes) - 1) < 1e-6)
            #expect(row["gigabytes_per_second_in_pieces"] as? Double ?? 0 > 0)
        }
    }

    @Test(arguments: ["ddim", "ancestral"]) func sample(sampler: String) throws {
        let options = ["--batch", "2", "--repeat", "2", "--warmup", "0", "--sampler", sampler]
        let found = try bench(["sample"] + Self.small + options + ["--steps", "4", "--profile"])
        try expectMachine(found)
        #expect(found["steps"] as? Int == 4 && found["sampler"] as? String == sampler)
        #expect(found["images_per_second"] as? Double ?? 0 > 0)
        #expect(found["unshared_activation_bytes"] as? Int ?? 0 > 2 * (found["activation_bytes"] as? Int ?? .max))
        for row in rows(found["repetitions"]) {
            #expect(
                abs(sum([row], "network_share") + sum([row], "random_share") + sum([row], "sampler_share") - 1) < 1e-9)
        }
        let kinds = rows((found["profile"] as? [String: Any])?["kinds"])
        #expect(abs(sum(kinds, "share") - 1) < 1e-9)
        let names = Set(kinds.map(kind))
        #expect(names.isSuperset(of: ["convolution", "random numbers", "sampler and copies"]))
        #expect(!names.contains { $0.hasSuffix("Gradient") })
        let twice = try bench(["sample"] + Self.small + options + ["--steps", "8"])
        let works = [found, twice].map { $0["gflop_per_image"] as? Double ?? 0 }
        #expect(works[0] > 0 && abs(works[1] / works[0] - 2) < 1e-9)
    }

    /// Ranks measure at the same time; their speeds add up.
    @Test func sampleOnTwoRanks() throws {
        let options = ["--batch", "2", "--repeat", "2", "--warmup", "0", "--steps", "4", "--ranks", "2"]
        let found = try bench(["sample"] + Self.small + options)
        #expect(found["ranks"] as? Int == 2)
        #expect(found["images_per_second"] as? Double ?? 0 > 0)
    }

    /// Threads share the images of a step, as in training; each draws a batch of samples.
    @Test func threads() throws {
        let common = Self.small + ["--repeat", "2", "--warmup", "0", "--threads", "2"]
        let step = try bench(["step"] + common + ["--batch", "12"])
        let plan = try object(
            smd(
                ["plan", "fashion"] + Self.small.dropFirst(2) + ["--set", "batch_size=12", "--threads", "2", "--json"]
            )
            .output)
        #expect(step["threads"] as? Int == 2 && step["batch"] as? Int == 12)
        #expect(step["micro_batch"] as? Int == plan["micro_batch_size"] as? Int)
        let seconds = step["seconds_per_step"] as? Double ?? 0
        #expect(abs((step["images_per_second"] as? Double ?? 0) * seconds - 12) < 1e-6)
        let sample = try bench(["sample"] + common + ["--batch", "3", "--steps", "2"])
        #expect(sample["threads"] as? Int == 2 && sample["batch"] as? Int == 3)
        #expect(abs((sample["images_per_second"] as? Double ?? 0) * (sample["seconds"] as? Double ?? 0) - 6) < 1e-6)
        for command in ["step", "sample"] {
            let refused = try smd(["bench", command, "--profile", "--threads", "2"])
            #expect(refused.status == 64 && refused.errors.contains("leave out --threads 2"), "\(refused.errors)")
            let text = try smd(["bench", command] + common + ["--batch", "4"]).output
            #expect(text.contains("1 rank × 2 threads"), "\(text)")
        }
    }

    @Test(arguments: [false, true]) func load(fromDisk: Bool) throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/grid.h5"
            #expect(try smd(["dataset", "prepare", "gaussian-grid", "--count", "100", "--output", path]).status == 0)
            let found = try bench(
                [
                    "load", "--data", path, "--preset", "grid", "--set", "batch_size=32", "--images", "60", "--repeat",
                    "2", "--warmup", "0",
                ] + (fromDisk ? ["--from-disk"] : []))
            try expectMachine(found)
            #expect(found["samples"] as? Int == 100 && found["in_memory"] as? Bool == !fromDisk)
            #expect(found["micro_batch"] as? Int == 32)
            #expect(0.0..<1.0 ~= found["share_of_step"] as? Double ?? 1)
            for row in rows(found["repetitions"]) {
                let keys = ["read", "random", "noise", "step"].map { "seconds_per_image_" + $0 }
                for key in keys + ["seconds_per_image"] { #expect(row[key] as? Double ?? 0 > 0, "\(key)") }
            }
        }
    }

    @Test func textIsForPeople() throws {
        let step = try smd(
            ["bench", "step"] + Self.small + ["--batch", "2", "--repeat", "1", "--warmup", "0", "--profile"])
        #expect(step.status == 0 && !hasControlCharacters(step.output))
        for words in [
            "batch 2 in micro-batches of 2, 1 rank", "GFLOP/s a core", "GB/s a core", "of the FMA peak",
            "everything else",
            "By kind, medians of 1 repetitions", "optimizer",
        ] {
            #expect(step.output.contains(words), "\(words)")
        }
    }

    @Test(arguments: [
        (["step", "--batch", "0"], "--batch is 0", 64),
        (["step", "--micro-batch", "-1"], "--micro-batch", 64),
        (["step", "--repeat", "0"], "--repeat must be at least 1", 64),
        (["step", "--ranks", "0"], "--ranks is 0", 64),
        (["step", "--batch", "6", "--micro-batch", "4"], "batch_size 6 is not divisible by", 65),
        (["step", "--preset", "nonsense"], "there is no configuration nonsense", 65),
        (["kernels", "--milliseconds", "0"], "--milliseconds is 0.0", 64),
        (["allreduce", "--ranks", "1"], "--ranks is 1; a sum needs at least 2", 64),
        (["allreduce", "--size", "0"], "--size is 0; it must be 4 bytes to 16GiB", 64),
        (["sample", "--sampler", "euler"], "euler", 64),
        (["sample", "--steps", "0"], "diffusion.sampling_steps is 0", 65),
        (["load", "--images", "0"], "--images is 0", 64),
        (["load", "--data", "missing.h5"], "there is no data set /", 65),
        (["everything"], "(see smd bench --help)", 64),
    ])
    func wrongArguments(arguments: [String], words: String, status: Int32) throws {
        let result = try smd(["bench"] + arguments)
        #expect(result.status == status, "\(result.errors)")
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("smd: error: ") && result.errors.contains(words), "\(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
    }
}
