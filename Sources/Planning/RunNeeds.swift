import Configuration

/// What a run will need, for ``Doctor``.
package struct RunNeeds: Equatable {
    /// Most memory of rank 0, and of any other.
    package var firstRankBytes: Int
    package var rankBytes: Int
    /// Memory that the ranks of a host share, in /dev/shm.
    package var sharedBytes: Int
    /// Room on disk for the checkpoints that are kept and the one being written; for one and the next where all are
    /// kept.
    package var diskBytes: Int

    /// Needs that are given.
    package init(firstRankBytes: Int, rankBytes: Int, sharedBytes: Int = 0, diskBytes: Int) {
        self.firstRankBytes = firstRankBytes
        self.rankBytes = rankBytes
        self.sharedBytes = sharedBytes
        self.diskBytes = diskBytes
    }
}

extension RunNeeds {
    init(_ memory: MemoryPlan, _ configuration: RunConfiguration, checkpointBytes: Int) {
        self.init(
            firstRankBytes: memory.firstRankBytes, rankBytes: memory.bytes,
            sharedBytes: memory.sharedBytes,
            diskBytes: checkpointBytes * (max(1, configuration.keepCheckpoints) + 1))
    }
}
