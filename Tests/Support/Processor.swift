import Foundation

/// What oneDNN finds on this machine's processor. Tests run as on an older one with DNNL_MAX_CPU_ISA=AVX2.
public enum Processor {
    /// Whether oneDNN computes convolutions of bfloat16 here, if need be with emulated instructions.
    public static let runsBFloat16 =
        has(["avx512f", "avx512bw", "avx512dq", "avx512vl"])
        && ProcessInfo.processInfo.environment["DNNL_MAX_CPU_ISA"] != "AVX2"
    /// Whether it multiplies tiles of them.
    public static let hasTiles = has(["avx512_bf16", "amx_bf16", "amx_tile", "amx_int8"]) && runsBFloat16
    /// Whether its vectors multiply them at twice the rate of float32.
    public static let hasFastVectors = has(["avx512_bf16"]) && information("vendor_id").contains("AuthenticAMD")

    private static func has(_ flags: [String]) -> Bool { Set(flags).isSubset(of: information("flags")) }

    /// The words of the first line about `key`.
    private static func information(_ key: String) -> [String] {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(key) } ?? ""
        return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map { String($0) }
    }
}
