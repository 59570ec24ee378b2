/// Philox 4×32-10: a bijection of 128 bits, one for each key, whose values at 0, 1, 2, … pass the statistical batteries.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.3.
/// There is no state: the counter says which draw is wanted, so any rank can make any draw, in any order.
public enum Philox4x32 {
    /// The four 32-bit words at `counter` under `key`; word 0 is the least significant of each.
    @inline(__always)
    public static func words(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (c0, c1, c2, c3) = (counter.x, counter.y, counter.z, counter.w)
        var (k0, k1) = (key.x, key.y)
        for _ in 0..<10 {
            let p0 = UInt64(c0) &* 0xD251_1F53
            let p1 = UInt64(c2) &* 0xCD9E_8D57
            c0 = UInt32(truncatingIfNeeded: p1 &>> 32) ^ c1 ^ k0
            c2 = UInt32(truncatingIfNeeded: p0 &>> 32) ^ c3 ^ k1
            c1 = UInt32(truncatingIfNeeded: p1)
            c3 = UInt32(truncatingIfNeeded: p0)
            k0 &+= 0x9E37_79B9  // golden ratio
            k1 &+= 0xBB67_AE85  // √3 − 1
        }
        return SIMD4(c0, c1, c2, c3)
    }
}
