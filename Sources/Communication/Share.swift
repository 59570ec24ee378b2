/// The part of `count` pieces of work that belongs to `rank`: as even as can be, in order.
public func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
    count * rank / size..<count * (rank + 1) / size
}
