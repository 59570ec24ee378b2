import NeuralNetwork

/// What the denoiser's and the identifier's U-Net have in common, for checks that are the same for both.
private struct UNetSizes {
    /// Dotted prefix of the keys, "model" or "model.identifier".
    let section: String
    let dim: Int
    let dimMults: [Int]
    let groups: Int
    let heads: Int
    let headDim: Int
    /// Rows and columns of the input.
    let size: Int

    func validate() throws {
        // The sinusoidal embedding has dim/2 frequencies and divides by dim/2 − 1.
        try require(dim.isMultiple(of: 2), "\(section).dim", "is \(dim), wanted an even number (sines and cosines)")
        try require(
            (1...12).contains(dimMults.count), "\(section).dim_mults",
            "has \(dimMults.count) entries, wanted 1 to 12: one a stage")
        for (channels, place) in channelPlaces {
            try require(
                channels.isMultiple(of: groups), "\(section).groups",
                "is \(groups), which does not divide the \(channels) channels of \(place); "
                    + "groups that fit: \(groupsThatFit.map(String.init).joined(separator: ", "))")
        }
        // Every stage but the last halves the map, so that the way up meets the way down again.
        let factor = 1 << (dimMults.count - 1)
        let below = size / factor * factor
        let fits = [below, below + factor].filter { $0 > 0 }.map(String.init).joined(separator: " or ")
        try require(
            size.isMultiple(of: factor), "model.size",
            "is \(size), not divisible by \(factor): the \(dimMults.count) stages of \(section).dim_mults halve it "
                + "\(dimMults.count - 1) times; \(fits) would fit, or fewer stages")
    }

    /// Channel count of every GroupNorm, with where it stands.
    private var channelPlaces: [(channels: Int, place: String)] {
        [(dim, "the first stage and the final block")]
            + dimMults.enumerated().map { (dim * $1, "\(section).dim_mults[\($0)]") }
    }

    private var groupsThatFit: [Int] {
        (1...min(dim, 64)).filter { groups in channelPlaces.allSatisfy { $0.channels.isMultiple(of: groups) } }
    }
}

extension ModelConfiguration {
    /// Channels after the first convolution and of every stage.
    var channelCounts: [Int] { [dim] + dimMults.map { dim * $0 } }

    /// Refuses sizes that no network can have. The identifier and the hypernetworks count only where `smd` is true.
    ///
    /// - Throws: `ConfigurationError`: the key, its value and what would fit.
    public func validate() throws {
        var run = RunConfiguration()
        run.model = self
        try run.requireRanges(of: ConfigurationKey.model.filter { smd || !$0.needsMixture })
        let denoiser = UNetSizes(
            section: "model", dim: dim, dimMults: dimMults, groups: groups, heads: heads, headDim: headDim, size: size)
        try denoiser.validate()
        try require(
            fullAttention.isEmpty || fullAttention.count == dimMults.count, "model.full_attention",
            "has \(fullAttention.count) entries for the \(dimMults.count) stages of model.dim_mults; wanted one a stage, "
                + "or [] for linear attention everywhere")
        guard smd else { return }
        let identifierSizes = UNetSizes(
            section: "model.identifier", dim: identifier.dim, dimMults: identifier.dimMults, groups: identifier.groups,
            heads: identifier.heads, headDim: identifier.headDim, size: size)
        try identifierSizes.validate()
    }
}
