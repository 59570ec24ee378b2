import Foundation
import Storage
import TestSupport
import Testing

/// `optimizer.sharded`: less memory a rank, the same bits.
@Suite struct ShardingTests {
    private let sharded = "optimizer.sharded=true"

    /// Against the unsharded run on the same number of ranks: state, losses, gradient norms and previews.
    @Test(arguments: [1, 2, 3, 4]) func shardedRunIsBitwiseTheSame(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let batch = "batch_size=\(ranks == 3 ? 12 : 8)"
            for (name, setting) in [("whole", "optimizer.sharded=false"), ("sharded", sharded)] {
                let result = try run.trainHere(
                    name, ranks: ranks, settings: Run.averages + [batch, "preview_every=6", setting])
                #expect(result.status == 0, "\(result.errors)")
            }
            try expectSameState(run, "whole", "sharded", step: 6)
            #expect(try run.column("loss", "whole") == run.column("loss", "sharded"))
            #expect(try run.column("gradient_norm", "whole") == run.column("gradient_norm", "sharded"))
            #expect(try run.column("eta_variance", "sharded").filter { $0 > 0 }.count == 3)
            for kind in ["raw", "ema"] {
                let pictures = try ["whole", "sharded"].map {
                    try Data(contentsOf: URL(fileURLWithPath: run.path("\($0)/previews/step-00000006-\(kind).png")))
                }
                #expect(pictures[0] == pictures[1])
            }
        }
    }

    /// A checkpoint knows nothing of shards: written by any run, resumed by any other.
    @Test func checkpointsFitAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let whole = "optimizer.sharded=false"
            for (name, first, second) in [("a", whole, whole), ("b", sharded, whole), ("c", whole, sharded)] {
                try run.trainHere(name, ranks: 4, settings: ["steps=4", first])
                let resumed = try run.trainHere(name, ranks: 2, resume: "auto", settings: [second])
                #expect(resumed.errors.contains("restored step 4"), "\(resumed.errors)")
                try run.trainHere(name, resume: "auto", settings: ["steps=8", second])
            }
            for name in ["b", "c"] { try expectSameState(run, "a", name, step: 8) }
        }
    }
}
