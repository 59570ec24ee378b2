import DataSets
import Testing

@Suite struct PictureTests {
    @Test func gridPlacesImagesInRows() {
        let grid = imageGrid([1, 2, 3, 4, 5], of: (height: 1, width: 1, channels: 1), columns: 3, padding: 1)
        #expect([grid.height, grid.width] == [5, 7])
        #expect(
            grid.pixels == [
                0, 0, 0, 0, 0, 0, 0,
                0, 1, 0, 2, 0, 3, 0,
                0, 0, 0, 0, 0, 0, 0,
                0, 4, 0, 5, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0,
            ])
    }

    @Test func gridScalesAndKeepsChannelsTogether() {
        let grid = imageGrid(
            [1, 2, 3, 4, 5, 6], of: (height: 1, width: 2, channels: 3), columns: 4, padding: 0, scale: 2)
        #expect([grid.height, grid.width] == [2, 4])
        #expect(grid.pixels == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
    }

    /// Sample k of class k mod 3: a row a class, with black where there is no sample. Of one class, or of too few samples, as
    /// near to a square as can be.
    @Test func classesHaveRows() {
        func picture(_ count: Int, _ classes: Int) -> Picture {
            let samples = (0..<count).flatMap { [Float](repeating: Float($0 + 1) / 127.5 - 1, count: 4) }
            return Picture(samples: samples, 2, 1, count: count, classes: classes)
        }
        /// The first pixel of each image.
        func corners(_ picture: Picture) -> [[UInt8]] {
            stride(from: 2, to: picture.height, by: 6).map { y in
                stride(from: 2, to: picture.width, by: 6).map { picture.pixels[y * picture.width + $0] }
            }
        }
        #expect(corners(picture(7, 3)) == [[1, 4, 7], [2, 5, 0], [3, 6, 0]])
        #expect(corners(picture(4, 3)) == [[1, 4], [2, 0], [3, 0]])
        #expect(corners(picture(4, 0)) == [[1, 2], [3, 4]] && corners(picture(4, 9)) == [[1, 2], [3, 4]])
        #expect(Picture.fits(count: 600, size: 32, classes: 3) && Picture.fits(count: 60_000, size: 32))
        #expect(!Picture.fits(count: 60_000, size: 32, classes: 3))
    }

    @Test func plotPutsPointsWhereTheyAre() {
        let plot = pointPlot([-1, -1, 1, 1, 1, 1], size: 41)
        let dark = plot.pixels.indices.filter { plot.pixels[$0] < 255 }
        // The second coordinate grows upwards: (1, 1) is at the top right, the first in reading order.
        #expect(dark.count == 2)
        #expect(dark.map { [$0 / 41 < 5, $0 % 41 > 35] } == [[true, true], [false, false]])
        #expect(plot.pixels[dark[0]] < plot.pixels[dark[1]])
    }

    @Test func plotTakesAnything() {
        #expect(pointPlot([], size: 3).pixels == Array(repeating: 255, count: 9))
        #expect(pointPlot([.nan, 1, .infinity, 2], size: 3).pixels == Array(repeating: 255, count: 9))
        #expect(pointPlot([7, 7], size: 3).pixels.filter { $0 < 255 }.count == 1)
        #expect(pointPlot([-3e38, 0, 3e38, 0], size: 9).pixels.filter { $0 < 255 }.count == 2)
    }

    /// All panels of a row have the frame of the first; what lies beyond it is left out.
    @Test func plotsStandBesideEachOther() {
        let plots = pointPlots([[[-1, -1, 1, 1], [0, 0, 50, 0, -0.1, 1e30]]], size: 26, scale: 2)
        #expect([plots.height, plots.width] == [56, 110])  // two pixels around each panel
        let dark = plots.pixels.indices.filter { 0 < plots.pixels[$0] && plots.pixels[$0] < 255 }
        #expect(dark.count == 3 * 4)
        // (0, 0) in the middle of the second panel.
        let second: [Int] = dark.map { $0 % plots.width - 56 }.filter { $0 >= 0 }
        #expect(second == [26, 27, 26, 27])
    }
}
