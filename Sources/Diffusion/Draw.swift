import NeuralNetwork
import Philox

/// A random tensor that is drawn for each sample by itself: declared by what needs it, served by ``values(seed:at:)``.
public struct Draw: Hashable, Sendable {
    /// What its elements are drawn from.
    public enum Distribution: Hashable, Sendable {
        /// N(0, 1).
        case normal
        /// Each of a range equally likely.
        case integer(in: Range<Int>)
        /// Each of 0 ..< the count with a probability of its own: the sums of those up to it.
        case weighted(cumulative: [Double])
        /// Uniform in [0, 1).
        case uniform
        /// Always 0; nothing is drawn.
        case zero
    }

    /// What it is called in ``Drawn``.
    public let name: String
    /// Which of the seed's streams it comes from.
    public let purpose: Purpose
    public let distribution: Distribution
    /// Numbers a sample; 1 of an integer.
    public let elements: Int

    /// A tensor of `elements` numbers a sample.
    public init(_ name: String, _ purpose: Purpose, _ distribution: Distribution, elements: Int) {
        switch distribution {
        case .integer, .weighted: precondition(elements == 1, "\(name): \(elements) integers at one place")
        case .normal, .uniform, .zero: break
        }
        self.name = name
        self.purpose = purpose
        self.distribution = distribution
        self.elements = elements
    }

    /// The same from another stream.
    public func with(_ purpose: Purpose) -> Draw { Draw(name, purpose, distribution, elements: elements) }

    /// As many one after the other for each sample.
    public func repeated(_ count: Int) -> Draw { Draw(name, purpose, distribution, elements: elements * count) }

    /// The numbers of the samples at `places` of the stream, `[places, elements]`.
    public func values(seed: UInt64, at places: [(epoch: Int, position: Int)]) -> [Float] {
        let stream = RandomStream(seed: seed, purpose: purpose)
        return [Float](unsafeUninitializedCapacity: places.count * elements) { buffer, filled in
            for (slot, place) in places.enumerated() {
                let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * elements..<(slot + 1) * elements])
                switch distribution {
                case .normal: stream.fillNormals(sample, epoch: place.epoch, position: place.position)
                case .integer(let range):
                    let number = stream.integer(below: range.count, epoch: place.epoch, position: place.position)
                    sample[0] = Float(range.lowerBound + number)
                case .weighted(let cumulative):
                    let u = stream.uniform(epoch: place.epoch, position: place.position)
                    sample[0] = Float(cumulative.place(of: u))
                case .uniform: stream.fillUniforms(sample, epoch: place.epoch, position: place.position)
                case .zero: sample.initialize(repeating: 0)
                }
            }
            filled = places.count * elements
        }
    }
}

/// What was drawn for the samples of a batch, by name; a name that is not there traps.
public struct Drawn: Sendable {
    private let values: [String: [Float]]

    /// Given values, each `[N, elements]`.
    public init(_ values: [String: [Float]]) { self.values = values }

    /// Draws all of `draws` for the samples at `places`.
    public init(_ draws: [Draw], seed: UInt64, at places: [(epoch: Int, position: Int)]) {
        values = Dictionary(uniqueKeysWithValues: draws.map { ($0.name, $0.values(seed: seed, at: places)) })
    }

    public subscript(_ name: String) -> [Float] {
        guard let found = values[name] else {
            preconditionFailure("\(name) is not drawn; there are \(values.keys.sorted())")
        }
        return found
    }

    /// The same with other timesteps.
    public func with(timesteps: [Int]) -> Drawn {
        Drawn(values.merging(["timestep": timesteps.map { Float($0) }]) { $1 })
    }

    /// The same with other noise.
    public func with(noise: [Float]) -> Drawn { Drawn(values.merging(["noise": noise]) { $1 }) }

    /// t of each sample, `[N]`.
    public var timesteps: [Int] { self["timestep"].map { Int($0) } }
}

extension ModelConfiguration {
    /// η, where the network takes it.
    public var etaDraw: Draw? {
        usesEta ? Draw("eta", .eta, drawsEta ? .normal : .zero, elements: etaElements) : nil
    }

    /// What is drawn for a sample in training beside the noise: η, of so many draws of the latent; with dropout what
    /// decides where; with label dropout what decides whether.
    func networkDraws(latents: Int = 1) -> [Draw] {
        [
            etaDraw?.repeated(latents), drops ? Draw("dropout", .dropout, .uniform, elements: 4) : nil,
            nullClass == nil ? nil : Draw("label_dropout", .labelDropout, .uniform, elements: 1),
        ].compactMap { $0 }
    }

    /// The classes that the network is told in training: `labels`, or none where that was drawn, with probability
    /// ``labelDropout`` (Ho and Salimans 2022, algorithm 1).
    public func told(_ labels: [Float], _ drawn: Drawn) -> [Float] {
        guard let nullClass else { return labels }
        return zip(labels, drawn["label_dropout"]).map { Double($1) < labelDropout ? Float(nullClass) : $0 }
    }

    /// Values of the network's inputs at x_t, with what was drawn for the samples.
    func inputs(xt: [Float], _ drawn: Drawn) -> [String: [Float]] {
        var inputs = inputs(
            xt: xt, timestep: drawn.timesteps.map(Float.init), eta: etaDraw.map { drawn[$0.name] })
        if drops { inputs[NetworkInput.dropoutKey.rawValue] = drawn["dropout"] }
        return inputs
    }
}
