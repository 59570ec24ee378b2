import TensorGraph

/// The operations without their attributes, to count which are tested.
///
/// A new operation does not compile here until it has a kind, and a kind fails `CoverageTests` until it has cases.
enum OperationKind: String, CaseIterable {
    case convolution, convolutionInputGradient, convolutionParameterGradient
    case linear, linearInputGradient, linearParameterGradient
    case groupNorm, groupNormGradient, modulate, modulateGradient
    case silu, siluGradient, gelu, geluGradient
    case groupNormSiLU, groupNormSiLUGradient, rmsNorm, rmsNormGradient
    case linearAttention, linearAttentionGradient, linearAttentionBlock, linearAttentionBlockGradient
    case fullAttention, fullAttentionGradient
    case rankOneUpdate, rankOneUpdateGradient, hyperNetwork, hyperNetworkGradient
    case add, concatenateChannels, sliceChannels, upsampleNearest, upsampleNearestGradient, sinusoidalEmbedding
    case constant
    case weightedSquaredError, weightedSquaredErrorGradient

    init(_ operation: Operation) {
        switch operation {
        case .convolution: self = .convolution
        case .convolutionInputGradient: self = .convolutionInputGradient
        case .convolutionParameterGradient: self = .convolutionParameterGradient
        case .linear: self = .linear
        case .linearInputGradient: self = .linearInputGradient
        case .linearParameterGradient: self = .linearParameterGradient
        case .groupNorm: self = .groupNorm
        case .groupNormGradient: self = .groupNormGradient
        case .modulate: self = .modulate
        case .modulateGradient: self = .modulateGradient
        case .silu: self = .silu
        case .siluGradient: self = .siluGradient
        case .gelu: self = .gelu
        case .geluGradient: self = .geluGradient
        case .groupNormSiLU: self = .groupNormSiLU
        case .groupNormSiLUGradient: self = .groupNormSiLUGradient
        case .rmsNorm: self = .rmsNorm
        case .rmsNormGradient: self = .rmsNormGradient
        case .linearAttention: self = .linearAttention
        case .linearAttentionGradient: self = .linearAttentionGradient
        case .linearAttentionBlock: self = .linearAttentionBlock
        case .linearAttentionBlockGradient: self = .linearAttentionBlockGradient
        case .fullAttention: self = .fullAttention
        case .fullAttentionGradient: self = .fullAttentionGradient
        case .rankOneUpdate: self = .rankOneUpdate
        case .rankOneUpdateGradient: self = .rankOneUpdateGradient
        case .hyperNetwork: self = .hyperNetwork
        case .hyperNetworkGradient: self = .hyperNetworkGradient
        case .add: self = .add
        case .concatenateChannels: self = .concatenateChannels
        case .sliceChannels: self = .sliceChannels
        case .upsampleNearest: self = .upsampleNearest
        case .upsampleNearestGradient: self = .upsampleNearestGradient
        case .sinusoidalEmbedding: self = .sinusoidalEmbedding
        case .constant: self = .constant
        case .weightedSquaredError: self = .weightedSquaredError
        case .weightedSquaredErrorGradient: self = .weightedSquaredErrorGradient
        }
    }

    /// Whether it occurs only in a backward pass.
    var isGradient: Bool { rawValue.hasSuffix("Gradient") }
}
