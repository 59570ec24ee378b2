/// Sizes of one U-Net, the denoiser's or the identifier's. The defaults are the published denoiser's.
public struct UNetSizes: Equatable, Sendable {
    /// Channels of the first stage.
    public var dim = 128
    /// Channels of stage i as a multiple of `dim`; one entry a stage.
    public var dimMults = [1, 2, 2, 2]
    /// Full instead of linear attention, stage by stage; empty means linear everywhere. The middle is always full.
    public var fullAttention: [Bool] = []
    /// Groups of every GroupNorm.
    public var groups = 4
    /// Attention heads.
    public var heads = 4
    /// Channels of one attention head; 0, where the backbone is ``ADM``: heads are given by their number.
    public var headDim = 32
    /// What only ``ADM`` has.
    public var adm = ADMSettings()

    /// Channels after the first convolution and of every stage.
    public var channels: [Int] { [dim] + dimMults.map { dim * $0 } }

    /// Whether the attention of stage `i` is full.
    func isFull(_ i: Int) -> Bool { fullAttention.isEmpty ? false : fullAttention[i] }

    /// Why there can be no ``UNet`` of these sizes over `size` × `size` pixels; nil where there can. `section` is the dotted
    /// prefix of the keys, "model" or "model.identifier"; numbers are expected in the ranges of their keys.
    func fault(section: String, size: Int) -> String? {
        // The sinusoidal embedding has dim/2 frequencies and divides by dim/2 − 1.
        if !dim.isMultiple(of: 2) { return "\(section).dim is \(dim), wanted an even number (sines and cosines)" }
        if headDim == 0 { return "\(section).head_dim is 0, wanted the channels of one attention head" }
        if let fault = stagesFault(section: section, size: size) ?? groupsFault(section: section) { return fault }
        if fullAttention.isEmpty || fullAttention.count == dimMults.count { return nil }
        return "\(section).full_attention has \(fullAttention.count) entries for the \(dimMults.count) stages of "
            + "\(section).dim_mults; wanted one a stage, or [] for linear attention everywhere"
    }

    /// Every stage but the last halves the map, so that the way up meets the way down again.
    func stagesFault(section: String, size: Int) -> String? {
        if !(1...12).contains(dimMults.count) {
            return "\(section).dim_mults has \(dimMults.count) entries, wanted 1 to 12: one a stage"
        }
        let factor = 1 << (dimMults.count - 1)
        if size.isMultiple(of: factor) { return nil }
        let below = size / factor * factor
        let fits = [below, below + factor].filter { $0 > 0 }.map(String.init).joined(separator: " or ")
        return "model.size is \(size), not divisible by \(factor): the \(dimMults.count) stages of "
            + "\(section).dim_mults halve it \(dimMults.count - 1) times; \(fits) would fit, or fewer stages"
    }

    /// Groups divide the channels of every stage.
    func groupsFault(section: String) -> String? {
        let places = ["the first stage and the final block"] + dimMults.indices.map { "\(section).dim_mults[\($0)]" }
        for (channels, place) in zip(channels, places) where !channels.isMultiple(of: groups) {
            let fits = (1...min(dim, 64)).filter { groups in self.channels.allSatisfy { $0.isMultiple(of: groups) } }
            return "\(section).groups is \(groups), which does not divide the \(channels) channels of \(place); "
                + "groups that fit: \(fits.map(String.init).joined(separator: ", "))"
        }
        return nil
    }
}
