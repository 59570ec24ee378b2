import CPUBackend
import Testing

@Suite struct MachineTests {
    @Test func ratesArePositive() throws {
        let probe = try MachineProbe()
        #expect(probe.residentBytes >= 64 << 20)
        // Many short calls walk over all of the memory and around its end.
        for _ in 0..<40 {
            let rates = probe.measure(milliseconds: 1)
            #expect(rates.peakGflops > 0 && rates.peakGflops.isFinite)
            #expect(rates.bandwidth > 0 && rates.bandwidth.isFinite)
            #expect(rates.peakBF16Gflops.map { $0 > 0 && $0.isFinite } ?? true)
        }
    }

    @Test func theMeanHasABF16PeakOnlyWhereBothHave() {
        let with = MachineRates(peakGflops: 1, peakBF16Gflops: 4, bandwidth: 10)
        let without = MachineRates(peakGflops: 3, peakBF16Gflops: nil, bandwidth: 20)
        #expect(MachineRates.mean(with, without) == MachineRates(peakGflops: 2, peakBF16Gflops: nil, bandwidth: 15))
        #expect(MachineRates.mean(with, with) == with)
    }
}
