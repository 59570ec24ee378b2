import Foundation

/// Turns SIGINT, SIGTERM and SIGUSR1 into a flag that the loop looks at once a step; a second SIGINT ends at once.
struct StopSignals {
    private nonisolated(unsafe) static var received: sig_atomic_t = 0

    /// Installs the handlers. A launcher may have left the signals blocked; they are let through.
    init() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGUSR1] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in [SIGINT, SIGTERM, SIGUSR1] {
            signal(number) { number in
                StopSignals.received = 1
                if number == SIGINT { signal(SIGINT, SIG_DFL) }
            }
        }
    }

    /// Whether a signal has come.
    var requested: Bool { Self.received != 0 }
}
