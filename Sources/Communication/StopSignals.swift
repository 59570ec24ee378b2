import Foundation

/// When work is to stop before its end: SIGINT, SIGTERM or SIGUSR1 has come, or the time is up. Signals only set a flag,
/// which loops look at; a second SIGINT ends at once.
public struct StopSignals: Sendable {
    private nonisolated(unsafe) static var received: sig_atomic_t = 0
    private let deadline: ContinuousClock.Instant?

    /// Installs the handlers, then lets the signals through: a launcher may have left them blocked.
    ///
    /// - Parameter deadline: when the time is up, if ever.
    public init(deadline: ContinuousClock.Instant? = nil) {
        self.deadline = deadline
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGUSR1] {
            sigaddset(&signals, number)
            signal(number) { number in
                StopSignals.received = sig_atomic_t(number)
                if number == SIGINT { signal(SIGINT, SIG_DFL) }
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Why to stop, in words; nil while there is no reason.
    public var reason: String? {
        switch Int32(Self.received) {
        case 0: deadline.map { ContinuousClock.now >= $0 } == true ? "the time is up" : nil
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        default: "SIGUSR1"
        }
    }

    /// Whether there is a reason to stop.
    public var requested: Bool { reason != nil }
}
