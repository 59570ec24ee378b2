import Philox

/// `y[n,i] = x[n,i] / (1 − rate)`, or 0 where the i-th of Philox' words for sample n is below rate·2³²: as
/// ``Operation/dropout(rate:layer:)`` has it.
func dropout(x: ReferenceTensor, key: ReferenceTensor, rate: Double, layer: UInt32) -> ReferenceTensor {
    var y = x
    let size = x.values.count / key.rows
    for n in 0..<key.rows {
        let k = (0..<4).map { UInt32(key[n, $0] * 0x1p24) }
        for i in 0..<size {
            let words = Philox4x32.words(counter: SIMD4(UInt32(i / 4), layer, k[2], k[3]), key: SIMD2(k[0], k[1]))
            y.values[n * size + i] *= Double(words[i % 4]) < (rate * 0x1p32).rounded(.down) ? 0 : 1 / (1 - rate)
        }
    }
    return y
}
