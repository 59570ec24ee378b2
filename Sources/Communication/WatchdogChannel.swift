import Files
import Foundation

/// How the watchdogs of a job's ranks talk to each other: datagrams, over a Unix socket to ranks of this host and over
/// UDP to others. MPI is not used: it may be what hangs.
final class WatchdogChannel {
    /// Where a watchdog can be reached.
    enum Address: Codable, Hashable {
        /// A Unix socket of this host (its name in the abstract space, which needs no file).
        case local(String)
        /// UDP: host and port, as numbers.
        case network(UInt32, UInt16)
    }

    /// Where this watchdog can be reached: from this host first.
    let addresses: [Address]
    private let local: Int32
    private let network: Int32

    /// Opens the sockets.
    ///
    /// - Parameter name: of the Unix socket, unique in this host.
    /// - Throws: `CommunicationError` when a socket cannot be had.
    init(name: String) throws {
        func check(_ call: String, _ status: Int32) throws -> Int32 {
            guard status >= 0 else {
                throw CommunicationError(call: "\(call) for the watchdog", message: String(cString: strerror(errno)))
            }
            return status
        }
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        local = try check("socket", socket(AF_UNIX, kind, 0))
        let (socketHere, own) = (local, Address.local(name))
        _ = try check("bind", withSocketAddress(own) { bind(socketHere, $0, $1) })
        network = try check("socket", socket(AF_INET, kind, 0))
        let socketThere = network
        _ = try check("bind", withSocketAddress(.network(0, 0)) { bind(socketThere, $0, $1) })
        var bound = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = try check(
            "getsockname",
            withUnsafeMutablePointer(to: &bound) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socketThere, $0, &size) }
            })
        let port = UInt16(bigEndian: bound.sin_port)
        addresses = [own] + hostAddresses().map { .network($0, port) }
    }

    deinit {
        close(local)
        close(network)
    }

    /// Sends `bytes` to `address`.
    ///
    /// - Returns: false when nobody is there any more. That a message got through is not known.
    @discardableResult func send(_ bytes: [UInt8], to address: Address) -> Bool {
        let through = if case .local = address { local } else { network }
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        let sent = withSocketAddress(address) { sendto(through, bytes, bytes.count, flags, $0, $1) }
        // A Unix socket tells that its owner has gone. Over UDP the error may be that of an earlier message.
        guard sent < 0, case .local = address else { return true }
        return errno != ECONNREFUSED
    }

    /// Waits at most `seconds` for messages and hands them to `handle`, with the address that each came from over UDP.
    func receive(for seconds: Double, _ handle: ([UInt8], Address?) -> Void) {
        var waited = [pollfd(fd: local, events: Int16(POLLIN), revents: 0)]
        waited.append(pollfd(fd: network, events: Int16(POLLIN), revents: 0))
        guard poll(&waited, 2, Int32(max(1, seconds * 1000))) > 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 2048)
        // Bounded, so that strangers' messages cannot keep the watchdog from its work.
        for _ in 0..<4096 {
            let count = recv(local, &buffer, buffer.count, 0)
            guard count >= 0 else { break }
            handle(Array(buffer[..<count]), nil)
        }
        for _ in 0..<4096 {
            var from = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(network, &buffer, buffer.count, 0, $0, &size)
                }
            }
            if count < 0, errno == ECONNREFUSED { continue }
            guard count >= 0 else { break }
            handle(
                Array(buffer[..<count]),
                .network(UInt32(bigEndian: from.sin_addr.s_addr), UInt16(bigEndian: from.sin_port)))
        }
    }
}

/// Calls `body` with `address` as the system wants it.
private func withSocketAddress<T>(
    _ address: WatchdogChannel.Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
) -> T {
    func pass<A>(_ address: A, _ size: Int) -> T {
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }
    switch address {
    case .local(let name):
        var unix = sockaddr_un()
        unix.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8.prefix(100))
        // A zero first: a name in the abstract space.
        withUnsafeMutableBytes(of: &unix.sun_path) { $0[1...].copyBytes(from: bytes) }
        return pass(unix, MemoryLayout<sa_family_t>.size + 1 + bytes.count)
    case .network(let host, let port):
        var internet = sockaddr_in()
        internet.sin_family = sa_family_t(AF_INET)
        internet.sin_addr.s_addr = host.bigEndian
        internet.sin_port = port.bigEndian
        return pass(internet, MemoryLayout<sockaddr_in>.size)
    }
}

/// IPv4 addresses of this host's interfaces that are up, without the loopback.
private func hostAddresses() -> [UInt32] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var addresses: [UInt32] = []
    var next = first
    while let interface = next?.pointee {
        next = interface.ifa_next
        let flags = Int32(truncatingIfNeeded: interface.ifa_flags)
        guard let address = interface.ifa_addr, Int32(address.pointee.sa_family) == AF_INET,
            flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0
        else { continue }
        addresses.append(
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
            })
    }
    return addresses
}
