import CMPI

/// Arrays of which every rank holds a part.
extension MPICommunicator {
    package func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {
        requireParts(parts, of: values.count)
        guard let base = values.baseAddress else { return }
        if values.count <= maximumCount {
            let counts = parts.map { Int32($0.count) }
            let offsets = parts.map { Int32($0.lowerBound) }
            return try waiting("MPI_Allgatherv", cmpi_all_gather_float(base, counts, offsets))
        }
        // Offsets are C ints too: part by part then.
        for (owner, part) in parts.enumerated() {
            let bytes = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[part]))
            try forEachChunk(of: bytes.bindMemory(to: UInt8.self)) {
                try waiting("MPI_Bcast", cmpi_broadcast($0, $1, Int32(owner)))
            }
        }
    }

    package func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective {
        requireParts(parts, of: values.count)
        let own = parts[rank].count
        precondition(
            max(values.count, own * size) <= Int32.max && received.count == own * size,
            "\(received.count) elements for \(size) parts of \(own), of \(values.count)")
        let places =
            parts.map { Int32($0.count) } + parts.map { Int32($0.lowerBound) }
            + [Int32](repeating: Int32(own), count: size) + (0..<size).map { Int32($0 * own) }
        return try begin("MPI_Ialltoallv", places: places) { [size] places, request in
            cmpi_begin_exchange_float(
                values.baseAddress, places, places + size, received.baseAddress, places + 2 * size, places + 3 * size,
                &request)
        }
    }

    package func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective {
        requireParts(parts, of: values.count)
        precondition(values.count <= Int32.max, "\(values.count) elements in one gather")
        let places = parts.map { Int32($0.count) } + parts.map { Int32($0.lowerBound) }
        return try begin("MPI_Iallgatherv", places: places) { [size] places, request in
            cmpi_begin_all_gather_float(values.baseAddress, places, places + size, &request)
        }
    }

    package func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {
        try move(part, parts, whole, root: root) { mine, theirs in
            _ = theirs.update(fromContentsOf: mine)
        } away: { mine in
            try forEachChunk(of: mine) { try waiting("MPI_Send", cmpi_send_float($0, $1, Int32(root))) }
        } other: { owner, theirs in
            try forEachChunk(of: theirs) { try waiting("MPI_Recv", cmpi_receive_float($0, $1, Int32(owner))) }
        }
    }

    package func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {
        try move(part, parts, whole, root: root) { mine, theirs in
            _ = mine.update(fromContentsOf: theirs)
        } away: { mine in
            try forEachChunk(of: mine) { try waiting("MPI_Recv", cmpi_receive_float($0, $1, Int32(root))) }
        } other: { owner, theirs in
            try forEachChunk(of: theirs) { try waiting("MPI_Send", cmpi_send_float($0, $1, Int32(owner))) }
        }
    }

    /// One rank after the other: the root's link is the limit either way, and nothing is held twice.
    private func move(
        _ part: UnsafeMutableBufferPointer<Float>, _ parts: [Range<Int>], _ whole: UnsafeMutableBufferPointer<Float>?,
        root: Int, here: (UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) -> Void,
        away: (UnsafeMutableBufferPointer<Float>) throws -> Void,
        other: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        precondition(part.count == parts[rank].count, "\(part.count) elements for the part \(parts[rank])")
        guard rank == root else { return try away(part) }
        guard let whole else { preconditionFailure("rank \(root) is the root and gives no array") }
        requireParts(parts, of: whole.count)
        for (owner, range) in parts.enumerated() {
            let place = UnsafeMutableBufferPointer(rebasing: whole[range])
            owner == root ? here(part, place) : try other(owner, place)
        }
    }

    private func requireParts(_ parts: [Range<Int>], of count: Int) {
        precondition(parts.count == size, "\(parts.count) parts for \(size) ranks")
        precondition(
            zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
                && parts[0].lowerBound >= 0 && parts[size - 1].upperBound <= count,
            "parts \(parts) of \(count) elements")
    }
}
