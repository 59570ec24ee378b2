import Foundation
import FuzzTargets

/// The program of launch/fuzz: one parser, named by SMD_FUZZ_TARGET, under libFuzzer, whose arguments it takes. With
/// `--seeds FOLDER` it writes that parser's seeds instead.
@main enum SMDFuzz {
    static func main() throws {
        let name = ProcessInfo.processInfo.environment["SMD_FUZZ_TARGET"] ?? ""
        guard let target = FuzzTarget(rawValue: name) else {
            let all = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
            print("SMD_FUZZ_TARGET is '\(name)', wanted one of: \(all)")
            exit(64)
        }
        let arguments = CommandLine.arguments
        if arguments.count == 3, arguments[1] == "--seeds" {
            for (index, seed) in try target.seeds().enumerated() {
                try Data(seed).write(to: URL(fileURLWithPath: "\(arguments[2])/seed-\(index)"))
            }
            return
        }
        chosen = target
        var count = CommandLine.argc
        var values: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = CommandLine.unsafeArgv
        exit(runDriver(&count, &values, testOneInput))
    }
}

nonisolated(unsafe) private var chosen = FuzzTarget.idx

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ values: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    if chosen.needsChild, !endsWellInChild(bytes) { return 0 }
    chosen.run(bytes)
    return 0
}

// MARK: - Children

private let fork = unsafeBitCast(dlsym(nil, "fork"), to: (@convention(c) () -> pid_t).self)
private let setDeathCallback = dlsym(nil, "__sanitizer_set_death_callback").map {
    unsafeBitCast($0, to: (@convention(c) ((@convention(c) () -> Void)?) -> Void).self)
}

/// Runs the target in a child, as the commands run it in a helper. A crash or endless loop of libhdf5 ends the child
/// and is no failure: the commands survive it alike. A trap of Swift is one of ours.
private func endsWellInChild(_ bytes: [UInt8]) -> Bool {
    let child = fork()
    if child == 0 {
        setDeathCallback?(nil)
        for number in [SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGXCPU, SIGALRM] { signal(number, SIG_DFL) }
        var limit = rlimit(rlim_cur: 5, rlim_max: 6)
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
        chosen.run(bytes)
        _exit(0)
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    let number = status & 0x7F
    precondition(number != SIGILL && number != SIGTRAP, "the reader trapped")
    if status != 0 { print("smd-fuzz: libhdf5 ended the child: status \(status >> 8), signal \(number)") }
    return status == 0
}
