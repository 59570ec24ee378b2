import Foundation

/// What oneDNN finds on this machine's processor. Tests run as on an older one with DNNL_MAX_CPU_ISA=AVX2.
public enum Processor {
    /// Whether oneDNN computes convolutions of bfloat16 here, if need be with emulated instructions.
    public static let runsBFloat16 =
        has(["avx512f", "avx512bw", "avx512dq", "avx512vl"])
        && ProcessInfo.processInfo.environment["DNNL_MAX_CPU_ISA"] != "AVX2"
    /// Whether it multiplies tiles of them.
    public static let hasBFloat16 = has(["avx512_bf16", "amx_bf16", "amx_tile", "amx_int8"]) && runsBFloat16

    private static func has(_ flags: [String]) -> Bool {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
        return Set(flags).isSubset(of: line.split(separator: " ").map { String($0) })
    }
}
