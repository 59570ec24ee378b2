import DataSets
import Foundation

/// Small files written by other programs (Pillow, and zlib by hand), because this product only writes plain PNG.
enum Samples {
    /// 16×8: the left half (200, 40, 40), the right half (40, 40, 200).
    static let jpegRedBlue = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X \
        GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAAR \
        CAAIABADAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG \
        E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWG \
        h4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEB \
        AQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYk \
        NOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0 \
        tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDxSvzc/tU8vr/R0/gc/9k=
        """
    /// The same pixels, progressive.
    static let jpegProgressive = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X \
        GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgAR \
        CAAIABADAREAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAABv/EABYBAQEBAAAAAAAAAAAAAAAAAAcGCP/aAAwDAQACEAMQAAABEzbUX0cB \
        /wD/xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAEFAj//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEDAQE/AT//xAAUEQEAAAAAAAAA \
        AAAAAAAAAAAQ/9oACAECAQE/AT//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAY/Aj//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEB \
        AAE/IT//2gAMAwEAAgADAAAAEL//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEDAQE/ED//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEC \
        AQE/ED//xAAUEAEAAAAAAAAAAAAAAAAAAAAQ/9oACAEBAAE/ED//2Q==
        """
    /// 32×16 grey: quarters of 40, 100 (top), 160, 220 (bottom), with big-endian Exif data of orientation 6.
    static let jpegTurned = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQE \
        BQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAQACABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAEC \
        AwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0 \
        NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJ \
        ytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APhSivqCivqCivqCiv/Z
        """
    /// 8×8 of grey 77.
    static let jpegGrey = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X \
        GBYUGBIUFRT/wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQR \
        BRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4 \
        eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEB \
        AAA/APnev//Z
        """
    /// The same as the first, as CMYK with an Adobe marker (inverted inks).
    static let jpegInks = """
        /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwL \
        CgwJCgoK/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAAB \
        fQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hp \
        anN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5 \
        +v/aAA4EQwBNAFkASwAAPwD9IK/J+vyfr9/K/l/or+oCiv/Z
        """
    /// 5×3 grey, Adam7: pixel (y, x) is 10·y + x.
    static let pngInterlaced = """
        iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAAAAAEJWqqyAAAAHklEQVR42mNgYGBhYGIQEZNgYGRmEBVn4OLm4eUDAAY4ALW2ckghAAAAAElF \
        TkSuQmCC
        """
    /// 10×1, one bit a pixel: 1, 0, 1, 0, …
    static let pngOneBit = """
        iVBORw0KGgoAAAANSUhEUgAAAAoAAAABAQAAAADPjgLTAAAAC0lEQVR42mNY1QAAAdcBK//wZ1UAAAAASUVORK5CYII=
        """
    /// 3×1 grey of 16 bits: 0, 0x80FF, 0xFFFF.
    static let pngSixteenBit = """
        iVBORw0KGgoAAAANSUhEUgAAAAMAAAABEAAAAABuG5crAAAAD0lEQVR42mNgYGj4//8/AAgBA368YgBPAAAAAElFTkSuQmCC
        """
    /// 3×1 palette: red, green at alpha 128, blue at alpha 0.
    static let pngPalette = """
        iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAMAAAAsPuSGAAAACVBMVEX/AAAA/wAAAP8tSs2KAAAAA3RSTlP/gAB/bWh4AAAADElEQVR42mNg \
        YGQCAAAIAAQIHWMKAAAAAElFTkSuQmCC
        """
    /// 3×1 RGBA: (10, 20, 30) opaque, the same invisible, black at alpha 128.
    static let pngAlpha = """
        iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAYAAAAb4BS0AAAAEklEQVR42mPgEpH7D8QMQNAAAA2UAfiS5IXAAAAAAElFTkSuQmCC
        """
    /// 2×1: grey 100 opaque, grey 100 at alpha 51.
    static let pngGreyAlpha = """
        iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAQAAABeK7cBAAAADUlEQVR42mNI+Z9iDAAFjQH7Gomn7AAAAABJRU5ErkJggg==
        """
    /// A header of 70,000×2 pixels.
    static let pngHuge = """
        iVBORw0KGgoAAAANSUhEUgABEXAAAAACCAAAAABRvFA5AAAAC0lEQVR42mNggAEAAAoAAewkA7kAAAAASUVORK5CYII=
        """
    /// A header of 60,000×4,000 pixels over ten bytes of data.
    static let pngLiar = """
        iVBORw0KGgoAAAANSUhEUgAA6mAAAA+gCAIAAABPwHURAAAAC0lEQVR42mNggAEAAAoAAewkA7kAAAAASUVORK5CYII=
        """

    /// 6×4 RGB: pixel (y, x) is (40y + 10x, 200 − 20y, 30x). Lossless WebP, as the next two.
    static let webpLossless = """
        UklGRjoAAABXRUJQVlA4TC0AAAAvBcAAAM1lRP9jV4iI/gcUspEErT/ZwqzFd4egpm0DNvQHUTruQRUTQAOuewAA
        """
    /// The same at alpha 85y.
    static let webpAlpha = """
        UklGRj4AAABXRUJQVlA4TDIAAAAvBcAAEM1lRP9jV4iI/gcUspEErT/ZwqzFd4egpm0DNvQHUTruQSUQSGFDPgF0ANf9AA==
        """
    /// The same, and its negative as a second frame.
    static let webpAnimated = """
        UklGRu4AAABXRUJQVlA4WAoAAAACAAAABQAAAwAAQU5JTQYAAAAAAAAAAABBTk1GWgAAAAAAAAAAAAUAAAMAAAAAAAJWUDhMQgAAAC8FwAAA\
        v2CQbaRCnD/Pw8zjFUaBINvmJOU80TjnvwtnRaSZa+aa50SgsG0jNXV8zwwR/Q9AYnWxEHNNpfW5xzr3fUFOTUZgAAAAAAAAAAAABQAAAwAA\
        AAAAAFZQOExHAAAALwXAAAC/YJBtpEKc6WvP4xXEginunl8E2TYm9bvBicY5/124FwCSdcm65DkAKGzbSE0d3zNDRP/jv3vW2LO3kmqOwcSV\
        CQEA
        """
    /// The same as TIFF, packed by LZW.
    static let tiffLZW = """
        SUkqAFwAAACAABkAAFMgPBRkDwPMgtChkHgZMhLChaAAZLQPDxaDwjLQtFBaHgtLRLFBQAAtKAPGRQDw3KAtHhQHhBKBLHhGABBIwPIxGDxL\
        IyUow8KpGJaAgAAKAAABAwABAAAABgAAAAEBAwABAAAABAAAAAIBAwADAAAA2gAAAAMBAwABAAAABQAAAAYBAwABAAAAAgAAABEBBAABAAAA\
        CAAAABUBAwABAAAAAwAAABYBAwABAAAABAAAABcBBAABAAAAUwAAABwBAwABAAAAAQAAAAAAAAAIAAgACAA=
        """
    /// The same at alpha 85y.
    static let tiffAlpha = """
        SUkqAHQAAACAABkAAAApkB4ABRkDwAB5kFoAChkHgADJkJaIrQAFUZLQPFUeLQeFUjLQtFUoLQ8FUtLRLShQABVFpQB5VGRQDxVG5QFpVHhQ\
        HhVIJQJafowAP9BIwPP9GIweP9LIwtP9QIw8P9VIxLP+AgALAAABAwABAAAABgAAAAEBAwABAAAABAAAAAIBAwAEAAAA/gAAAAMBAwABAAAA\
        BQAAAAYBAwABAAAAAgAAABEBBAABAAAACAAAABUBAwABAAAABAAAABYBAwABAAAABAAAABcBBAABAAAAawAAABwBAwABAAAAAQAAAFIBAwAB\
        AAAAAgAAAAAAAAAIAAgACAAIAA==
        """
    /// The same with orientation 6.
    static let tiffTurned = """
        SUkqAFwAAACAABkAAFMgPBRkDwPMgtChkHgZMhLChaAAZLQPDxaDwjLQtFBaHgtLRLFBQAAtKAPGRQDw3KAtHhQHhBKBLHhGABBIwPIxGDxL\
        IyUow8KpGJaAgAALAAABAwABAAAABgAAAAEBAwABAAAABAAAAAIBAwADAAAA5gAAAAMBAwABAAAABQAAAAYBAwABAAAAAgAAABEBBAABAAAA\
        CAAAABIBAwABAAAABgAAABUBAwABAAAAAwAAABYBAwABAAAABAAAABcBBAABAAAAUwAAABwBAwABAAAAAQAAAAAAAAAIAAgACAA=
        """
    /// Its red as floats.
    static let tiffFloat = """
        SUkqAEYAAACAACBQMQEGBKCDAB4QkQEKBEiHACGw+InCIoyIqCIrSMxuIsiItyIvCIgIhwKSQKTQIGScABaXCCXCohwEAAoAAAEDAAEAAAAG\
        AAAAAQEDAAEAAAAEAAAAAgEDAAEAAAAgAAAAAwEDAAEAAAAFAAAABgEDAAEAAAABAAAAEQEEAAEAAAAIAAAAFgEDAAEAAAAEAAAAFwEEAAEA\
        AAA9AAAAHAEDAAEAAAABAAAAUwEDAAEAAAADAAAAAAAAAA==
        """
    /// data.mdb of an LMDB database, gzipped: PNG files of 2×2 pixels of 10 under the key a, of 20 under b.
    static let lmdb = """
        H4sIAAAAAAACA+3ZOwrCQBCA4dlgIUIeRQrxNkokCUiQINiu8Q5ibaV3sPEC4gnE3jNoZW9rpzEPSKFiQLv/K2Z3YJiF7WZXpNTM4vlw3Sup\
        KjKnrPjsXpAvlfVKAAAAAADAv6i/zv/qxTk5483KOwAAAAAAAL9nVHauaFvbO5tbAQAAAACgHj+LSiarYeSbrU4rzcww8OJi9jayT/XxKb6l\
        ixV63dF8Pb0kOtFp7onlHAfLZ0XYj7xtTy/Kfkmdfu4k7zeT9qbhBtV+D1l5hDAAMAAA
        """

    static func bytes(_ base64: String) throws -> [UInt8] {
        guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters) else {
            throw CocoaError(.coderInvalidValue)
        }
        return [UInt8](data)
    }
}

extension ImageRules {
    static func test(size: Int, channels: Int, strict: Bool = false) -> ImageRules {
        var rules = ImageRules(ImageTreatment(size: size, channels: channels))
        rules.strict = strict
        return rules
    }
}

extension RasterImage {
    /// The sample of `size`×`size` that `smd dataset prepare images` makes of it.
    func fitted(to size: Int) -> RasterImage { ImageTreatment(size: size, channels: channels).applied(to: self) }
}
