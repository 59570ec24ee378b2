import Foundation
import TestSupport
import Testing

/// The collectives under mpirun, on the built `rank-program`. One at a time: the machine may have two cores.
@Suite(.serialized, .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct CommunicatorRankTests {
    static let checks = [
        "barrier", "sum of floats", "sum of doubles", "maximum", "pending sums", "pending sum of nothing", "broadcast",
        "gather", "all-gather of parts", "exchanges and gathers under way", "parts at one rank", "agree", "together",
        "requireEqual", "placement", "host memory",
    ]

    @Test(arguments: [1, 2, 3, 4])
    func everyCollective(ranks: Int) throws {
        let result = try mpirun(ranks, [product("rank-program"), "collectives"])
        try expectAllChecks(result, ranks: ranks)
    }

    /// At most 7 elements a call: buffers of the checks go in several calls, gathers in several rounds.
    @Test(arguments: [2, 4])
    func everyCollectiveInChunks(ranks: Int) throws {
        let result = try mpirun(ranks, [product("rank-program"), "collectives", "7"])
        try expectAllChecks(result, ranks: ranks)
    }

    @Test func withoutMpirun() throws {
        let result = try run([product("rank-program"), "collectives"], timeout: 60)
        try expectAllChecks(result, ranks: 1)
        let place = try run([product("rank-program"), "where"], timeout: 60)
        #expect(place.output.hasPrefix("single process, rank 0 of 1, local 0 of 1, 1 rank on 1 host:"))
    }

    @Test func everyRankKnowsItsPlace() throws {
        let result = try mpirun(3, [product("rank-program"), "where"])
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\n").sorted()
        #expect(lines.count == 3)
        for (rank, line) in lines.enumerated() {
            #expect(line.hasPrefix("mpi, rank \(rank) of 3, local \(rank) of 3, 3 ranks on 1 host:"))
        }
    }

    @Test(arguments: [0, 2])
    func abortEndsTheWholeJob(rank: Int) throws {
        let result = try mpirun(3, [product("rank-program"), "abort", "\(rank)", "7"], timeout: 60)
        #expect(result.status == 7, "\(result.errors)")
    }

    @Test func abortOfOneProcess() throws {
        let result = try run([product("rank-program"), "abort", "0", "7"], timeout: 60)
        #expect(result.status == 7)
    }

    /// Ranks 1 and 2 fail: one line, from rank 0, and the whole job exits non-zero.
    @Test func agreedFailureIsToldOnce() throws {
        let result = try mpirun(3, [product("rank-program"), "fail", "1"], timeout: 60)
        #expect(result.status == 1)
        let told = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        #expect(told.count == 1, "\(result.errors)")
        let line = String(told.first ?? "")
        #expect(line.hasPrefix("rank-program: error: opening the data set, rank 1 on host "), "\(line)")
        #expect(line.hasSuffix(": no data on rank 1 at all (1 other rank failed too)"), "\(line)")
    }

    @Test func agreedFailureOfOneProcess() throws {
        let result = try run([product("rank-program"), "fail", "0"], timeout: 60)
        #expect(result.status == 1)
        #expect(result.errors == "rank-program: error: opening the data set: no data on rank 0 at all\n")
    }

    /// An error that one rank alone knows of ends the others, which wait for it.
    @Test func lonelyErrorEndsTheWholeJob() throws {
        let result = try mpirun(3, [product("rank-program"), "lonely-error", "2"], timeout: 60)
        #expect(result.status == 1)
        let told = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        #expect(told.count == 1, "\(result.errors)")
        #expect(told.first?.hasPrefix("rank-program: error: rank 2 on host ") == true)
        #expect(told.first?.hasSuffix("the disk is full") == true)
    }

    @Test func disagreeingRankIsNamed() throws {
        let result = try mpirun(4, [product("rank-program"), "disagree", "2"], timeout: 60)
        #expect(result.status == 1)
        let told = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        #expect(
            told == [
                "rank-program: error: the ranks disagree on configuration: ranks 0-1, 3: cafe; rank 2: beef; also on data"
            ])
    }

    /// One bit is enough; the job ends with the status that asks for a restart.
    @Test(arguments: [
        (4, 2, "rank 2 on host ", "those of the other ranks"), (3, 0, "rank 0 on host ", "those of the other ranks"),
        (2, 0, "rank 1 on host ", "no more than half of the ranks agree"), (3, 9, "", ""),
    ])
    func corruptedRankIsNamed(ranks: Int, corrupt: Int, who: String, than: String) throws {
        let result = try mpirun(ranks, [product("rank-program"), "corrupt", "\(corrupt)"], timeout: 60)
        let told = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        if who.isEmpty {
            #expect(result.status == 0 && told.isEmpty, "\(result.errors)")
            return
        }
        #expect(result.status == 75 && told.count == 1, "\(result.errors)")
        #expect(told.first?.contains("the parameters after step 5 differ on \(who)") == true, "\(told)")
        #expect(told.first?.contains(than) == true, "\(told)")
    }

    @Test func corruptedPartIsNamed() throws {
        let result = try mpirun(3, [product("rank-program"), "corrupt", "1", "2"], timeout: 60)
        #expect(result.status == 75)
        #expect(
            result.errors.contains("error: the averages after step 5 differ on rank 1 on host "), "\(result.errors)")
    }

    /// Ranks that a launcher started but MPI did not join must not train alone, each over the others' files.
    @Test func launcherThatMPIDoesNotKnowIsRefused() throws {
        var environment = try localMPISettings()
        environment["OMPI_COMM_WORLD_SIZE"] = "4"
        let result = try run([product("rank-program"), "where"], environment: environment, timeout: 60)
        #expect(result.status == 3)
        let words = "mpirun started 4 ranks, but its variables did not all reach this one"
        #expect(result.errors.contains(words), "\(result.errors)")
    }

    @Test func aJobThatHangsIsEnded() throws {
        #expect(throws: SubprocessError.self) {
            try mpirun(2, [product("rank-program"), "sleep"], timeout: 2)
        }
    }

    private func expectAllChecks(
        _ result: (status: Int32, output: String, errors: String), ranks: Int
    ) throws {
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines == Self.checks.map { "ok \($0)" } + ["\(Self.checks.count) checks on \(ranks) ranks"])
        #expect(result.errors == "")
    }
}
