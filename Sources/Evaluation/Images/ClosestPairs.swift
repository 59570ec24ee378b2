import DataSets

/// A picture of the samples that are nearest to an image of the data, each to the left of that image; the nearest first,
/// four pairs a row.
///
/// - Parameter nearest: of each sample, its nearest image of the data.
/// - Throws: `HDF5Error` where an image cannot be read.
public func closestPairs(_ samples: DataSet, _ data: DataSet, _ nearest: [Neighbour]) throws -> Picture {
    let order = nearest.indices.sorted {
        (nearest[$0].squaredDistance, $0) < (nearest[$1].squaredDistance, $1)
    }
    let images = try order.prefix(32).flatMap { sample in
        try samples.pixels(sample) + data.pixels(Int(nearest[sample].index))
    }
    return Picture(images: images, of: samples.sample, columns: 8)
}
