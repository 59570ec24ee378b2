import Communication
import Configuration
import Foundation
import HDF5
import TestSupport
import Testing
import Training

/// Keeps what a run tells.
private final class Lines: TrainingObserver {
    var warnings: [String] = []
    func say(_ line: String) {}
    func warn(_ line: String) { warnings.append(line) }
    func stepped(_ report: StepReport) {}
}

/// A run that goes on with another configuration than its checkpoint's.
@Suite struct ResumeChangeTests {
    /// Values that differ from those of `Run`, as far as no rule makes them.
    private static let others = [
        "precision": "bf16-emulated", "spike_factor": "5.0", "model.dim_mults": "[1, 4]",
        "model.full_attention": "[true, false]",
        "model.identifier.dim_mults": "[2]", "diffusion.energy_windows": "[0, 4]",
        "autoencoder.channels": "[16, 32]", "diffusion.beta_start": "0.001",
        "model.attention_sizes": "[4]",
        "model.identifier.attention_sizes": "[4]", "diffusion.respacing": "ddim25",
        "ema.widths": "[0.05]", "diffusion.horizon": "50",
        "target.file": "other.h5",
    ]

    private static func other(_ key: String, than value: String) -> String {
        if let other = others[key] { return other }
        if let words = ConfigurationKey.all.first(where: { $0.name == key })?.choices {
            return words.first { $0 != value } ?? value
        }
        if let flag = Bool(value) { return "\(!flag)" }
        if let number = Int(value) { return "\(2 * max(1, number))" }
        return Double(value).map { "\($0 / 2 + 0.125)" } ?? "?"
    }

    /// Each key of the configuration changed alone: refused, told or passed over in silence, as the table says.
    @Test func everyKeyHasItsEffect() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let made = try run.trainHere("out", settings: Run.classes + ["steps=1"])
            try #require(made.status == 0, "\(made.errors)")
            let checkpoint = run.checkpoint("out", step: 1)
            let own = Run.classes + ["data=\(run.data)", "steps=1"]
            let base = try RunConfiguration.load(path: run.config, overrides: own)
            // Alone, these fail in validation first; what another share of no class means is tested beside the rules.
            let others = [
                "data", "method", "first_stage", "diffusion.prior", "condition.score", "condition.speed",
                "model.condition_channels", "diffusion.variance", "model.backbone",
                "model.learned_variance",
                "model.label_dropout", "ema.snapshot_every", "diffusion.scales", "diffusion.scale",
                "diffusion.shift_by", "diffusion.shift_file", "diffusion.shift_classes",
            ]
            for (key, value) in base.settings() where !others.contains(key) {
                let other = Self.other(key, than: value)
                if other == value { continue }  // a choice of one word
                let now = try RunConfiguration.load(path: run.config, overrides: own + ["\(key)=\(other)"])
                let lines = Lines()
                var refusal = ""
                let place = try RunFolder(claiming: run.path("of-" + key), launcher: nil) { lines.warn($0) }
                do {
                    _ = try Trainer(
                        now, folder: place, resume: .checkpoint(checkpoint),
                        communicator: SingleProcess(), observer: lines)
                } catch {
                    refusal = "\(error)"
                    place.leave()
                }
                let words = "another \(key) (\(value) before, \(other) now)"
                let way = "--set " + (value.contains("[") ? "'\(key)=\(value)'" : "\(key)=\(value)")
                let row = ConfigurationKey.all.first { $0.name == key }
                // What only another network has means nothing to this one.
                switch (row?.backbone ?? .ddpm) == .ddpm ? row?.rule : .harmless {
                case .refused where key == "model.size" || key == "model.channels":
                    #expect(refusal.contains("the network takes"), "\(key): \(refusal)")  // the data speak first
                case .refused:
                    #expect(refusal.contains(words) && refusal.contains(way), "\(key): \(refusal)")
                    #expect(lines.warnings.isEmpty && !refusal.contains("\n"))
                    // Nothing is made for a run that does not start.
                    #expect(!FileManager.default.fileExists(atPath: run.path("of-" + key)), "\(key)")
                case .warned:
                    #expect(refusal.isEmpty, "\(key): \(refusal)")
                    #expect(lines.warnings.count == 1, "\(key): \(lines.warnings)")
                    #expect(lines.warnings.first?.contains(words) == true, "\(key): \(lines.warnings)")
                    #expect(lines.warnings.first?.contains(way) == true, "\(key): \(lines.warnings)")
                case .harmless:
                    #expect(refusal.isEmpty && lines.warnings.isEmpty, "\(key): \(refusal)\(lines.warnings)")
                case nil: Issue.record("\(key) has no rule")
                }
            }
        }
    }

    /// Several at once are one line, on one rank and on two, from the run itself and from its checkpoint; with the
    /// settings of the message the run goes on.
    @Test(arguments: [1, 2]) func theMessageSaysHowToGoOn(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(ranks, run.command("out", "steps=2"))
            let changes = ["diffusion.objective=noise", "diffusion.timesteps=50", "model.dim=16", "ema.every=3"]
            for resume in ["auto", run.checkpoint("out", step: 2)] {
                let command = run.command("out", resume: resume, settings: changes)
                let refused = try run.train(ranks, command)
                #expect(refused.status == 65, "\(refused.errors)")
                let line = try #require(refused.errors.split(separator: "\n").first { $0.contains("smd: error") })
                #expect(
                    line.contains(
                        "another diffusion.objective (v before, noise now), diffusion.timesteps (100 before, 50 now), "
                            + "model.dim (8 before, 16 now)"), "\(line)")
                #expect(!line.contains("ema"))
            }
            let refused = try run.train(1, run.command("out", resume: "auto", settings: changes)).errors
            let settings = try #require(refused.firstMatch(of: /go on with (.*), or start/)).1
            let longer = run.command("out", resume: "auto", settings: changes + ["steps=3"])
            let resumed = try run.train(ranks, longer + settings.split(separator: " ").map(String.init))
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.errors.contains("another ema.every (1 before, 3 now)"), "\(resumed.errors)")
            #expect(try run.losses("out").count == 3)
            // The other way out.
            let anew = try run.train(1, run.command("other", resume: "none", settings: changes))
            #expect(anew.status == 0, "\(anew.errors)")
        }
    }

    /// As many steps as are done leave nothing to do, which is success; fewer are refused.
    @Test func stepsThatAreDone() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", settings: ["steps=4"])
            let same = try run.trainHere("out", resume: "auto", settings: ["steps=4"])
            #expect(same.status == 0 && warningLines(same.errors).isEmpty, "\(same.errors)")
            #expect(same.errors.contains("restored step 4 of 4 ") && same.errors.contains("nothing is left to do"))
            let fewer = try run.trainHere("out", resume: "auto", settings: ["steps=3"])
            #expect(fewer.status == 65, "\(fewer.errors)")
            let words = "step-00000004.h5 is at step 4, beyond steps=3: go on with --set steps=4 or more"
            #expect(fewer.errors.contains(words), "\(fewer.errors)")
            #expect(try run.losses("out").count == 4)
            // Both ways that the message names.
            #expect(try run.trainHere("out", resume: "auto", settings: ["steps=4"]).status == 0)
            let earlier = run.command("out", resume: run.checkpoint("out", step: 2), "steps=3")
            let back = try run.train(1, earlier)
            #expect(back.status == 0 && back.errors.contains("restored step 2 of 3"), "\(back.errors)")
        }
    }

    /// Other samples are told with both paths; the same under another path, and from another folder, are not.
    @Test func dataIsComparedByContent() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", settings: ["steps=2"])
            try FileManager.default.copyItem(atPath: run.data, toPath: run.path("copy.h5"))
            let copied = try run.trainHere("out", resume: "auto", settings: ["steps=3", "data=\(run.path("copy.h5"))"])
            #expect(copied.status == 0 && warningLines(copied.errors).isEmpty, "\(copied.errors)")
            try Run.writeImages(to: run.path("more.h5"), count: 48)
            let other = try run.trainHere("out", resume: "auto", settings: ["steps=4", "data=\(run.path("more.h5"))"])
            #expect(other.status == 0)
            #expect(
                other.errors.contains(
                    "another data (\(run.path("copy.h5")) before, \(run.path("more.h5")) now): the run goes on"),
                "\(other.errors)")
            try FileManager.default.removeItem(atPath: run.path("more.h5"))
            try Run.writeImages(to: run.path("more.h5"), count: 56)
            let last = run.command("out", resume: "auto", "steps=5", "data=\(run.path("more.h5"))")
            let replaced = try run.train(1, last)
            #expect(replaced.errors.contains("another data (\(run.path("more.h5")), with other content)"))
        }
    }

    /// A checkpoint keeps the path from the root; a relative one is from the folder that the job is started in, and the
    /// message says so.
    @Test func relativePathsOfData() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try FileManager.default.createDirectory(atPath: run.path("elsewhere"), withIntermediateDirectories: true)
            func train(
                in place: String, _ settings: String...
            ) throws -> (status: Int32, output: String, errors: String) {
                let arguments = [
                    product("smd"), "train", run.config, "--output", run.path("out"), "--resume", "auto",
                    "--set", "data=images.h5",
                ]
                return try TestSupport.run(
                    ["env", "--chdir", place] + arguments + settings.flatMap { ["--set", $0] }, timeout: 60)
            }
            #expect(try train(in: folder, "steps=2").status == 0)
            let missing = try train(in: run.path("elsewhere"))
            #expect(missing.status == 65, "\(missing.errors)")
            let real = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
            #expect(
                missing.errors.contains(
                    "there is no data set \(real)/elsewhere/images.h5 (data is images.h5, and relative paths are from the "
                        + "folder that the job is started in)"), "\(missing.errors)")
            let inspected = try TestSupport.run(
                [product("smd"), "checkpoint", "inspect", run.path("out")], timeout: 60)
            let stored = try #require(inspected.output.firstMatch(of: /\n  (data=.*)\n/)).1
            #expect(stored == "data=\(real)/images.h5")
            let resumed = try train(in: run.path("elsewhere"), String(stored), "steps=3")
            #expect(resumed.status == 0 && warningLines(resumed.errors).isEmpty, "\(resumed.errors)")
        }
    }
}
