/// What a random number is for. Numbers of different purposes are independent; the raw values are part of the format,
/// because a resumed run must see the numbers of the run it continues.
public enum Purpose: UInt32, CaseIterable, Sendable {
    /// Initial parameters.
    case initialization
    /// Order of the samples in an epoch.
    case order
    /// Timestep of a training sample.
    case timestep
    /// Noise ε added to a training sample.
    case noise
    /// The input η of the identifier in training.
    case eta
    /// Horizontal flips.
    case flip
    /// The per-channel offset of the noise.
    case offsetNoise
    /// Whether a training sample is self-conditioned, and the η of that extra pass.
    case selfCondition
    /// x_T and the step noise of a sampler.
    case sampling
    /// η of a sampler.
    case samplingEta
    /// Synthetic data sets.
    case data
    /// Diagnostics, such as the variance of the prediction over η.
    case probe
    /// Which samples an evaluation looks at, and their noise.
    case evaluation
    /// Which component of a mixture head is drawn.
    case headChoice
    /// The draw from that component.
    case headNoise
    /// Which numbers of a network are dropped in training.
    case dropout
    /// The draw of a training sample from the Gaussian of its latent.
    case latent
    /// Of which training samples a network is told no class.
    case labelDropout
    /// Which window of a larger image a training sample is.
    case crop
    /// How a training image is augmented.
    case augmentation
    /// The noise of a likelihood, and the draws of a prior.
    case likelihood
    /// The noise of the condition of a training sample.
    case conditionNoise
    /// The noise of a sampler's conditions.
    case samplingCondition
    /// The paths that a sampler of a density is trained on.
    case path
}

/// The random numbers of one seed and purpose: a function of (epoch, position), not a sequence with a state.
///
/// The seed is Philox's key. The counter is (block of four words, epoch, position, purpose): 32, 32, 56 and 8 bits, so
/// no two draws of a seed share a counter. A place (epoch, position) is meant for one kind of draw: `uniform`,
/// `integer`, `uniforms` and `normals` at the same place of the same stream are made from the same bits.
/// Only IEEE additions, products, divisions and square roots are used: every machine gets the same numbers.
public struct RandomStream: Sendable {
    let key: SIMD2<UInt32>
    let purpose: Purpose

    /// The stream of `purpose` under `seed`.
    public init(seed: UInt64, purpose: Purpose) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.purpose = purpose
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    public func uniform(epoch: Int, position: Int) -> Double {
        let words = Philox4x32.words(counter: place(epoch: epoch, position: position), key: key)
        let bits = (UInt64(words.y) << 32 | UInt64(words.x)) >> 11
        return Double(bits) * 0x1p-53
    }

    /// An integer in 0 ..< `below`, every one equally likely.
    public func integer(below: Int, epoch: Int, position: Int) -> Int {
        precondition(below > 0, "no integer lies in 0 ..< \(below)")
        var words = WordSequence(key: key, counter: place(epoch: epoch, position: position))
        return words.integer(below: below)
    }

    /// `count` numbers in [0, 1), multiples of 2⁻²⁴. A shorter call gives the beginning of a longer one.
    public func uniforms(count: Int, epoch: Int, position: Int) -> [Float] {
        precondition(count >= 0, "cannot draw \(count) numbers")
        return [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            fillUniforms(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), epoch: epoch, position: position)
            filled = count
        }
    }

    /// Overwrites `out` with numbers in [0, 1): the values of ``uniforms(count:epoch:position:)``.
    public func fillUniforms(_ out: UnsafeMutableBufferPointer<Float>, epoch: Int, position: Int) {
        var counter = place(epoch: epoch, position: position)
        for first in stride(from: 0, to: out.count, by: 4) {
            let words = Philox4x32.words(counter: counter, key: key)
            counter.x &+= 1
            for k in 0..<min(4, out.count - first) { out[first + k] = Float(words[k] >> 8) * 0x1p-24 }
        }
    }

    /// `count` draws of N(0, 1). A shorter call gives the beginning of a longer one.
    public func normals(count: Int, epoch: Int, position: Int) -> [Float] {
        precondition(count >= 0, "cannot draw \(count) numbers")
        return [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            fillNormals(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), epoch: epoch, position: position)
            filled = count
        }
    }

    /// Overwrites `out` with draws of N(0, 1): the values of ``normals(count:epoch:position:)``.
    public func fillNormals(_ out: UnsafeMutableBufferPointer<Float>, epoch: Int, position: Int) {
        var counter = place(epoch: epoch, position: position)
        let (count, key) = (out.count, key)
        precondition(count <= 4 << 32, "a place holds \(4 << 32) draws, \(count) were asked for")
        var i = 0
        while i + 4 <= count {
            let words = Philox4x32.words(counter: counter, key: key)
            (out[i], out[i + 1]) = boxMuller(words.x, words.y)
            (out[i + 2], out[i + 3]) = boxMuller(words.z, words.w)
            counter.x &+= 1
            i += 4
        }
        guard i < count else { return }
        let words = Philox4x32.words(counter: counter, key: key)
        let (first, second) = (boxMuller(words.x, words.y), boxMuller(words.z, words.w))
        for (k, value) in [first.0, first.1, second.0].prefix(count - i).enumerated() { out[i + k] = value }
    }

    /// The numbers 0 ..< `count` in an order of which every one is equally likely (Fisher–Yates), one order an epoch, or
    /// one a position of it.
    public func permutation(count: Int, epoch: Int, position: Int? = nil) -> [Int32] {
        precondition(0...Int(Int32.max) ~= count, "cannot permute \(count) numbers: at most \(Int32.max)")
        // The last position is kept for the order of a whole epoch: a data set never has 2⁵⁶ samples.
        var words = WordSequence(key: key, counter: place(epoch: epoch, position: position ?? Self.lastPosition))
        var order = [Int32](unsafeUninitializedCapacity: count) { buffer, filled in
            for i in 0..<count { buffer[i] = Int32(i) }
            filled = count
        }
        for i in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(i, Int(words.integer(below: UInt32(i + 1))))
        }
        return order
    }

    static let lastPosition = 1 << 56 - 1

    /// The counter of the first block of a place.
    private func place(epoch: Int, position: Int) -> SIMD4<UInt32> {
        precondition(0...Int(UInt32.max) ~= epoch, "epoch \(epoch) is not in 0 ... \(UInt32.max)")
        precondition(0...Self.lastPosition ~= position, "position \(position) is not in 0 ... \(Self.lastPosition)")
        return SIMD4(
            0, UInt32(epoch), UInt32(truncatingIfNeeded: position), UInt32(position >> 32) | purpose.rawValue << 24)
    }
}

/// The words of one place, block after block.
private struct WordSequence {
    let key: SIMD2<UInt32>
    var counter: SIMD4<UInt32>
    var block = SIMD4<UInt32>()
    var used = 4

    init(key: SIMD2<UInt32>, counter: SIMD4<UInt32>) {
        self.key = key
        self.counter = counter
    }

    mutating func next() -> UInt32 {
        if used == 4 {
            block = Philox4x32.words(counter: counter, key: key)
            counter.x &+= 1
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    /// Lemire, "Fast random integer generation in an interval", 2019: the high half of word × below, where the few
    /// low halves that would favour some results are drawn again.
    mutating func integer(below: UInt32) -> UInt32 {
        let threshold = (0 &- below) % below
        while true {
            let product = UInt64(next()) * UInt64(below)
            if UInt32(truncatingIfNeeded: product) >= threshold { return UInt32(product >> 32) }
        }
    }

    /// The same with 64-bit words.
    mutating func integer(below: Int) -> Int {
        let below = UInt64(below)
        let threshold = (0 &- below) % below
        while true {
            let word = UInt64(next()) | UInt64(next()) << 32
            let product = word.multipliedFullWidth(by: below)
            if product.low >= threshold { return Int(product.high) }
        }
    }
}
