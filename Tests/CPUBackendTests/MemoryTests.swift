import CPUBackend
import Testing

@Suite struct MemoryTests {
    @Test(arguments: [1, 16, 1000, 3 << 20])
    func memoryIsZeroedAndAligned(count: Int) throws {
        let memory = try CPUMemory(count: count)
        #expect(memory.count == count)
        #expect(memory.elements.count == count)
        #expect(memory.elements.allSatisfy { $0 == 0 })
        #expect(UInt(bitPattern: memory.elements.baseAddress) % 64 == 0)
    }

    @Test func valuesComeBackFromWhereTheyWereWritten() throws {
        let memory = try CPUBackend().allocate(count: 10)
        memory.write([1, 2, 3], at: 4)
        #expect(memory.read(3..<8) == [0, 1, 2, 3, 0])
        memory.clear(5..<6)
        #expect(memory.read(4..<7) == [1, 0, 3])
        #expect(memory.read(2..<2) == [])
    }

    @Test(arguments: [Int.max, Int.max / 8, 1 << 50])
    func memoryThatDoesNotExistIsAnErrorThatSaysHowMuch(count: Int) throws {
        let error = #expect(throws: CPUMemoryError.self) { try CPUMemory(count: count) }
        #expect(error?.description.contains("bytes") == true)
        #expect(error?.description.contains("\n") == false)
    }
}
